"""The routes, and what ties them to admission and models."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from hashlib import sha256
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import HTMLResponse, Response, StreamingResponse

import foveate
from foveate.errors import ConfigError, FoveateError, did_you_mean
from foveate.formats import format_json
from foveate.outputs import Partial
from foveate.page import PAGE_FILES, read_page_file
from foveate.records import Request as Wish
from foveate.records import Translation
from foveate.server.admission import Admission, BusyError, ClientLeftError, TooLargeError
from foveate.server.describe import describe_server, find_model, find_model_for, list_languages
from foveate.server.docs_page import render_docs
from foveate.server.gate import LEFT, Gate, Log
from foveate.server.limits import Limits
from foveate.server.metrics import Metrics
from foveate.server.schemas import (
    AttendBody,
    LibreAnswer,
    ManyAnswer,
    OneAnswer,
    Problem,
    TooMuchError,
    TranslateBody,
)
from foveate.server.work import Answer, Outcome, Work, compute
from foveate.translator import Translator

KINDS = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "mjs": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "json": "application/json",
    "wasm": "application/wasm",
}
PROBLEMS: dict[int | str, dict[str, Any]] = {
    400: {"model": Problem, "description": "The body is not JSON."},
    401: {"model": Problem, "description": "A key is needed."},
    408: {"model": Problem, "description": "The body did not come in time."},
    413: {"model": Problem, "description": "The body is too large."},
    421: {"model": Problem, "description": "The server has another name."},
    422: {"model": Problem, "description": "A field is wrong, or beyond a limit."},
    503: {"model": Problem, "description": "BusyError; Retry-After says how long."},
}
TRANSLATED: dict[int | str, dict[str, Any]] = {
    200: {
        "model": OneAnswer | ManyAnswer | LibreAnswer,
        "description": "The translation.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}
TEXT: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Text."}
}


class App:
    """One server: its models, its queue, its routes. `api` is the ASGI app."""

    def __init__(
        self,
        translators: Mapping[str, Translator],
        limits: Limits,
        keys: Sequence[str],
        hosts: Sequence[str],
        origins: Sequence[str],
        workers: int,
        log: Log | None,
    ) -> None:
        if not translators or workers < 1:
            raise ConfigError("a server needs a model and a worker: give at least one of each")
        self.translators, self.limits = dict(translators), limits
        self.metrics = Metrics()
        self.admission = Admission(self._compute, limits, self.metrics, workers)
        self.is_loaded = self.is_draining = False
        self._described = _dump(describe_server(self.translators, limits))
        self._files = _read_files()
        self.api = FastAPI(
            title="Foveate",
            version=foveate.__version__,
            docs_url=None,
            redoc_url=None,
            openapi_url=None,
            lifespan=self._live,
            middleware=self._list_middleware(keys, hosts, origins, log),
        )
        self.api.state.foveate = self
        self._add_routes()
        self._add_handlers()

    def _list_middleware(
        self, keys: Sequence[str], hosts: Sequence[str], origins: Sequence[str], log: Log | None
    ) -> list[Middleware]:
        gate = Middleware(
            Gate,
            limits=self.limits,
            metrics=self.metrics,
            routes=[path for path, _, _ in self._list_routes()],
            keys=keys,
            hosts=hosts,
            log=log,
        )
        if not origins:
            return [gate]
        cors = Middleware(
            CORSMiddleware,
            allow_origins=list(origins),
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type", "X-API-Key"],
            expose_headers=["Retry-After"],
        )
        return [cors, gate]

    @asynccontextmanager
    async def _live(self, _: FastAPI) -> AsyncIterator[None]:
        """Warm the models up beside the first requests, and let the workers go at the end."""
        warming = asyncio.create_task(asyncio.to_thread(self._warm_up))
        warming.add_done_callback(self._note_loaded)
        try:
            yield
        finally:
            self.is_draining = True
            await asyncio.wait({warming})
            self.admission.close()

    def _warm_up(self) -> None:
        for translator in self.translators.values():
            with suppress(FoveateError):  # a model that fails says so to those who ask it
                translator.translate_one(next(iter(translator.summary.examples), "a"))

    def _note_loaded(self, _: asyncio.Task[None]) -> None:
        self.is_loaded = True
        self.metrics.ready.set(not self._find_reason())

    def _find_reason(self) -> str:
        """Return why the server is not ready, if it is not."""
        if self.is_draining:
            return "it is about to stop"
        if not self.is_loaded:
            return "it is still loading"
        return "its queue is nearly full" if self.admission.is_nearly_full else ""

    def _compute(self, works: Sequence[Work]) -> list[Outcome]:
        return compute(self.translators[works[0].model], works)

    # --- routes ---------------------------------------------------------------------------------

    def _list_routes(self) -> list[tuple[str, Callable[..., Any], dict[str, Any]]]:
        return [
            ("/translate", self.translate, {"methods": ["POST"], "responses": TRANSLATED}),
            (
                "/attend",
                self.attend,
                {"methods": ["POST"], "responses": {200: {"model": OneAnswer}}},
            ),
            ("/info", self.info, {}),
            ("/languages", self.languages, {}),
            ("/livez", self.livez, {}),
            ("/readyz", self.readyz, {}),
            ("/metrics", self.show_metrics, {"responses": TEXT}),
            ("/openapi.json", self.openapi, {"include_in_schema": False}),
            ("/docs", self.docs, {"include_in_schema": False}),
            ("/", self.page, {"include_in_schema": False}),
        ]

    def _add_routes(self) -> None:
        for path, answer, told in self._list_routes():
            responses = {**told.get("responses", {}), **PROBLEMS}
            settings = {"methods": ["GET"], **told, "responses": responses, "response_model": None}
            summary = (answer.__doc__ or "").partition("\n")[0]
            self.api.add_api_route(path, answer, summary=summary, **settings)
        self.api.add_route("/", self.page, methods=["HEAD"])
        self.api.add_route("/page/{name:path}", self.page, methods=["GET"])

    async def translate(self, request: Request, body: TranslateBody) -> Response:
        """Translate one text or several, also in LibreTranslate's form."""
        texts = body.list_texts()
        if body.q is None:
            name = find_model(self.translators, body.model)
        else:
            name = find_model_for(self.translators, body.source, body.target)
        wishes = body.make_requests(texts, self.limits)
        if body.stream:
            return await self._stream(request, body, name, wishes[0])
        found = await self._ask(request, Work(model=name, requests=wishes), body.timeout_seconds)
        if body.q is not None:
            return _reply(_answer_libre(body, found))
        if body.text is not None:
            return _reply(self._answer_one(name, found[0]))
        return _reply(
            {
                "model": name,
                "model_id": self.translators[name].bundle.id,
                "translations": [one.to_dict() for one in found],
            }
        )

    async def attend(self, request: Request, body: AttendBody) -> Response:
        """Show where the model looked; a given target is forced and scored."""
        body.check(self.limits)
        name = find_model(self.translators, body.model)
        if body.target is None:
            work = Work(model=name, requests=(Wish(body.text, choices=body.choices),))
        else:
            pair = (body.text, body.target)
            work = Work(model=name, pairs=(pair,), choices=body.choices)
        found = await self._ask(request, work, body.timeout_seconds)
        return _reply(self._answer_one(name, found[0]))

    async def info(self) -> Response:
        """Say what the models are, and what the limits."""
        return Response(self._described, media_type="application/json")

    async def languages(self) -> Response:
        """List the models in the form of LibreTranslate's languages."""
        return _reply(list_languages(self.translators))

    async def livez(self) -> Response:
        """Say that the process turns."""
        return _reply({"alive": True})

    async def readyz(self) -> Response:
        """Say whether more requests are welcome."""
        reason = self._find_reason()
        self.metrics.ready.set(not reason)
        if reason:
            return _refuse(503, f"not ready: {reason}", {"Retry-After": "1"})
        return _reply({"ready": True})

    async def show_metrics(self) -> Response:
        """Return the counters, in the form that Prometheus reads."""
        self.metrics.ready.set(not self._find_reason())
        return Response(self.metrics.render(), media_type="text/plain; version=0.0.4")

    async def openapi(self) -> Response:
        """Return the routes for programs."""
        return _reply(self.api.openapi())

    async def docs(self) -> Response:
        """Return the routes for people."""
        return HTMLResponse(render_docs(self.api.openapi()))

    async def page(self, request: Request) -> Response:
        """Return a file of the page."""
        found = self._files.get(request.path_params.get("name", "index.html"))
        if found is None:
            return _refuse(404, "there is no such file of the page")
        data, kind, tag = found
        headers = {"ETag": tag, "Cache-Control": "no-cache"}
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(data, media_type=kind, headers=headers)

    # --- asking ---------------------------------------------------------------------------------

    async def _ask(self, request: Request, work: Work, timeout: float | None) -> Answer:
        size = work.measure(self.translators[work.model])
        request.scope.setdefault("foveate", {}).update(model=work.model, rows=size[0])
        seconds = min(timeout or self.limits.max_seconds, self.limits.max_seconds)
        return await self.admission.ask(work, size, seconds, lambda: _wait_left(request))

    def _answer_one(self, name: str, found: Translation) -> dict[str, Any]:
        return {
            "model": name,
            "model_id": self.translators[name].bundle.id,
            **found.to_dict(),
        }

    async def _stream(
        self, request: Request, body: TranslateBody, name: str, wish: Wish
    ) -> Response:
        """Answer with events once the first token is there, so that a refusal has its status."""
        self.translators[name].stream(wish)  # raises what does not go with a stream
        loop, parts = asyncio.get_running_loop(), asyncio.Queue[Partial | None]()

        def emit(part: Partial) -> None:
            loop.call_soon_threadsafe(parts.put_nowait, part)

        work = Work(model=name, requests=(wish,), emit=emit)
        whole = asyncio.ensure_future(self._ask(request, work, body.timeout_seconds))
        whole.add_done_callback(lambda _: parts.put_nowait(None))
        first = await parts.get()
        if first is None:
            await whole  # raises why there was no token
        return StreamingResponse(
            self._list_events(name, first, parts, whole),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store"},
        )

    async def _list_events(
        self,
        name: str,
        first: Partial | None,
        parts: asyncio.Queue[Partial | None],
        whole: Awaitable[Answer],
    ) -> AsyncIterator[bytes]:
        part = first
        while part is not None:
            looks = None if part.attention is None else part.attention.tolist()
            told = {"token": part.token, "text": part.text, "log_prob": part.log_prob}
            yield _format_event("token", {**told, "attention": looks})
            part = await parts.get()
        try:
            found = await whole
        except ClientLeftError:
            return
        except Exception as error:
            yield _format_event("error", {"error": str(error)})
            return
        yield _format_event("translation", self._answer_one(name, found[0]))

    # --- what went wrong ------------------------------------------------------------------------

    def _add_handlers(self) -> None:
        handlers: dict[type[Exception], Callable[[Any], Response]] = {
            BusyError: lambda e: _refuse(503, str(e), {"Retry-After": str(e.retry_after)}),
            ClientLeftError: lambda _: _refuse(LEFT, "the client left"),
            TooLargeError: lambda e: _refuse(422, str(e)),
            TooMuchError: lambda e: _refuse(422, str(e)),
            FoveateError: lambda e: _refuse(422, str(e)),
            HTTPException: lambda e: _refuse(e.status_code, _describe_status(e), e.headers),
            RequestValidationError: lambda e: _refuse(*_describe_fields(e)),
        }
        for kind, answer in handlers.items():
            self.api.add_exception_handler(kind, _make_handler(answer))


