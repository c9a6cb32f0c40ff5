"""What every request passes first: size, time, host, key; and what every answer leaves with.

Here are the safety headers, the access log, and the counters. Knows no models.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import math
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from foveate.server.limits import Limits
from foveate.server.metrics import Metrics

SAFETY = {
    "content-security-policy": "default-src 'self'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
}
FORM = "application/x-www-form-urlencoded"
MOST_FIELDS = 200  # of a form
OPEN_ROUTES = ("/", "/livez", "/readyz")  # without a key; the page's files too
LIBRE_ROUTES = ("/translate", "/languages")  # whose key may stand in the body, as api_key
LEFT = 499  # what the log says where the client left first

Log = Callable[[dict[str, Any]], None]


class RefusedError(Exception):
    """A request that goes no further than the gate."""

    def __init__(self, status: int, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status, self.headers = status, headers

    def answer(self) -> Response:
        """Return it as an answer, after which the connection is closed."""
        headers = {name.replace("_", "-"): value for name, value in self.headers.items()}
        return JSONResponse({"error": str(self)}, self.status, {"connection": "close", **headers})


@dataclass(slots=True)
class _Exchange:
    """One request and what was sent for it."""

    scope: Scope
    send: Send
    begun: float
    status: int = 0
    size: int = 0

    async def __call__(self, message: Message) -> None:
        """Send a part of the answer, with the headers that all answers have."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            present = {name for name, _ in message["headers"]}
            added = [(name.encode(), value.encode()) for name, value in SAFETY.items()]
            headers = [*message["headers"], *(one for one in added if one[0] not in present)]
            message = {**message, "headers": headers}
        elif message["type"] == "http.response.body":
            self.size += len(message.get("body", b""))
        await self.send(message)


class Gate:
    """The outermost layer of the app.

    Args:
        app: what is inside.
        limits: of a body, of the time to send it, and of requests at a time.
        metrics: what is counted.
        routes: paths that have a name of their own in log and counters.
        keys: one of them has to come with a request; none: everybody may ask.
        hosts: names that the server may be called by; none: any.
        log: is given one record for each request.
    """

    def __init__(
        self,
        app: ASGIApp,
        limits: Limits,
        metrics: Metrics,
        routes: Sequence[str],
        keys: Sequence[str],
        hosts: Sequence[str],
        log: Log | None,
    ) -> None:
        self._app, self._limits, self._metrics, self._log = app, limits, metrics, log
        self._routes, self._hosts = frozenset(routes), frozenset(hosts)
        self._keys = [_digest(key.encode()) for key in keys]
        self._open = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, send, time.perf_counter())
        self._open += 1
        trouble = ""
        try:
            await self._serve(scope, receive, exchange)
        except Exception:
            trouble = traceback.format_exc()
            if not exchange.status:
                answer = JSONResponse({"error": "the server failed; its log says why"}, 500)
                await answer(scope, receive, exchange)
        finally:
            self._open -= 1
            self._note(exchange, trouble)

    async def _serve(self, scope: Scope, receive: Receive, exchange: _Exchange) -> None:
        try:
            is_let_in = self._check(scope)
            body = await self._read(Headers(scope=scope), receive)
            if body is None:
                exchange.status = LEFT
                return
            scope, body = _translate_form(scope, body)
            if not is_let_in and not self._is_key(_find_key(body)):
                raise _want_key()
        except RefusedError as refused:
            await refused.answer()(scope, receive, exchange)
            return
        await self._app(scope, _replay(body, receive), exchange)

    def _check(self, scope: Scope) -> bool:
        """Raise RefusedError unless this request may come in; a key in its body may let it in.

        Returns:
            False when it has no other key: the body has to have one then.
        """
        headers = Headers(scope=scope)
        if self._open > self._limits.max_connections:
            raise RefusedError(
                503,
                f"the server is busy, {self._limits.max_connections:,} requests are open "
                "(--max-connections): try again in 1 s",
                retry_after="1",
            )
        if self._hosts and _strip_port(headers.get("host", "")) not in self._hosts:
            raise RefusedError(
                421, f"host: this server is {' or '.join(sorted(self._hosts))} (see --host)"
            )
        is_let_in = not self._keys or self._is_open(scope) or self._is_key(_find_sent_key(headers))
        if not is_let_in and scope["path"] not in LIBRE_ROUTES:
            raise _want_key()
        return is_let_in

    def _is_open(self, scope: Scope) -> bool:
        path = scope["path"]
        return (path in OPEN_ROUTES or path.startswith("/page/")) and scope["method"] in (
            "GET",
            "HEAD",
        )

    def _is_key(self, given: bytes) -> bool:
        """Compare with every key, in a time that does not depend on what is right of it."""
        found = _digest(given)
        matches = [hmac.compare_digest(found, key) for key in self._keys]
        return any(matches) and bool(given)

    async def _read(self, headers: Headers, receive: Receive) -> bytes | None:
        """Return the body; None when the client left first."""
        most = self._limits.max_body
        length = headers.get("content-length", "0")
        if "transfer-encoding" in headers and "content-length" in headers:
            raise RefusedError(400, "content-length: does not go with transfer-encoding")
        if len(length) > 18 or int(length) > most:  # uvicorn lets only digits through
            raise RefusedError(413, f"body: {length:.20} bytes are more than {most:,} (--max-body)")
        parts, size = [], 0
        try:
            async with asyncio.timeout(self._limits.read_seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return None
                    part = message.get("body", b"")
                    size += len(part)
                    if size > most:
                        raise RefusedError(
                            413, f"body: it has more than {most:,} bytes (--max-body)"
                        )
                    parts.append(part)
                    if not message.get("more_body", False):
                        return b"".join(parts)
        except TimeoutError:
            raise RefusedError(
                408, f"body: it did not come within {self._limits.read_seconds:g} s"
            ) from None

    def _note(self, exchange: _Exchange, trouble: str) -> None:
        scope = exchange.scope
        route = _name_route(scope["path"], self._routes)
        status = exchange.status or LEFT
        seconds = time.perf_counter() - exchange.begun
        self._metrics.requests.labels(route, str(status)).inc()
        self._metrics.latency.labels(route).observe(seconds)
        if self._log is None:
            return
        client = scope.get("client")
        record: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "client": client[0] if client else None,
            "method": scope["method"][:16],
            "route": route,
            "status": status,
            "milliseconds": math.ceil(seconds * 10_000) / 10,
            "bytes": exchange.size,
            **scope.get("foveate", {}),
        }
        self._log({**record, "trouble": trouble} if trouble else record)


