"""A server small enough for a test of the page: the answers are a real translator's.

It knows nothing of admission or limits. `find_choices` says once more, token by token and in the
plainest way, what the page shows as alternatives.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

from foveate.errors import FoveateError
from foveate.page import PAGE_FILES, read_page_file
from foveate.records import Request, Sampling, Translation
from foveate.text.vocabulary import BOS, EOS
from foveate.translator import Translator

TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


class FakeServer:
    """Translators by name, the page, and what a test wants to go wrong."""

    def __init__(self, translators: Mapping[str, Translator], examples: list[str]) -> None:
        self.translators = dict(translators)
        self.examples = examples
        self.failures: list[tuple[int, dict[str, str], dict[str, Any]]] = []
        self.pauses: dict[str, float] = {}  # seconds that a text takes
        self.lock = threading.Lock()
        self.address = ""

    def answer(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Return what a request gives."""
        if path == "/info":
            return self.describe()
        name = body.pop("model", None) or next(iter(self.translators))
        text = body.pop("text")
        if pause := self.pauses.get(text):
            threading.Event().wait(pause)
        with self.lock:
            answer = answer_one(self.translators[name], text, body)
        return {**answer, "model": name, "model_id": self.translators[name].bundle.id}

    def describe(self) -> dict[str, Any]:
        """Return the facts of GET /info that the page reads."""
        return {
            "version": "0",
            "models": [
                {
                    "name": name,
                    "id": one.bundle.id,
                    "architecture": one.bundle.model.architecture,
                    "has_attention": one.has_attention,
                    "examples": self.examples,
                }
                for name, one in self.translators.items()
            ],
            "limits": {},
        }


def answer_one(translator: Translator, text: str, body: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON of a translation, from Python's own."""
    if "target" in body:
        pair, choices = (text, body["target"]), body.get("choices", 0)
        return next(translator.score_pairs([pair], choices=choices)).to_dict()
    if body.get("sampling"):
        body["sampling"] = Sampling(**body["sampling"])
    for name in {"must", "must_not"} & body.keys():
        body[name] = tuple(body[name])
    return translator.translate_one(Request(text, **body)).to_dict()


def log_probs_after(translator: Translator, source: str, ids: list[int]) -> np.ndarray:
    """Return the log-probabilities [V] of the token after `ids`, one step at a time."""
    source_ids = np.array([translator.source_codec.encode_many([source])[0]])
    state = translator.stepper.start(source_ids, np.ones_like(source_ids, bool), attention=False)
    for token in [BOS, *ids]:
        step = translator.stepper.step(state, np.array([token]), None)
        state = step.state
    return step.log_probs[0]


def join(translator: Translator, ids: list[int]) -> str:
    """Return the prefix that forces `ids`: its last token is whole."""
    codec = translator.target_codec
    text = codec.decode(ids)
    return text + " " if ids and codec.kind == "whitespace" else text


def find_choices(translator: Translator, found: Translation, k: int) -> list[list[dict[str, Any]]]:
    """Return the k likeliest tokens at each place of an output, and what was written there."""
    source = "".join(found.source_tokens)
    names = translator.target_codec.vocabulary.entries
    written = [names.index(token) for token in found.tokens]
    rows = []
    for place, token in enumerate([*written, EOS]):
        before = written[:place]
        log_probs = log_probs_after(translator, source, before)
        best = [int(i) for i in np.argsort(-log_probs, kind="stable") if i >= EOS][:k]
        best += [] if token in best else [token]
        rows.append([make_choice(translator, before, i, float(log_probs[i])) for i in best])
    return rows


def make_choice(
    translator: Translator, before: list[int], token: int, log_prob: float
) -> dict[str, Any]:
    """Return a choice as JSON has it."""
    is_end = token == EOS
    return {
        "token": "" if is_end else translator.target_codec.vocabulary.entries[token],
        "log_prob": log_prob,
        "prefix": join(translator, before if is_end else [*before, token]),
        "is_end": is_end,
    }


@contextmanager
def serve(fake: FakeServer) -> Iterator[FakeServer]:
    """Serve on a free port of this machine until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            name = "index.html" if self.path == "/" else self.path.removeprefix("/page/")
            if self.path == "/info":
                self.reply(200, "application/json", json.dumps(fake.answer("/info", {})).encode())
            elif name in PAGE_FILES:
                self.reply(200, TYPES[name.rpartition(".")[2]], read_page_file(name))
            else:
                self.reply(404, "text/plain", b"no such file")

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if fake.failures:
                status, headers, value = fake.failures.pop(0)
                return self.reply(status, "application/json", json.dumps(value).encode(), headers)
            try:
                status, value = 200, fake.answer(self.path, body)
            except FoveateError as error:
                status, value = 422, {"error": str(error)}
            return self.reply(status, "application/json", json.dumps(value).encode())

        def reply(
            self, status: int, kind: str, data: bytes, headers: Mapping[str, str] | None = None
        ) -> None:
            self.send_response(status)
            policy = {"Content-Security-Policy": "default-src 'self'", "Content-Type": kind}
            for name, value in {**policy, **(headers or {})}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    fake.address = f"http://127.0.0.1:{server.server_address[1]}/"
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
