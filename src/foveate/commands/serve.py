"""`foveate serve`: models over HTTP, with the page."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Group, Parameter

from foveate.commands.arguments import (
    Backend,
    Place,
    Threads,
    TrustCode,
    check_least,
    load_translator,
)
from foveate.commands.groups import ESSENTIAL
from foveate.console import say
from foveate.errors import ConfigError, MissingExtraError
from foveate.server.limits import Limits

if TYPE_CHECKING:
    from foveate.translator import Translator

LIMITS = Group("Limits", sort_key=4)
LOCAL = ("127.0.0.1", "localhost", "::1")
DEFAULT_MODEL = "english"
LEAST_KEY = 16  # characters

app = App(
    name="serve",
    usage="Usage: foveate serve [OPTIONS] [MODEL...]",
    help_epilogue="""\
Examples:
  foveate serve model
  foveate serve small large --port 9000
  foveate serve de-en=runs/17 --host 0.0.0.0 --api-key-file keys.txt
""",
)


@app.default
def serve(
    models: Annotated[tuple[Place, ...], Parameter(metavar="MODEL", show_default=False)] = (),
    /,
    *,
    host: Annotated[str, Parameter(group=ESSENTIAL, metavar="NAME")] = "127.0.0.1",
    port: Annotated[int, Parameter(group=ESSENTIAL, metavar="N")] = 8000,
    api_key_file: Annotated[Place | None, Parameter(group=ESSENTIAL)] = None,
    open: Annotated[bool, Parameter(group=ESSENTIAL, negative="", show_default=False)] = False,
    cors: Annotated[
        tuple[str, ...],
        Parameter(group=ESSENTIAL, metavar="ORIGIN", negative="", show_default=False),
    ] = (),
    quiet: Annotated[bool, Parameter(group=ESSENTIAL, negative="", show_default=False)] = False,
    limits: Annotated[Limits, Parameter(name="*", group=LIMITS)] = Limits(),  # noqa: B008  frozen
    backend: Backend = "auto",
    threads: Threads = 0,
    trust_code: TrustCode = False,
) -> int:
    """Serve models over HTTP, with a page that shows attention.

    Args:
        models: Folders of trained models; NAME=FOLDER gives one a name. The first is the default.
        host: Address to listen at. Another one than this machine's needs keys, or --open.
        port: Port to listen at; 0 is any that is free.
        api_key_file: File of keys, one a line; each request then needs one.
        open: Need no key: everybody who reaches the address may ask.
        cors: Web site whose pages may read the answers; * is all. Repeat the flag for several.
        quiet: Write no access log (JSON lines on standard error).
        limits: What it does at most.
        backend: What computes: PyTorch, or ONNX Runtime for an exported model.
        threads: Batches computed at a time (0: half as many as there are cores).
        trust_code: Run code of somebody's own that MODEL names (its attention).
    """
    check_least(0, port=port, threads=threads)
    keys = read_keys(api_key_file) if api_key_file is not None else []
    if host not in LOCAL and not keys and not open:
        raise ConfigError(
            f"--host {host}: others can reach it: add --api-key-file FILE, or --open to let "
            "everybody in"
        )
    from foveate.server import build_app

    translators = load_models(models or (DEFAULT_MODEL,), backend, trust_code)
    api = build_app(
        translators,
        limits=limits,
        keys=keys,
        hosts=(*LOCAL, "[::1]") if host in LOCAL else (),
        origins=cors,
        workers=threads or _count_workers(),
        log=None if quiet else write_record,
    )
    try:
        from foveate.server.run import serve as run
    except ModuleNotFoundError as error:
        raise MissingExtraError(str(error.name), "serve", "foveate serve") from None
    names = ", ".join(translators)
    run(api, host, port, limits, lambda address: say(f"{address} serves {names}; Ctrl-C stops"))
    say("stopped")
    return 0


def load_models(places: tuple[str, ...], backend: Any, trust_code: bool) -> dict[str, Translator]:
    """Load models by name: what stands before `=`, or the last part of the path.

    Raises:
        ConfigError: two have one name.
    """
    translators: dict[str, Translator] = {}
    for place in places:
        name, path = split_place(place)
        if name in translators:
            raise ConfigError(
                f"two models have the name {name!r}: give one another, as in other={path}"
            )
        translators[name] = load_translator(path, backend, 1, trust_code)
    return translators


def split_place(place: str) -> tuple[str, str]:
    """Return name and path of a model.

    Example:
        >>> split_place("runs/17"), split_place("de-en=runs/17")
        (('17', 'runs/17'), ('de-en', 'runs/17'))
    """
    name, equals, path = place.partition("=")
    if equals and name and path and "/" not in name and not Path(place).exists():
        return name, path
    return Path(place).resolve().name if place in (".", "..") else Path(place).name, place


def read_keys(place: str) -> list[str]:
    """Return the keys of a file, one a line.

    Raises:
        ConfigError: there is none, or one that is quickly guessed.
    """
    lines = Path(place).read_bytes().decode("utf-8", "replace").splitlines()
    keys = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    if not keys:
        raise ConfigError(f"{place}: holds no key: write one, of {LEAST_KEY} characters or more")
    short = [number for number, key in enumerate(keys, start=1) if len(key) < LEAST_KEY]
    if short:
        raise ConfigError(f"{place}: key {short[0]} has fewer than {LEAST_KEY} characters")
    return keys


def write_record(record: dict[str, Any]) -> None:
    """Write a line of the access log."""
    print(json.dumps(record), file=sys.stderr, flush=True)


def _count_workers() -> int:
    """Leave cores to HTTP: a worker that is held up is slower than one that is not there."""
    from foveate.search.workers import granted_threads

    return max(1, granted_threads() // 2)
