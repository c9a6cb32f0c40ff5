"""`foveate compare`: which of several models is better on the same pairs, and may it be chance?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from foveate.commands.arguments import (
    Backend,
    BeamSize,
    BleuTokenize,
    Columns,
    Place,
    Threads,
    TrustCode,
    check_least,
    load_translator,
    read_table,
)
from foveate.commands.groups import ESSENTIAL
from foveate.errors import ConfigError

app = App(
    name="compare",
    usage="Usage: foveate compare [OPTIONS] MODEL MODEL... PAIRS",
    help_epilogue="""\
Examples:
  foveate compare old new test.tsv
  foveate compare traditional attention transformer test.tsv --out models.html
  foveate compare old new test.tsv --out differences.tsv
""",
)


@app.default
def compare(
    *models_and_pairs: Annotated[Place, Parameter(metavar="MODEL MODEL [MODEL ...] PAIRS")],
    out: Annotated[Place | None, Parameter(group=ESSENTIAL, alias="-o")] = None,
    json: Annotated[Place | None, Parameter(group=ESSENTIAL)] = None,
    bleu_tokenize: Annotated[BleuTokenize | None, Parameter(group=ESSENTIAL)] = None,
    columns: Columns = None,
    skip_bad: Annotated[bool, Parameter(group=ESSENTIAL, negative="", show_default=False)] = False,
    beam_size: BeamSize = None,
    backend: Backend = "auto",
    threads: Threads = 0,
    trust_code: TrustCode = False,
) -> int:
    """Compare models on the same pairs: which is better, and may it be chance?

    The others are compared with the first model. Intervals of the differences come from a
    paired bootstrap, p from approximate randomisation.

    Args:
        models_and_pairs: Folders of two or more models, and the pairs at the end.
        out: Write the outputs that differ to a .tsv file, or everything to a page (.html).
        json: Write the numbers to this file; - is standard output, in place of the tables.
        bleu_tokenize: How BLEU splits words (see foveate evaluate --help).
        columns: Which columns of PAIRS (see foveate evaluate --help).
        skip_bad: Skip and count bad rows instead of stopping.
        beam_size: Hypotheses that the search keeps.
        backend: What computes: PyTorch, or ONNX Runtime for an exported model.
        threads: Processor threads (0: as many as there are cores).
        trust_code: Run code of somebody's own that a MODEL names (its attention).
    """
    from foveate.comparing import compare as run_comparison
    from foveate.console import show, watch
    from foveate.formats import format_json
    from foveate.output import check_file, is_page, open_output
    from foveate.shown_comparison import format_comparison, write_comparison

    *models, pairs = _check_call(models_and_pairs)
    for place in (out, json):
        if place is not None:
            check_file(place, read=pairs)
    check_least(1, beam_size=beam_size)
    table = read_table(pairs, columns=columns, skip_bad=skip_bad)
    loaded = [load_translator(model, backend, threads, trust_code) for model in models]
    translators = dict(zip(name_models(models), loaded, strict=True))
    comparison = run_comparison(
        translators,
        table,
        beam_size=beam_size,
        bleu_tokenize=bleu_tokenize,
        watch=lambda found, total: watch(found, total),
    )
    if json is not None:
        with open_output(json) as stream:
            stream.write(format_json(comparison.to_dict(), indent=2) + "\n")
    if out is not None:
        with open_output(out) as stream:
            stream.write(write_comparison(comparison, is_page=is_page(out)))
    if json != "-":
        show(format_comparison(comparison))
    return 0


def _check_call(given: tuple[str, ...]) -> tuple[str, ...]:
    if len(given) < 3:
        raise ConfigError(
            "compare needs two models or more, and the pairs at the end: "
            "foveate compare MODEL MODEL PAIRS"
        )
    return given


def name_models(models: list[str]) -> list[str]:
    """Return a short name for each model: its folder's, or as much of the path as tells them apart.

    Example:
        >>> name_models(["runs/a/model", "runs/b/model"])
        ['a/model', 'b/model']
        >>> name_models(["a", "a"])
        ['a', 'a (2)']
    """
    paths = [Path(model) for model in models]
    length = 1
    while length < max(len(path.parts) for path in paths) and _are_mixed_up(paths, length):
        length += 1
    names: list[str] = []
    for path in paths:
        name = str(Path(*path.parts[-length:]))
        again = sum(other == name or other.startswith(f"{name} (") for other in names)
        names.append(f"{name} ({again + 1})" if again else name)
    return names


def _are_mixed_up(paths: list[Path], length: int) -> bool:
    """Tell whether different paths end alike."""
    return len({path.parts[-length:] for path in paths}) < len(set(paths))
