"""Requests that no honest client sends, as raw bytes; `python tests/hostile_http.py PORT`.

Whatever comes, a server must answer with no 5xx but 503, or close the connection, and go on.
"""

from __future__ import annotations

import json
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

PATIENCE = 6.0  # seconds, more than a server's --read-seconds here


@dataclass(frozen=True)
class Case:
    """Parts of bytes, sent with a pause between them; `is_half` closes our side afterwards."""

    parts: list[bytes]
    pause: float = 0.0
    is_half: bool = False
    leaves: bool = False  # without reading an answer


@dataclass
class Found:
    """What came back: the status of the first answer, and all bytes."""

    status: int | None = None
    body: bytes = field(default=b"", repr=False)


def post(
    body: bytes, *headers: str, path: str = "/translate", kind: str = "application/json"
) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Type: {kind}"]
    lines += [f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def get(target: bytes, *headers: bytes) -> bytes:
    lines = [b"GET " + target + b" HTTP/1.1", b"Host: localhost", b"Connection: close", *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def js(**fields: object) -> bytes:
    return json.dumps(fields).encode()


HEAD = b"POST /translate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n"

BODIES: dict[str, bytes] = {
    "empty": b"",
    "not JSON": b"hello",
    "cut JSON": b'{"text": "a',
    "null": b"null",
    "a number": b"7",
    "a list": b'["text"]',
    "nested lists": b"[" * 50_000,
    "nested objects": b'{"a":' * 20_000,
    "a huge integer": b'{"text": "a", "beam_size": ' + b"9" * 5_000 + b"}",
    "NaN": b'{"text": "a", "length_penalty": NaN}',
    "infinity": b'{"text": "a", "length_penalty": Infinity}',
    "a huge float": b'{"text": "a", "length_penalty": 1e999}',
    "negative beam": js(text="a", beam_size=-1),
    "beam as text": js(text="a", beam_size="many"),
    "beam as a float": js(text="a", beam_size=1.5),
    "beam beyond 64 bits": js(text="a", beam_size=2**70),
    "a huge beam": js(text="a", beam_size=10**8),
    "a huge n-best": js(text="a", n_best=10**8),
    "ten thousand alternatives": js(q="a", source="auto", target="abc", alternatives=10_000),
    "a huge seed": js(text="a", sampling={"seed": 2**80}),
    "a negative seed": js(text="a", sampling={"seed": -1}),
    "no temperature": js(text="a", sampling={"temperature": 0}),
    "a tiny temperature": js(text="a", sampling={"temperature": 1e-300}),
    "a huge penalty": js(text="a", length_penalty=1e308),
    "no time": js(text="a", timeout_seconds=0),
    "hardly any time": js(text="a", timeout_seconds=1e-300),
    "text as a list": js(text=["a"]),
    "texts as a text": js(texts="abc"),
    "texts of numbers": js(texts=[1, 2]),
    "no texts": js(texts=[]),
    "many texts": js(texts=["a"] * 10_000),
    "a long text": js(text="a" * 500_000),
    "a long prefix": js(text="a", prefix="a" * 100_000),
    "a prefix of nothing": js(text="a", prefix=[""]),
    "many demands": js(text="a", must=["a"] * 5_000),
    "an empty demand": js(text="a", must=[""]),
    "an impossible demand": js(text="a", must=["\u2603"]),
    "NUL in the text": js(text="a\x00b"),
    "half a surrogate": b'{"text": "\\ud800"}',
    "wrong UTF-8": b'{"text": "\xff\xfe"}',
    "overlong UTF-8": b'{"text": "\xc0\xaf"}',
    "UTF-16": '{"text": "a"}'.encode("utf-16"),
    "a byte-order mark": b'\xef\xbb\xbf{"text": "a"}',
    "ten thousand accents": js(text="a" + "\u0301" * 10_000),
    "right to left marks": js(text="\u202e\u2066abc\u2069"),
    "the same key twice": b'{"text": "a", "text": "b"}',
    "a key of nothing": b'{"": "a"}',
    "a prototype": b'{"__proto__": {"text": "a"}, "__class__": 1}',
    "a model as a path": js(text="a", model="../../../etc/passwd"),
    "HTML": js(text="<script>alert(1)</script>", attention=True),
    "a stream of nothing": js(text="", stream=True),
    "a stream of many": js(texts=["a"], stream=True),
}
RAW: dict[str, Case] = {
    "half a line": Case([b"GET /li"]),
    "no version": Case([b"GET /livez\r\n\r\n"]),
    "version 9": Case([b"GET /livez HTTP/9.9\r\n\r\n"]),
    "nothing": Case([b""], is_half=True),
    "not HTTP": Case([b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 64]),
    "no host": Case([b"GET /info HTTP/1.1\r\n\r\n"]),
    "two hosts": Case([b"GET /info HTTP/1.1\r\nHost: a\r\nHost: localhost\r\n\r\n"]),
    "another host": Case([b"GET /info HTTP/1.1\r\nHost: evil.example\r\n\r\n"]),
    "a long header": Case([get(b"/livez", b"X-Long: " + b"a" * 200_000)]),
    "many headers": Case([get(b"/livez", *(b"X-%d: a" % i for i in range(5_000)))]),
    "a header folded": Case([get(b"/livez", b"X-A: a\r\n b")]),
    "a header without a name": Case([get(b"/livez", b": a")]),
    "NUL in a header": Case([get(b"/livez", b"X-A: a\x00b")]),
    "a bare line feed": Case([b"GET /livez HTTP/1.1\nHost: localhost\nConnection: close\n\n"]),
    "a long path": Case([get(b"/" + b"a" * 100_000)]),
    "a path out": Case([get(b"/page/../../../../etc/passwd")]),
    "a path out, packed": Case([get(b"/page/%2e%2e/%2e%2e/%2e%2e/etc/passwd")]),
    "a path out, packed twice": Case([get(b"/page/%252e%252e%252fetc/passwd")]),
    "a path out, backwards": Case([get(b"/page/..\\..\\app.py")]),
    "an absolute path": Case([get(b"/page//etc/passwd")]),
    "NUL in the path": Case([get(b"/page/page.css%00.py")]),
    "wrong UTF-8 in the path": Case([get(b"/page/%ff%fe")]),
    "source code": Case([get(b"/page/__init__.py")]),
    "a whole address": Case([get(b"http://evil.example/info")]),
    "a star": Case([b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"]),
    "a tunnel": Case([b"CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n"]),
    "a trace": Case([b"TRACE / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"]),
    "another method": Case([b"BREW / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"]),
    "an upgrade": Case([get(b"/", b"Upgrade: websocket", b"Sec-WebSocket-Version: 13")]),
    "HTTP 2 at once": Case([b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]),
    "a negative length": Case([HEAD + b"Content-Length: -5\r\n\r\nabc"]),
    "a length of letters": Case([HEAD + b"Content-Length: five\r\n\r\nabcde"]),
    "a huge length": Case([HEAD + b"Content-Length: 99999999999999999999\r\n\r\n"]),
    "two lengths": Case([HEAD + b"Content-Length: 2\r\nContent-Length: 9\r\n\r\n{}"]),
    "length and chunks": Case([CHUNKED + b"Content-Length: 4\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\n"]),
    "more than its length": Case([HEAD + b"Content-Length: 2\r\n\r\n{}GET /info HTTP/1.1\r\n\r\n"]),
    "a chunk of letters": Case([CHUNKED + b"\r\nzz\r\nabc\r\n"]),
    "a huge chunk": Case([CHUNKED + b"\r\nffffffffffffffff\r\nabc"]),
    "chunks without end": Case([CHUNKED + b"\r\n", *[b"10000\r\n" + b"a" * 65_536 + b"\r\n"] * 20]),
    "an unknown encoding": Case([post(js(text="a"), "Transfer-Encoding: gzip")]),
    "packed": Case([post(b"\x1f\x8b\x08\x00abc", "Content-Encoding: gzip")]),
    "less than its length": Case([HEAD + b"Content-Length: 50\r\n\r\n{}"], is_half=True),
    "left in the middle": Case([HEAD + b"Content-Length: 50\r\n\r\n{}"], leaves=True),
    "left while it waits": Case([post(js(text="abc" * 30, beam_size=30))], leaves=True),
    "half closed": Case([post(js(text="abc"))], is_half=True),
    "asks to go on": Case([post(js(text="abc"), "Expect: 100-continue")]),
    "as text": Case([post(js(text="abc"), kind="text/plain")]),
    "as a form": Case(
        [post(b"q=%ff&source=auto&target=abc", kind="application/x-www-form-urlencoded")]
    ),
    "a form of many": Case([post(b"q=a&" * 5_000, kind="application/x-www-form-urlencoded")]),
    "as parts": Case([post(b"--x\r\n\r\na\r\n--x--", kind="multipart/form-data; boundary=x")]),
    "a long key": Case([get(b"/info", b"Authorization: Bearer " + b"a" * 20_000)]),
    "a key in no alphabet": Case([get(b"/info", b"Authorization: \xff\xfe\xfd")]),
    "a range": Case([get(b"/page/page.css", b"Range: bytes=0-,0-,0-,0-")]),
    "a tag": Case([get(b"/", b'If-None-Match: "' + b"a" * 10_000 + b'"')]),
    "many at once": Case([get(b"/livez").replace(b"close", b"keep-alive") * 200 + get(b"/livez")]),
    "byte by byte": Case([bytes([one]) for one in get(b"/livez")], pause=0.002),
}
SLOW: dict[str, Case] = {
    "a slow head": Case([bytes([one]) for one in get(b"/livez")[:12]], pause=0.3),
    "a slow body": Case([HEAD + b"Content-Length: 90\r\n\r\n", *[b" "] * 12], pause=0.3),
    "a head that stops": Case([b"GET /livez HTTP/1.1\r\nHost: loc"]),
    "a body that stops": Case([HEAD + b"Content-Length: 90\r\n\r\n{"]),
    "a second head that stops": Case(
        [b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n", b"GET /livez HT"], pause=0.2
    ),
}
CASES = {
    **{f"body: {name}": Case([post(body)]) for name, body in BODIES.items()},
    **{name: case for name, case in RAW.items() if name != "half a line"},
}


def send(port: int, case: Case, patience: float = PATIENCE) -> Found:
    """Send a case, and read until the server closes or `patience` is over.

    Raises:
        TimeoutError: the server neither answered nor closed the connection.
    """
    found = Found()
    with socket.create_connection(("127.0.0.1", port), timeout=patience) as client:
        try:
            for part in case.parts:
                client.sendall(part)
                time.sleep(case.pause)
            if case.leaves:
                return found
            if case.is_half:
                client.shutdown(socket.SHUT_WR)
            for data in _read(client):
                found.body += data
        except (ConnectionResetError, BrokenPipeError):
            pass
    if found.body.startswith(b"HTTP/1.1 "):
        found.status = int(found.body[9:12])
    return found


def _read(client: socket.socket) -> Iterator[bytes]:
    while data := client.recv(65_536):
        yield data


def main(port: int) -> int:
    """Send all cases, the slow ones too, and say what was wrong."""
    failed = 0
    for name, case in {**CASES, **SLOW, "half a line": RAW["half a line"]}.items():
        try:
            found = send(port, case, 20)
            is_bad = found.status is not None and found.status >= 500 and found.status != 503
            result = str(found.status)
        except TimeoutError:
            is_bad, result = True, "hangs"
        failed += is_bad
        print(f"{'BAD' if is_bad else 'ok '}  {result:5}  {name}")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