def _make_handler(answer: Callable[[Any], Response]) -> Callable[..., Awaitable[Response]]:
    async def handle(_: Request, error: Exception) -> Response:
        return answer(error)

    return handle


def _describe_status(error: HTTPException) -> str:
    told = {
        400: "body: it is not JSON in UTF-8",
        404: "there is no such route: GET /docs lists them",
        405: "this route has another method: GET /docs lists them",
    }
    return told.get(error.status_code, str(error.detail))


def _describe_fields(error: RequestValidationError) -> tuple[int, str]:
    """Return status and text for fields that are not what they should be."""
    problems = []
    for found in error.errors()[:5]:
        place = [str(part) for part in found["loc"] if part != "body"]
        if found["type"] == "json_invalid":
            return 400, f"body: it is not JSON (at character {place[-1] if place else 0})"
        what = str(found["msg"]).replace("Input should be", "must be").removeprefix("Input ")
        if found["type"] == "extra_forbidden":
            known = [*TranslateBody.model_fields, *AttendBody.model_fields]
            what = "there is no such field" + did_you_mean(place[-1], known)
        elif found["type"] == "model_attributes_type":
            what = "must be a JSON object, with content-type application/json"
        problems.append(f"{'.'.join(place)[:60] or 'body'}: {what[:200]}")
    return 422, "; ".join(problems)


