"""Models on the hub: a server on this machine speaks its protocol over a folder."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar

import pytest

from foveate.errors import ConfigError
from foveate.hub import parse_name

ENGLISH = Path(__file__).parents[1] / "src" / "foveate" / "models_bundled" / "english"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(BaseHTTPRequestHandler):
    """The two answers of the hub that a fetch needs: what a repository has, and a file of it."""

    folder: ClassVar[Path]
    asked: ClassVar[list[str]]

    def do_GET(self) -> None:
        self._answer(has_body=True)

    def do_HEAD(self) -> None:
        self._answer(has_body=False)

    def _answer(self, *, has_body: bool) -> None:
        path = self.path.partition("?")[0]
        if path.startswith("/api/models/somebody/ipa"):
            files = [file for file in self.folder.rglob("*") if file.is_file()]
            siblings = [
                {"rfilename": str(file.relative_to(self.folder)), "size": file.stat().st_size}
                for file in files
            ]
            about = {"id": "somebody/ipa", "sha": COMMIT, "siblings": siblings}
            self._send(json.dumps(about).encode(), has_body)
        elif path.startswith("/somebody/ipa/resolve/"):
            name = path.split(f"/{COMMIT}/")[1]
            self.asked.append(name)
            self._send((self.folder / name).read_bytes(), has_body)
        else:
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()

    def _send(self, data: bytes, has_body: bool) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("ETag", f'"{hashlib.sha1(data).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if has_body:
            self.wfile.write(data)

    def log_message(self, *told: object) -> None:
        """Say nothing."""


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[tuple[type[Hub], dict[str, str]]]:
    """Serve a folder as a repository; return its handler and the environment of a client."""

    class Served(Hub):
        folder = tmp_path / "served"
        asked: ClassVar[list[str]] = []

    shutil.copytree(ENGLISH, Served.folder)
    (Served.folder / "modeling_ipa.py").write_text("raise SystemExit('code ran')\n")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Served)
    Thread(target=server.serve_forever, daemon=True).start()
    place = {"HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}", "HF_HUB_DISABLE_XET": "1"}
    yield Served, {**os.environ, **place, "HF_HOME": str(tmp_path / "home")}
    server.shutdown()
    server.server_close()


def translate(name: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "foveate", "translate", name]
    return subprocess.run(
        command, input="knight\n", capture_output=True, text=True, env=environment, check=False
    )


def test_a_model_of_the_hub_translates_and_only_its_files_are_fetched(
    hub: tuple[type[Hub], dict[str, str]],
) -> None:
    handler, environment = hub
    first = translate("hf://somebody/ipa", environment)
    assert (first.returncode, first.stdout) == (0, "N AY T\n"), first.stderr
    assert "modeling_ipa.py" not in handler.asked and "LICENSE" not in handler.asked
    handler.asked.clear()
    again = translate("hf://somebody/ipa", environment)
    assert (again.stdout, handler.asked) == ("N AY T\n", [])


@pytest.mark.long
def test_a_changed_file_and_one_too_large_and_a_missing_model_are_refused(
    hub: tuple[type[Hub], dict[str, str]],
) -> None:
    handler, environment = hub
    none = translate("hf://somebody/else", environment)
    assert none.returncode == 2 and "the hub has no such model" in none.stderr
    config = handler.folder / "config.toml"
    config.write_bytes(config.read_bytes() + b"# changed\n")
    changed = translate("hf://somebody/ipa", environment)
    assert changed.returncode == 2 and "config.toml" in changed.stderr
    config.write_bytes(bytes(5 * 2**20))
    large = translate("hf://somebody/ipa@large", environment)
    assert large.returncode == 2 and "5,242,880 bytes" in large.stderr
    assert all("Traceback" not in run.stderr for run in (none, changed, large))


def test_a_hub_that_cannot_be_reached_is_one_line(tmp_path: Path) -> None:
    place = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path)}
    found = translate("hf://somebody/ipa", {**os.environ, **place})
    assert found.returncode == 2 and len(found.stderr.splitlines()) == 1, found.stderr


@pytest.mark.parametrize("name", ["hf://ipa", "hf://a/b/c", "hf://a/..", "hf://a/b@"])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(ConfigError, match="hf://USER/NAME"):
        parse_name(name)
