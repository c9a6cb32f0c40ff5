"""The process around the app: a socket, slow clients, and an orderly end."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from foveate.errors import ConfigError
from foveate.server.limits import Limits

MOST_HEAD = 32_768  # bytes of the line and headers of a request
MOST_PORT = 65_535
BACKLOG = 1024  # connections that wait to be taken
SWITCH_SECONDS = 0.0005  # a worker in Python code soon lets the loop of events run
KEEP_ALIVE = 15  # seconds that a connection may be idle between two requests


def serve(api: FastAPI, host: str, port: int, limits: Limits, tell: Callable[[str], None]) -> None:
    """Serve until SIGTERM or Ctrl-C, finish what is there, and return.

    Args:
        api: what `build_app` returned.
        host: address to listen at.
        port: 0 is any that is free.
        limits: how long a client may take, and how long the end.
        tell: is given the address once the server answers.

    Raises:
        ConfigError: the address is taken, or not one of this machine.
    """
    listener = _listen(host, port)
    sys.setswitchinterval(SWITCH_SECONDS)
    config = uvicorn.Config(
        api,
        http=_build_protocol(limits.read_seconds),
        ws="none",
        loop="asyncio",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=MOST_HEAD,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=max(1, round(limits.drain_seconds)),
    )
    shown = f"[{host}]" if ":" in host else host
    tell(f"http://{shown}:{listener.getsockname()[1]}/")
    _Server(config, api).run(sockets=[listener])
    if api.state.foveate.admission.is_busy:  # its thread would keep the process beyond its time
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


class _Server(uvicorn.Server):
    """A server that says at once that it stops, and whose end by a signal is no failure."""

    def __init__(self, config: uvicorn.Config, api: FastAPI) -> None:
        super().__init__(config)
        self._api = api

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop at a signal, and do not raise it again afterwards."""
        before = {number: signal.signal(number, self.handle_exit) for number in _find_signals()}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop; a second Ctrl-C does not wait."""
        self._api.state.foveate.is_draining = True
        super().handle_exit(sig, frame)


def _find_signals() -> tuple[int, ...]:
    return (signal.SIGINT, signal.SIGTERM)


def _listen(host: str, port: int) -> socket.socket:
    """Return a socket that takes connections from now on."""
    if port > MOST_PORT:
        raise ConfigError(f"--port: must be at most {MOST_PORT}, not {port}")
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
        # Else a body waits for the client's word on its head: 40 ms an answer.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listener
    except (OSError, UnicodeError) as error:
        raise ConfigError(
            f"cannot listen at {host}, port {port}: {error}; choose another --port or --host"
        ) from None


def _build_protocol(seconds: float) -> type[asyncio.Protocol]:
    """Return uvicorn's protocol, with an end for those who send nothing, or only half a head."""

    class Protocol(H11Protocol):
        """Closes a connection on which no request has begun between two looks."""

        seen: Any = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self.look = self.loop.call_later(seconds, self._look)

        def connection_lost(self, exc: Exception | None) -> None:
            self.look.cancel()
            super().connection_lost(exc)

        def _look(self) -> None:
            cycle: Any = self.cycle  # None before the first request
            is_idle = cycle is None or cycle.response_complete
            if is_idle and cycle is self.seen and self.timeout_keep_alive_task is None:
                self.transport.close()
                return
            self.seen = cycle if is_idle else None
            self.look = self.loop.call_later(seconds, self._look)

    return Protocol