def _want_key() -> RefusedError:
    return RefusedError(
        401,
        'a key is needed: send the header "Authorization: Bearer KEY"',
        www_authenticate="Bearer",
    )


def _find_sent_key(headers: Headers) -> bytes:
    """Return the key among the headers, as it was sent; empty: there is none."""
    scheme, _, told = headers.get("authorization", "").partition(" ")
    given = told.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "")
    return given.encode("latin-1", "replace")


def _find_key(body: bytes) -> bytes:
    """Return LibreTranslate's `api_key` of a body in JSON; empty: there is none."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return b""
    given = told.get("api_key") if isinstance(told, dict) else None
    return given.encode("utf-8", "replace") if isinstance(given, str) else b""


def _digest(key: bytes) -> bytes:
    """Return something of one length for keys of any length."""
    return hashlib.sha256(key).digest()


def _strip_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdigit() else host).lower()


def _name_route(path: str, routes: frozenset[str]) -> str:
    """Return a path that says nothing of anybody's text."""
    if path in routes:
        return path
    return "/page" if path.startswith("/page/") else "other"


def _translate_form(scope: Scope, body: bytes) -> tuple[Scope, bytes]:
    """Turn the form that LibreTranslate's clients send into JSON."""
    kind = Headers(scope=scope).get("content-type", "").partition(";")[0].strip().lower()
    if kind != FORM or scope["path"] not in LIBRE_ROUTES:
        return scope, body
    try:
        fields = parse_qs(body.decode("utf-8"), True, errors="strict", max_num_fields=MOST_FIELDS)
    except ValueError:
        raise RefusedError(
            400, f"body: a form has at most {MOST_FIELDS} fields, in UTF-8"
        ) from None
    values = {name: found[0] if len(found) == 1 else found for name, found in fields.items()}
    data = json.dumps(values).encode()
    dropped = (b"content-type", b"content-length")
    kept = [one for one in scope["headers"] if one[0] not in dropped]
    told = [(b"content-type", b"application/json"), (b"content-length", str(len(data)).encode())]
    return {**scope, "headers": [*kept, *told]}, data


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return what gives the body once, and then what comes after it."""
    is_given = False

    async def receive_again() -> Message:
        nonlocal is_given
        if is_given:
            return await receive()
        is_given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again
