"""`foveate experiment`: what is claimed of attention, seen on models trained here and now."""

from __future__ import annotations

import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from foveate.commands.arguments import Place, check_least, check_positive
from foveate.commands.groups import ESSENTIAL
from foveate.console import format_table, say
from foveate.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from foveate.experiments.experiment import Budget, Experiment

LIST = "list"
MODELS = "models"  # the folder of the models, in that of the experiment
MOST_SEED = 2**31 - 1

app = App(
    name="experiment",
    usage="Usage: foveate experiment [OPTIONS] [NAME]",
    help_epilogue="""\
Examples:
  foveate experiment list                   the experiments and their minutes
  foveate experiment length --out length    quality by source length
  foveate experiment length --scale 0.1     a tenth of the work, for a look
  foveate experiment length -o length --resume   go on after a stop
""",
)


@app.default
def experiment(
    name: str = LIST,
    /,
    *,
    out: Annotated[Place | None, Parameter(group=ESSENTIAL, alias="-o", metavar="FOLDER")] = None,
    scale: Annotated[float, Parameter(group=ESSENTIAL, metavar="X")] = 1.0,
    seed: Annotated[int, Parameter(group=ESSENTIAL, metavar="N")] = 1,
    resume: Annotated[bool, Parameter(group=ESSENTIAL, negative="", show_default=False)] = False,
) -> int:
    """Run an experiment: what papers claim of attention, seen on models trained here and now.

    Args:
        name: Which one; list names them all, with the minutes that each takes.
        out: Folder for the page, the pictures, the numbers and the models (default: a new folder
            here).
        scale: Share of the whole work, above 0 and at most 1.
        seed: Seed of every random choice.
        resume: Go on with the unfinished experiment in FOLDER.
    """
    from foveate.experiments import EXPERIMENTS

    if name == LIST:
        print(list_experiments(EXPERIMENTS))
        return 0
    chosen = find_experiment(name, EXPERIMENTS)
    check_call(scale, seed, out, resume)
    folder = choose_folder(chosen.name, out, resume)
    return run_experiment(chosen, folder, scale, seed, resume)


def list_experiments(experiments: dict[str, Experiment]) -> str:
    """Return a table of the experiments, with their minutes."""
    rows = [(one.name, one.title, str(one.minutes)) for one in experiments.values()]
    return format_table(("name", "what it is about", "minutes"), rows, text_columns=2)


def find_experiment(name: str, experiments: dict[str, Experiment]) -> Experiment:
    """Return an experiment by its name.

    Raises:
        ConfigError: there is none of that name.
    """
    if name not in experiments:
        known = [*experiments, LIST]
        raise ConfigError(
            f"{name}: no such experiment{did_you_mean(name, known)} "
            f"(there are: {', '.join(experiments)})"
        )
    return experiments[name]


def check_call(scale: float, seed: int, out: str | None, resume: bool) -> None:
    """Raise a ConfigError for a budget that makes no sense."""
    check_positive(scale=scale)
    if scale > 1:
        raise ConfigError(f"--scale: 1 is the whole experiment, so it is at most 1, not {scale:g}")
    check_least(0, seed=seed)
    if seed > MOST_SEED:
        raise ConfigError(f"--seed: must be at most {MOST_SEED}, not {seed}")
    if resume and out is None:
        raise ConfigError("--resume: say which folder to go on in: --out FOLDER --resume")


def choose_folder(name: str, out: str | None, resume: bool) -> Path:
    """Return the folder to write to, which is new or is to be gone on with.

    Raises:
        ConfigError: it holds something already, or there is nothing to go on with.
    """
    from foveate.output import check_folder

    if out is None:
        stem = f"foveate-experiment-{name}"
        names = (stem if number == 1 else f"{stem}-{number}" for number in range(1, 10_000))
        out = next(one for one in names if not Path(one).exists())
    check_folder(out, resume=resume, what="an experiment", begun=MODELS)
    return Path(out)


def run_experiment(
    chosen: Experiment, folder: Path, scale: float, seed: int, is_resumed: bool = False
) -> int:
    """Run an experiment, write what it found, and say where; return the exit status."""
    from foveate.experiments.display import ExperimentDisplay
    from foveate.experiments.experiment import Budget
    from foveate.experiments.write import FAILED, HELD, Run, write_findings

    budget = Budget(scale, seed, folder / MODELS)
    command = describe_call(chosen.name, folder, budget)
    minutes = f"about {chosen.minutes * scale:.2g} minutes on two cores"
    say(f"{chosen.title}\n{chosen.question}\n{minutes}; results go to {folder}")
    begin = time.monotonic()
    try:
        with ExperimentDisplay(chosen.name) as display:
            findings = chosen.run(budget, display)
    except KeyboardInterrupt:
        say(f"stopped; this goes on: {command} --resume")
        return 130
    run = Run(command, budget, (time.monotonic() - begin) / 60, is_resumed)
    page = write_findings(chosen, findings, run, folder)
    print(f"{HELD if findings.holds else FAILED} {findings.claim}\n\n{findings.found}\n")
    print(f"the page: {page}")
    return 0


def describe_call(name: str, folder: Path, budget: Budget) -> str:
    """Return the command that does the same again.

    Example:
        >>> from foveate.experiments.experiment import Budget
        >>> describe_call("length", Path("long"), Budget(scale=0.5, seed=3))
        'foveate experiment length --out long --scale 0.5 --seed 3'
    """
    share = f" --scale {budget.scale:g}" if budget.scale != 1 else ""
    return f"foveate experiment {name} --out {shlex.quote(str(folder))}{share} --seed {budget.seed}"
