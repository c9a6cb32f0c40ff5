"""A run as events that TensorBoard shows."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from foveate.errors import MissingExtraError
from foveate.training.report import Report


class EventWriter:
    """A listener that writes what a run says as scalars, by update.

    They are `train/loss` and `train/learning_rate`, in nats and as the optimizer has it,
    `train/target_tokens_per_second`, and `dev/NAME` of every score. A run that goes on adds to
    the same folder; of what both wrote TensorBoard shows the later.

    Args:
        folder: where the events are kept; it is made.

    Raises:
        MissingExtraError: the package `tensorboard` is not installed.
    """

    def __init__(self, folder: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ModuleNotFoundError:
            raise MissingExtraError("TensorBoard", "tensorboard", "--tensorboard") from None
        self._writer = SummaryWriter(folder)

    def __call__(self, report: Report) -> None:
        """Write a report."""
        for name, value in list_scalars(report).items():
            self._writer.add_scalar(name, value, report.update)
        if report.kind == "plan":
            self._writer.add_text("plan", report.message)
        if report.kind != "progress":
            self._writer.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self._writer.close()


def list_scalars(report: Report) -> dict[str, float]:
    """Return the numbers of a report, by the names that TensorBoard groups.

    Example:
        >>> list_scalars(Report("validation", update=7, dev={"loss": 0.5}))
        {'dev/loss': 0.5}
    """
    counted = {
        "train/loss": report.loss,
        "train/learning_rate": report.learning_rate,
        "train/target_tokens_per_second": report.target_tokens_per_second,
        **{f"dev/{name}": value for name, value in (report.dev or {}).items()},
    }
    return {name: value for name, value in counted.items() if value is not None}
