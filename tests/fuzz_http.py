"""Requests made from the server's own description; `python tests/fuzz_http.py [--seconds 300]`.

schemathesis reads /openapi.json and sends what it allows, and what it does not. Nothing may be
answered with 5xx but 503, and the server has to answer afterwards.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ONNX = Path(__file__).parent / "golden-onnx" / "format-1"
SETTINGS = """
[checks]
not_a_server_error.expected-statuses = ["2xx", "3xx", "4xx", 503]
"""


def try_model(model: Path, seconds: int, seed: int = 1) -> int:
    """Return 0 if a server with this model has answered all that was made in some seconds."""
    command = [sys.executable, "-m", "foveate", "serve", str(model), "--port", "0", "--quiet"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        try:
            address = server.stderr.readline().split()[0]
            status = _try_address(address, seconds, seed)
            with urllib.request.urlopen(f"{address}livez", timeout=10) as answer:
                return status or int(answer.status != 200)
        finally:
            server.terminate()


def _try_address(address: str, seconds: int, seed: int) -> int:
    """Run until the time is over or something is wrong, with a new seed each time."""
    end = time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as folder:
        settings = Path(folder) / "settings.toml"
        settings.write_text(SETTINGS)
        while (rest := end - time.monotonic()) > 0:
            command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(settings)]
            command += ["run", f"{address}openapi.json", "--checks", "not_a_server_error"]
            command += ["--seed", str(seed), "--max-time", str(max(1, round(rest)))]
            status = subprocess.run(command, cwd=folder, check=False).returncode
            if status:
                return status
            seed += 1
    return 0


def main() -> int:
    """Try the model of the tests."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    return try_model(ONNX, asked.seconds, asked.seed)


if __name__ == "__main__":
    sys.exit(main())