def _answer_libre(body: TranslateBody, found: Answer) -> dict[str, Any]:
    texts = [one.text for one in found]
    others = [[other.text for other in one.alternatives] for one in found]
    is_list = isinstance(body.q, list)
    answer: dict[str, Any] = {"translatedText": texts if is_list else texts[0]}
    if body.alternatives:
        answer["alternatives"] = others if is_list else others[0]
    return answer


async def _wait_left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _read_files() -> dict[str, tuple[bytes, str, str]]:
    """Return data, kind and tag of every file of the page; no other name leads to a file."""
    files = {}
    for name in PAGE_FILES:
        data = read_page_file(name)
        kind = KINDS.get(name.rpartition(".")[2], "application/octet-stream")
        files[name] = (data, kind, f'"{sha256(data).hexdigest()[:20]}"')
    return files


def _dump(value: Any) -> bytes:
    return format_json(value).encode("utf-8", "replace")


def _reply(value: Any) -> Response:
    return Response(_dump(value), media_type="application/json")


def _refuse(status: int, error: str, headers: Mapping[str, str] | None = None) -> Response:
    text = json.dumps({"error": error})  # escapes whatever is not ASCII
    return Response(text, status, headers, media_type="application/json")


def _format_event(name: str, value: Any) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + _dump(value) + b"\n\n"
