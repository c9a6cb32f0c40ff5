"""The server: its answers are those of `Translator`, whatever stands beside them in a batch."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

import fuzz_http
import hostile_http
from foveate.cli import main
from foveate.errors import ConfigError
from foveate.records import Request, Sampling, Translation
from foveate.server import Limits, build_app
from foveate.server.admission import Admission, BusyError, ClientLeftError, TooLargeError
from foveate.server.metrics import Metrics
from foveate.server.work import Outcome, Work, compute
from foveate.translator import Translator

MODELS = Path(__file__).parent
ONNX = MODELS / "golden-onnx" / "format-1"
KEY = "a key that nobody guesses"
TEXTS = ["abc", "ba", "cabbac", "a", "ccc", "abcabcabc", "bca"]


@pytest.fixture(scope="session")
def translator() -> Translator:
    return Translator.load(ONNX, threads=1)


@pytest.fixture
def client(translator: Translator) -> Iterator[TestClient]:
    with TestClient(build_app({"abc": translator, "de-en": translator})) as client:
        yield client


def close(one: Any, other: Any) -> bool:
    """Say whether two answers are equal: numbers within rounding, all else exactly."""
    if isinstance(one, float) and isinstance(other, (float, int)):
        return abs(one - other) < 1e-5
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(close(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(close, one, other))
    return bool(one == other)


def without_model(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name not in ("model", "model_id")}


WISHES: list[dict[str, Any]] = [
    {},
    {"beam_size": 1, "attention": True},
    {"n_best": 3, "attention": True},
    {"prefix": "b", "beam_size": 3},
    {"prefix": ["b", "c"]},
    {"must": ["ac"], "must_not": ["b"]},
    {"length_penalty": 0.5, "max_length": 2},
    {"no_repeat": 1, "mbr": "chrf"},
    {"sampling": {"temperature": 2.0, "seed": 3}, "n_best": 2},
    {"choices": 3, "tree": True},
]


def offline(translator: Translator, text: str, wishes: dict[str, Any]) -> dict[str, Any]:
    given = {"attention": False, **wishes}
    if sampling := given.get("sampling"):
        given["sampling"] = Sampling(**sampling)
    return translator.translate_one(text, **given).to_dict()


@pytest.mark.parametrize("wishes", WISHES, ids=str)
def test_answers_are_those_of_the_translator(
    client: TestClient, translator: Translator, wishes: dict[str, Any]
) -> None:
    answer = client.post("/translate", json={"text": "cabbac", **wishes}).json()
    assert answer["model"] == "abc"
    assert answer["model_id"] == translator.bundle.id
    assert close(without_model(answer), offline(translator, "cabbac", wishes))
    many = client.post("/translate", json={"texts": TEXTS, **wishes}).json()["translations"]
    given = {"attention": False, **wishes}
    if sampling := given.get("sampling"):
        given["sampling"] = Sampling(**sampling)
    assert close(many, [one.to_dict() for one in translator.translate(TEXTS, **given)])


def test_what_stands_beside_in_a_batch_changes_nothing(translator: Translator) -> None:
    """One worker that is held until all requests wait computes them in one batch."""
    batches: list[int] = []
    held = threading.Event()

    def slow(works: Sequence[Work]) -> list[Outcome]:
        held.wait(10)
        batches.append(len(works))
        return compute(translator, works)

    async def ask_all() -> list[Any]:
        admission = Admission(slow, Limits(), Metrics(), 1)
        works = [make_work(text, wishes) for text in TEXTS for wishes in WISHES]
        tasks = [
            asyncio.ensure_future(admission.ask(work, (1, 1), 9, asyncio.Event().wait))
            for work in (make_work("bbb", {}), *works)
        ]
        await asyncio.sleep(0.05)
        held.set()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        admission.close()
        return answers[1:]

    works = [make_work(text, wishes) for text in TEXTS for wishes in WISHES]
    expected = [compute(translator, [work])[0] for work in works]
    for one, other in zip(asyncio.run(ask_all()), expected, strict=True):
        if isinstance(other, Exception):
            assert str(one) == str(other)
        else:
            assert close([x.to_dict() for x in one], [x.to_dict() for x in other])
    assert max(batches) > 20


def make_work(text: str, wishes: dict[str, Any]) -> Work:
    given: dict[str, Any] = {"attention": False, **wishes}
    given["beam_size"] = given.get("beam_size") or 5
    for name in {"prefix", "must", "must_not"} & given.keys():
        given[name] = given[name] if isinstance(given[name], str) else tuple(given[name])
    if given.get("sampling"):
        given["sampling"] = Sampling(**given["sampling"])
    return Work(model="abc", requests=(Request(text, **given),))


def test_a_bad_request_spoils_no_other(translator: Translator) -> None:
    good, bad = make_work("abc", {}), make_work("abc", {"must": ["z"]})
    first, second, third = compute(translator, [good, bad, good])
    assert isinstance(second, Exception)
    assert "'z'" in str(second)
    assert isinstance(first, list)
    assert isinstance(third, list)
    assert first[0].text == third[0].text == translator.translate_one("abc").text


# --- streams -----------------------------------------------------------------------------------


def read_events(text: str) -> list[tuple[str, Any]]:
    events = []
    for block in text.strip().split("\n\n"):
        name, data = block.split("\n")
        events.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return events


def test_events_have_tokens_attention_and_the_whole(
    client: TestClient, translator: Translator
) -> None:
    asked = {"text": "cabbac", "stream": True, "attention": True}
    found = client.post("/translate", json=asked)
    assert found.headers["content-type"].startswith("text/event-stream")
    *tokens, (name, last) = read_events(found.text)
    whole = offline(translator, "cabbac", {"beam_size": 1, "attention": True})
    assert name == "translation"
    assert close(without_model(last), whole)
    assert {kind for kind, _ in tokens} == {"token"}
    assert [told["token"] for _, told in tokens] == whole["tokens"]
    assert close([told["attention"] for _, told in tokens], whole["attention"])
    assert tokens[-1][1]["text"] == whole["text"]


def test_a_stream_that_cannot_be_is_refused(client: TestClient) -> None:
    for wishes in ({"must": ["a"]}, {"beam_size": 2}, {"tree": True}, {"mbr": "edits"}):
        found = client.post("/translate", json={"text": "abc", "stream": True, **wishes})
        assert found.status_code == 422
        assert "greedy" in found.json()["error"]


# --- admission ---------------------------------------------------------------------------------


class Bench:
    """An admission whose worker waits until it may go on."""

    def __init__(self, **limits: Any) -> None:
        self.go, self.metrics = threading.Event(), Metrics()
        self.seen: list[list[str]] = []
        self.admission = Admission(self.compute, Limits(**limits), self.metrics, 1)

    def compute(self, works: Sequence[Work]) -> list[Outcome]:
        self.seen.append([work.requests[0].source for work in works])
        self.go.wait(10)
        return [[Translation([], [], work.requests[0].source.upper(), 0.0)] for work in works]

    async def ask(self, text: str, seconds: float = 5, left: Any = None, tokens: int = 1) -> str:
        work = Work(model="m", requests=(Request(text),))
        waiting = left or asyncio.Event().wait
        return (await self.admission.ask(work, (1, tokens), seconds, waiting))[0].text

    def count(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, labels) or 0.0


def run_bench(bench: Bench, script: Any) -> Any:
    async def whole() -> Any:
        try:
            return await asyncio.wait_for(script(bench), 10)
        finally:
            bench.go.set()
            bench.admission.close()

    return asyncio.run(whole())


async def start(*awaitables: Any) -> list[asyncio.Future[Any]]:
    tasks = [asyncio.ensure_future(one) for one in awaitables]
    await asyncio.sleep(0.03)
    return tasks


def test_what_waits_is_taken_together_and_equal_requests_once() -> None:
    async def script(bench: Bench) -> None:
        first = await start(bench.ask("first"))
        rest = await start(*(bench.ask(text) for text in "abcabca"))
        bench.go.set()
        assert await asyncio.gather(*first, *rest) == ["FIRST", *"ABCABCA"]
        assert bench.seen == [["first"], ["a", "b", "c"]]
        assert bench.count("foveate_joined_total") == 4

    run_bench(Bench(), script)


def test_a_batch_has_an_end_in_tokens_and_in_rows() -> None:
    async def script(bench: Bench) -> None:
        first = await start(bench.ask("first"))
        rest = await start(*(bench.ask(text, tokens=4) for text in "abcde"))
        bench.go.set()
        await asyncio.gather(*first, *rest)
        assert bench.seen == [["first"], ["a", "b"], ["c", "d"], ["e"]]

    run_bench(Bench(batch_tokens=9), script)
    run_bench(Bench(batch_rows=2), script)


@pytest.mark.parametrize("limits", [{"queue_rows": 2}, {"queue_tokens": 2}], ids=str)
def test_a_full_queue_says_when_to_come_again(limits: dict[str, int]) -> None:
    async def script(bench: Bench) -> None:
        tasks = await start(bench.ask("first"))
        tasks += await start(bench.ask("a"), bench.ask("b"))
        assert bench.admission.is_nearly_full
        with pytest.raises(BusyError, match="queue is full: try again in 1 s") as caught:
            await bench.ask("c")
        assert caught.value.retry_after == 1
        assert not bench.admission.is_busy or bench.count("foveate_shed_total", reason="full") == 1
        bench.go.set()
        assert await asyncio.gather(*tasks) == ["FIRST", "A", "B"]
        assert await bench.ask("c") == "C"
        assert not bench.admission.is_nearly_full

    run_bench(Bench(**limits), script)


def test_retry_after_follows_the_measured_rate() -> None:
    async def script(bench: Bench) -> None:
        first = await start(bench.ask("first", tokens=50))
        await asyncio.sleep(0.25)  # 50 tokens take more than a quarter of a second
        bench.go.set()
        await asyncio.gather(*first)
        wait = bench.admission.estimate_wait(1000)
        assert 5.0 < wait < 60.0

    run_bench(Bench(), script)


def test_a_request_larger_than_the_queue_is_told_so() -> None:
    async def script(bench: Bench) -> None:
        with pytest.raises(TooLargeError, match=r"11 source tokens .* 10 at most"):
            await bench.ask("a", tokens=11)

    run_bench(Bench(queue_tokens=10), script)


def test_who_left_or_waited_too_long_is_not_computed() -> None:
    async def script(bench: Bench) -> None:
        gone = asyncio.Event()
        first = await start(bench.ask("first"))
        waiting = await start(
            bench.ask("left", left=gone.wait), bench.ask("late", 0.05), bench.ask("kept")
        )
        gone.set()
        await asyncio.sleep(0.1)
        bench.go.set()
        left, late, kept = await asyncio.gather(*waiting, return_exceptions=True)
        assert isinstance(left, ClientLeftError)
        assert isinstance(late, BusyError)
        assert kept == "KEPT"
        await asyncio.gather(*first)
        assert bench.seen == [["first"], ["kept"]]
        assert bench.count("foveate_shed_total", reason="left") == 1
        assert bench.count("foveate_shed_total", reason="expired") == 1
        assert bench.count("foveate_queue_rows") == 0

    run_bench(Bench(), script)


def test_what_has_started_is_finished_after_its_time() -> None:
    async def script(bench: Bench) -> None:
        tasks = await start(bench.ask("first", 0.01))
        await asyncio.sleep(0.1)
        assert not tasks[0].done()
        bench.go.set()
        assert await tasks[0] == "FIRST"

    run_bench(Bench(), script)


# --- limits and mistakes -------------------------------------------------------------------------

TIGHT = Limits(
    max_body=2000,
    max_texts=3,
    max_characters=100,
    max_steering=10,
    max_beam_size=4,
    max_n_best=2,
    max_output=7,
    max_seconds=2,
    queue_tokens=300,
)
BEYOND: dict[str, tuple[dict[str, Any], str]] = {
    "texts": ({"texts": ["a"] * 4}, "texts: 4 are more than 3"),
    "characters": ({"text": "a" * 101}, "characters: 101 are more than 100"),
    "steering": ({"text": "a", "prefix": "ab", "must": ["abcdefghi"]}, "11 is more than 10"),
    "beam": ({"text": "a", "beam_size": 5}, "beam_size: 5 is more than 4"),
    "n-best": ({"text": "a", "n_best": 3}, "n_best: 3 is more than 2"),
    "alternatives": ({"q": "a", "alternatives": 10_000}, "alternatives: 10,000 is more than 1"),
    "choices": ({"text": "a", "choices": 3}, "choices: 3 is more than 2"),
    "output": ({"text": "a", "max_length": 8}, "max_length: 8 is more than 7"),
    "time": ({"text": "a", "timeout_seconds": 3}, "timeout_seconds: 3"),
    "queue": ({"texts": ["a" * 33] * 3, "beam_size": 4}, "396 source tokens times hypotheses"),
    "unknown field": ({"text": "a", "beamsize": 5}, "did you mean beam_size?"),
    "two forms": ({"text": "a", "q": "a"}, 'exactly one of "text", "texts" and "q"'),
    "no form": ({"model": "abc"}, 'exactly one of "text", "texts" and "q"'),
    "wrong kind": ({"text": 5}, "text: must be a valid string"),
    "no such model": ({"text": "a", "model": "abd"}, "did you mean abc?"),
    "no such language": ({"q": "a", "source": "xx", "target": "de"}, "GET /languages"),
    "impossible": ({"text": "a", "n_best": 2, "beam_size": 1}, "beam_size of at least 2"),
    "unwritable": ({"text": "a", "must": ["z"]}, "cannot write 'z'"),
    "HTML": ({"q": "a", "format": "html"}, 'only "text"'),
}


@pytest.fixture(scope="module")
def tight(translator: Translator) -> Iterator[TestClient]:
    with TestClient(build_app({"abc": translator}, limits=TIGHT)) as client:
        yield client


@pytest.mark.parametrize("case", BEYOND)
def test_beyond_a_limit_is_said_which_and_how_much(tight: TestClient, case: str) -> None:
    body, part = BEYOND[case]
    found = tight.post("/translate", json=body)
    assert found.status_code == 422
    assert part in found.json()["error"]


def test_a_large_body_is_refused_before_it_is_read(tight: TestClient) -> None:
    found = tight.post("/translate", json={"text": "a" * 2000})
    assert found.status_code == 413
    assert "more than 2,000 (--max-body)" in found.json()["error"]

    def send() -> Iterator[bytes]:
        yield from [b'{"text":"' + b"a" * 900] * 3

    assert tight.post("/translate", content=send()).status_code == 413


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"{", 400),
        (b'"\xff"', 400),
        (b"[" * 1500, 400),
        (b"[]", 422),
        (b"", 422),
        (b"9" * 900, 422),
    ],
)
def test_what_is_no_json_object_is_a_clear_error(
    tight: TestClient, content: bytes, status: int
) -> None:
    headers = {"content-type": "application/json"}
    found = tight.post("/translate", content=content, headers=headers)
    assert found.status_code == status
    assert found.json()["error"].startswith("body: ")


def test_limits_are_numbers_above_nothing() -> None:
    with pytest.raises(ConfigError, match=r"max_body .* queue_rows"):
        Limits(max_body=0, queue_rows=-1)
    with pytest.raises(ConfigError, match="a model and a worker"):
        build_app({})


# --- routes ------------------------------------------------------------------------------------


def test_attend_shows_and_scores(client: TestClient, translator: Translator) -> None:
    own = client.post("/attend", json={"text": "abc"}).json()
    assert close(without_model(own), translator.translate_one("abc").to_dict())
    given = client.post("/attend", json={"text": "abc", "target": "bbb"}).json()
    assert close(without_model(given), next(translator.score_pairs([("abc", "bbb")])).to_dict())
    wishes = {"text": "abc", "target": "bbb", "choices": 3}
    chosen = client.post("/attend", json=wishes).json()
    expected = next(translator.score_pairs([("abc", "bbb")], choices=3)).to_dict()
    assert close(without_model(chosen), expected)
    assert [len(row) >= 3 for row in chosen["choices"]] == [True] * 4
    many = client.post("/attend", json={"text": "abc", "choices": 33})
    assert many.status_code == 422
    assert "choices: 33 is more than 32" in many.json()["error"]
    empty = client.post("/attend", json={"text": "", "target": "b"})
    assert empty.status_code == 422


def test_clients_of_libretranslate_work(client: TestClient, translator: Translator) -> None:
    expected = [one.text for one in translator.translate(["abc", "ba"])]
    one = {"q": "abc", "source": "auto", "target": "abc", "format": "text", "api_key": ""}
    assert client.post("/translate", json=one).json() == {"translatedText": expected[0]}
    form = client.post("/translate", data={"q": "abc", "source": "de", "target": "en"})
    assert form.json() == {"translatedText": expected[0]}
    both = {"q": ["abc", "ba"], "source": "de", "target": "en", "alternatives": 2}
    found = client.post("/translate", json=both).json()
    assert found["translatedText"] == expected
    assert [len(others) for others in found["alternatives"]] == [2, 2]
    assert client.get("/languages").json() == [
        {"code": "abc", "name": "abc", "targets": ["abc"]},
        {"code": "de", "name": "de", "targets": ["en"]},
    ]


def test_info_says_what_the_page_needs(client: TestClient, translator: Translator) -> None:
    told = client.get("/info").json()
    first = told["models"][0]
    assert [model["name"] for model in told["models"]] == ["abc", "de-en"]
    assert first["id"] == translator.bundle.id
    assert first["has_attention"] is True
    assert first["source"]["tokens"] == translator.source_codec.kind
    assert first["longest_source"] == translator.max_source
    assert told["limits"]["max_beam_size"] == Limits().max_beam_size


def test_every_answer_keeps_the_browser_at_home(client: TestClient) -> None:
    for path in ("/", "/page/page.css", "/docs", "/info", "/nothing", "/metrics"):
        found = client.get(path)
        assert found.headers["content-security-policy"] == "default-src 'self'"
        assert found.headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in found.headers
    docs = client.get("/docs").text
    assert "http://" not in docs
    assert "https://" not in docs
    assert "<script" not in docs
    assert "POST /translate" in docs
    assert "<code>length_penalty</code>" in docs


def test_files_of_the_page_are_kept_by_their_tag(client: TestClient) -> None:
    whole = client.get("/")
    assert whole.text.startswith("<!doctype html>")
    tag = whole.headers["etag"]
    assert client.get("/", headers={"if-none-match": tag}).status_code == 304
    head = client.head("/page/js/app.js")
    assert head.status_code == 200
    assert head.headers["content-type"].startswith("text/javascript")
    assert head.text == ""
    for name in ("../app.py", "..%2fapp.py", "js/../__init__.py", "__init__.py", "%00", "js/"):
        assert client.get(f"/page/{name}").status_code == 404


def test_metrics_count_and_the_log_has_no_texts(translator: Translator) -> None:
    records: list[dict[str, Any]] = []
    with TestClient(build_app({"abc": translator}, log=records.append)) as client:
        client.post("/translate", json={"texts": ["abccba", "ba"]})
        client.get("/secret-abccba?q=abccba")
        counted = client.get("/metrics").text
    assert 'foveate_requests_total{route="/translate",status="200"} 1.0' in counted
    assert 'foveate_requests_total{route="other",status="404"} 1.0' in counted
    assert "foveate_batch_rows_sum 10.0" in counted
    assert "abccba" not in json.dumps(records) + counted
    assert records[0]["route"] == "/translate"
    assert records[0]["model"] == "abc"
    assert records[0]["rows"] == 10
    assert records[0]["status"] == 200


def test_keys_open_all_but_the_page_and_health(translator: Translator) -> None:
    with TestClient(build_app({"abc": translator}, keys=["another key", KEY])) as client:
        for path in ("/livez", "/readyz", "/", "/page/page.css"):
            assert client.get(path).status_code in (200, 503)
        for headers in (
            {},
            {"authorization": "Bearer no"},
            {"authorization": KEY},
            {"x-api-key": ""},
        ):
            assert client.get("/info", headers=headers).status_code == 401
        assert client.post("/translate", json={"text": "a"}).status_code == 401
        for headers in ({"authorization": f"Bearer {KEY}"}, {"x-api-key": KEY}):
            assert client.get("/info", headers=headers).status_code == 200


def test_a_key_may_stand_in_a_body_of_libretranslate(translator: Translator) -> None:
    one = {"q": "abc", "source": "de", "target": "en"}
    with TestClient(build_app({"de-en": translator}, keys=["another key", KEY])) as client:
        for wrong in (
            {},
            {"api_key": ""},
            {"api_key": "no"},
            {"api_key": None},
            {"api_key": [KEY]},
        ):
            assert client.post("/translate", json={**one, **wrong}).status_code == 401, wrong
        for body in (b"", b"[", b"[1]", b'{"api_key": "\xff"}', b"[" * 100_000):
            assert client.post("/translate", content=body).status_code == 401
        assert client.post("/translate", json={**one, "api_key": KEY}).status_code == 200
        assert client.post("/translate", data={**one, "api_key": KEY}).status_code == 200
        assert client.post("/translate", data={**one, "api_key": "no"}).status_code == 401
        assert client.request("GET", "/languages", data={"api_key": KEY}).status_code == 200
        assert client.get("/languages").status_code == 401
        inside = {"text": "abc", "api_key": KEY}  # of our own routes only headers are asked
        assert client.post("/attend", json=inside).status_code == 401
        headers = {"authorization": "Bearer no"}
        assert client.post("/translate", json={**one, "api_key": KEY}, headers=headers).is_success


def test_other_sites_read_answers_only_where_told(translator: Translator) -> None:
    site = {"origin": "https://site.example"}
    with TestClient(build_app({"abc": translator}, origins=["https://site.example"])) as client:
        assert client.get("/info", headers=site).headers["access-control-allow-origin"]
        other = client.get("/info", headers={"origin": "https://other.example"})
        assert "access-control-allow-origin" not in other.headers
    with TestClient(build_app({"abc": translator}, hosts=["localhost"])) as client:
        assert client.get("/info", headers={"host": "evil.example"}).status_code == 421
        assert client.get("/info", headers={"host": "localhost:80"}).status_code == 200


def test_readiness_is_not_life(translator: Translator) -> None:
    app = build_app({"abc": translator})
    with TestClient(app) as client:
        while client.get("/readyz").status_code != 200:
            time.sleep(0.01)
        app.state.foveate.is_draining = True
        found = client.get("/readyz")
        assert found.status_code == 503
        assert found.headers["retry-after"] == "1"
        assert client.get("/livez").status_code == 200


# --- the command ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--host", "0.0.0.0"], "--api-key-file FILE, or --open"),
        (["--port", "-1"], "--port"),
        (["--port", "99999"], "at most 65535"),
        (["--max-texts", "0"], "max_texts must be a number above 0"),
        (["--api-key-file", "short.txt"], "fewer than 16 characters"),
        (["--api-key-file", "empty.txt"], "holds no key"),
        ([f"{ONNX}/"], "two models have the name"),
    ],
    ids=str,
)
def test_mistakes_of_a_call_are_told(
    arguments: list[str],
    part: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("short.txt").write_text("# keys\nabc\n")
    Path("empty.txt").write_text("\n")
    assert main(["serve", str(ONNX), *arguments]) == 2
    assert part in capsys.readouterr().err


class Process:
    """A real server in a process of its own."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "foveate", "serve", f"abc={ONNX}", "--port", "0"]
        self.process = subprocess.Popen(
            [*command, *arguments], stderr=subprocess.PIPE, text=True, env=dict(os.environ)
        )
        assert self.process.stderr is not None
        self.address = self.process.stderr.readline().split()[0]
        self.port = int(self.address.rstrip("/").rpartition(":")[2])

    def ask(self, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.address + path, data, headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        self.process.send_signal(number)
        _, rest = self.process.communicate(timeout=20)
        return self.process.returncode, rest


@pytest.fixture(scope="module")
def process() -> Iterator[Process]:
    process = Process("--read-seconds", "1", "--quiet")
    try:
        yield process
    finally:
        process.process.kill()
        process.process.communicate()


def test_sixty_hostile_requests_do_no_harm(process: Process, translator: Translator) -> None:
    cases = hostile_http.CASES
    assert len(cases) >= 60
    for name, case in cases.items():
        found = hostile_http.send(process.port, case)
        assert found.status is None or found.status < 500, (name, found)
        assert b"def " not in found.body, name
        assert b"root:" not in found.body, name
    answer = process.ask("translate", {"text": "abc"})
    assert answer["text"] == translator.translate_one("abc").text


@pytest.mark.slow
def test_the_slow_requests_do_no_harm_either(translator: Translator) -> None:
    process = Process("--read-seconds", "1", "--quiet")
    try:
        assert hostile_http.main(process.port) == 0
        answer = process.ask("translate", {"text": "abc"})
        assert answer["text"] == translator.translate_one("abc").text
    finally:
        assert process.stop()[0] == 0


@pytest.mark.long
def test_overload_gives_right_answers_or_says_when_to_come_again(translator: Translator) -> None:
    """Twelve clients ask for more than a queue of two texts takes."""
    texts = ["".join(parts) for parts in itertools.product("abc", repeat=4)]
    expected = dict(zip(texts, [one.text for one in translator.translate(texts)], strict=True))
    process = Process("--queue-rows", "10", "--batch-rows", "5", "--threads", "1", "--quiet")

    def ask(text: str) -> bool:
        try:
            answer = process.ask("translate", {"text": text})
        except urllib.error.HTTPError as error:
            refused, told = error, json.load(error)["error"]
        else:
            assert answer["text"] == expected[text]
            return True
        assert refused.code == 503
        assert 1 <= int(refused.headers["Retry-After"]) <= 600
        assert "the queue is full: try again in" in told
        return False

    try:
        with ThreadPoolExecutor(12) as clients:
            answered = list(clients.map(ask, texts))
        assert 0 < sum(answered) < len(texts)
        assert ask(texts[0])
    finally:
        assert process.stop()[0] == 0


@pytest.mark.slow
def test_requests_made_from_the_description_do_no_harm() -> None:
    assert fuzz_http.try_model(ONNX, 25) == 0


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.long)]
)
def test_a_signal_lets_what_is_there_be_finished(number: int, translator: Translator) -> None:
    process = Process()
    texts = ["abcabcabcabc"] * 128
    answers: list[Any] = []
    asking = threading.Thread(
        target=lambda: answers.append(process.ask("translate", {"texts": texts, "beam_size": 9}))
    )
    process.ask("livez")
    asking.start()
    time.sleep(0.15)
    status, log = process.stop(number)
    asking.join()
    assert status == 0
    assert len(answers[0]["translations"]) == 128
    assert "stopped" in log
    assert "abcabc" not in log
    with pytest.raises(urllib.error.URLError):
        process.ask("livez")
