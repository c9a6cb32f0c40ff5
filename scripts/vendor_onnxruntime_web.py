"""Put the runtime of the single page into the package: onnxruntime-web, packed.

    python scripts/vendor_onnxruntime_web.py

It asks npm for one fixed version, and takes of it what runs on one thread without a graphics card.
The licence and the notices of third parties are those of the Python package of the same project,
which npm's package leaves out.
"""

from __future__ import annotations

import gzip
import hashlib
import subprocess
import sys
import tarfile
import tempfile
from importlib.metadata import files
from pathlib import Path

VERSION = "1.30.0"
FOLDER = Path(__file__).parent.parent / "src" / "foveate" / "page" / "vendor"
MODULE = "ort.wasm.bundle.min.mjs"
BINARY = "ort-wasm-simd-threaded.wasm"
HASHES = {
    MODULE: "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90",
    BINARY: "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
}


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            ["npm", "pack", "--silent", f"onnxruntime-web@{VERSION}"],
            cwd=folder,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        [archive] = Path(folder).glob("*.tgz")
        found = read_members(archive, list(HASHES))
    for name, data in found.items():
        if hashlib.sha256(data).hexdigest() != HASHES[name]:
            print(f"{name}: is not the file that was reviewed for {VERSION}", file=sys.stderr)
            return 1
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / f"{MODULE}.gz").write_bytes(pack(without_source_map(found[MODULE])))
    (FOLDER / f"{BINARY}.gz").write_bytes(pack(found[BINARY]))
    (FOLDER / "LICENSE").write_text(read_notice("LICENSE"), encoding="utf-8")
    notices = read_notice("ThirdPartyNotices.txt").encode()
    (FOLDER / "ThirdPartyNotices.txt.gz").write_bytes(pack(notices))
    return 0


def read_members(archive: Path, names: list[str]) -> dict[str, bytes]:
    with tarfile.open(archive) as opened:
        members = {name: opened.extractfile(f"package/dist/{name}") for name in names}
        return {name: member.read() for name, member in members.items() if member is not None}


def without_source_map(module: bytes) -> bytes:
    """Leave out the comment that makes a browser's tools ask for another file."""
    lines = module.splitlines(keepends=True)
    return b"".join(line for line in lines if not line.startswith(b"//# sourceMappingURL="))


def pack(data: bytes) -> bytes:
    return gzip.compress(data, 9, mtime=0)


def read_notice(name: str) -> str:
    [place] = [one for one in files("onnxruntime") or [] if one.name == name]
    return Path(str(place.locate())).read_text(encoding="utf-8-sig").replace("\r\n", "\n")


if __name__ == "__main__":
    sys.exit(main())
