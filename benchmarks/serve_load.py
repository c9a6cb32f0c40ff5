"""Load a server with clients, and say what came back; compare with one text after another.

    python benchmarks/serve_load.py MODEL WORDS [--seconds 60] [--clients 16]
    python benchmarks/serve_load.py MODEL WORDS --minutes 10

WORDS is a file of sources, one a line. Four runs with the same model and words on the same cores:
the server with `--clients` clients; with eight times as many and a small queue; with batches of one
request; and one text after another behind the standard library's threading WSGI server, which is
how LibreTranslate computes. Every 200 has to be what `Translator` gives offline. With `--minutes`
it is the first run only, and the memory of the server is said for every tenth of it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from foveate.bundled import find_model
from foveate.translator import Translator

CHUNK = 2.0  # seconds between two looks at the memory


class Load:
    """Clients that ask for words at random, each as soon as it has its answer.

    They share a thread and keep their connections, so that they take little from the server.
    """

    def __init__(self, port: int, expected: dict[str, str], clients: int, seconds: float) -> None:
        self.port, self.expected, self.clients = port, expected, clients
        self.words, self.end = list(expected), time.monotonic() + seconds
        self.statuses: Counter[int] = Counter()
        self.latencies: list[float] = []
        self.wrong = 0

    def run(self, pid: int) -> list[int]:
        """Run it, and return the memory in kB every two seconds."""
        return asyncio.run(self._run_all(pid))

    async def _run_all(self, pid: int) -> list[int]:
        asking = [asyncio.create_task(self._ask_on(i)) for i in range(self.clients)]
        memory = []
        while not all(task.done() for task in asking):
            memory.append(read_memory(pid))
            await asyncio.wait(asking, timeout=CHUNK)
        for task in asking:
            task.result()
        return memory

    async def _ask_on(self, number: int) -> None:
        chooser = random.Random(number)
        keeps, writer = False, None
        while time.monotonic() < self.end:
            word = chooser.choice(self.words)
            begun = time.perf_counter()
            if writer is None or not keeps:  # some servers close after every answer
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            writer.write(format_request(word))
            status, wait, keeps, data = await read_answer(reader)
            if not keeps:
                writer.close()
            self.statuses[status] += 1
            if status == 200:
                self.latencies.append(time.perf_counter() - begun)
                self.wrong += json.loads(data)["text"] != self.expected[word]
            elif status == 503:
                await asyncio.sleep(chooser.random() * wait)
        if writer is not None:
            writer.close()


def format_request(text: str) -> bytes:
    body = json.dumps({"text": text}).encode()
    head = "POST /translate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def read_answer(reader: asyncio.StreamReader) -> tuple[int, float, bool, bytes]:
    """Return status, seconds to wait, whether the connection stays open, and body."""
    status, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    data = await reader.readexactly(int(headers["content-length"]))
    keeps = status.startswith("HTTP/1.1") and headers.get("connection") != "close"
    return int(status.split()[1]), float(headers.get("retry-after", 1)), keeps, data


def read_memory(pid: int) -> int:
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) if found else 0


def report(name: str, load: Load, memory: list[int], seconds: float) -> None:
    times = sorted(load.latencies) or [0.0]
    row: dict[str, Any] = {
        "run": name,
        "requests_per_second": round(load.statuses[200] / seconds, 1),
        "p50_ms": round(times[len(times) // 2] * 1000, 1),
        "p99_ms": round(times[int(len(times) * 0.99)] * 1000, 1),
        "statuses": dict(load.statuses),
        "wrong": load.wrong,
        "memory_mb": describe_memory(memory),
    }
    print(json.dumps(row), flush=True)


def describe_memory(memory: list[int]) -> dict[str, Any]:
    """Return the memory in MB: first, median, last and most of it, and each tenth of the time.

    The server warms up in the first tenth, so what grows is seen between the second and the last.
    """
    held = [round(one / 1024, 1) for one in memory]
    tenths = [held[len(held) * k // 10] for k in range(10)] if len(held) >= 10 else held
    return {
        "first": held[0],
        "median": sorted(held)[len(held) // 2],
        "last": held[-1],
        "most": max(held),
        "tenths": [*tenths, held[-1]],
    }


def start_server(model: str, *flags: str) -> tuple[subprocess.Popen[str], int]:
    command = [sys.executable, "-m", "foveate", "serve", model, "--port", "0", "--quiet", *flags]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    port = int(process.stderr.readline().split()[0].rstrip("/").rpartition(":")[2])
    return process, port


def start_plain(model: str) -> tuple[subprocess.Popen[str], int]:
    command = [sys.executable, __file__, model, "-", "--plain"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, int(process.stdout.readline())


class _PlainServer(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 1024


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def serve_plainly(model: str) -> None:
    """Answer one text after another, a thread for each connection."""
    translator = Translator.load(find_model(model), threads=1)
    one_at_a_time = threading.Lock()

    def answer(environ: dict[str, Any], start: Any) -> list[bytes]:
        body = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
        with one_at_a_time:
            found = translator.translate_one(body["text"], attention=False).to_dict()
        data = json.dumps(found).encode()
        start("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(data)))])
        return [data]

    with make_server("127.0.0.1", 0, answer, _PlainServer, _Quiet) as server:
        print(server.server_port, flush=True)
        server.serve_forever()


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("words")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--minutes", type=float, help="watch the memory of the server for so long")
    parser.add_argument("--threads", type=int, default=0, help="batches at a time")
    parser.add_argument("--plain", action="store_true", help=argparse.SUPPRESS)
    told = parser.parse_args()
    if told.plain:
        serve_plainly(told.model)
        return 0
    words = list(dict.fromkeys(Path(told.words).read_text(encoding="utf-8").split("\n")))
    words = [word for word in words if word.strip()]
    translator = Translator.load(find_model(told.model))
    found = translator.translate(words, attention=False)
    expected = {word: one.text for word, one in zip(words, found, strict=True)}
    small = ("--queue-rows", str(5 * told.clients), "--max-seconds", "2")
    threads = ("--threads", str(told.threads))
    one = ("--batch-rows", "1", "--threads", "1")
    runs = [
        ("server", told.clients, lambda: start_server(told.model, *threads)),
        ("server, saturated", 8 * told.clients, lambda: start_server(told.model, *threads, *small)),
        ("server, batches of one", told.clients, lambda: start_server(told.model, *one)),
        ("one after another, WSGI", told.clients, lambda: start_plain(told.model)),
    ]
    if told.minutes is not None:
        told.seconds, runs = 60 * told.minutes, runs[:1]
    wrong = 0
    for name, clients, start in runs:
        process, port = start()
        try:
            load = Load(port, expected, clients, told.seconds)
            report(name, load, load.run(process.pid), told.seconds)
            wrong += load.wrong + sum(n for s, n in load.statuses.items() if s not in (200, 503))
        finally:
            process.terminate()
            process.wait(30)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
