"""Models over HTTP: admission, batches across requests, streams, the page. `build_app` makes it.

FastAPI is loaded only when an app is built.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from foveate.errors import MissingExtraError
from foveate.server.limits import Limits

if TYPE_CHECKING:
    from fastapi import FastAPI

    from foveate.translator import Translator

__all__ = ["Limits", "build_app"]


def build_app(
    translators: Mapping[str, Translator],
    *,
    limits: Limits | None = None,
    keys: Sequence[str] = (),
    hosts: Sequence[str] = (),
    origins: Sequence[str] = (),
    workers: int = 1,
    log: Callable[[dict[str, Any]], None] | None = None,
) -> FastAPI:
    """Return an ASGI app that serves models; its lifespan has to be run.

    Args:
        translators: the models by name; the first is the default.
        limits: what it does at most.
        keys: one of them has to come with each request; none: everybody may ask.
        hosts: names that the server may be called by; none: any.
        origins: other web sites whose pages may read the answers ("*": all).
        workers: batches that are computed at a time.
        log: is given one record for each request, without its texts.

    Raises:
        MissingExtraError: FastAPI is not installed.
        ConfigError: there is no model, or a number is not above 0.
    """
    try:
        from foveate.server.app import App
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "foveate":
            raise
        raise MissingExtraError(str(error.name), "serve", "serving models over HTTP") from None
    return App(translators, limits or Limits(), keys, hosts, origins, workers, log).api
