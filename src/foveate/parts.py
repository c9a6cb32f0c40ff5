"""A file that is translated in parts, so that a command that was killed goes on.

The protocol. While it is written, the output `OUT` is a folder `OUT.part`:

    output       the output so far
    errors       the lines so far that have no output, each with the reason
    state.json   whose work it is (model, options, input), and how much of the above counts

After every part both files are synced; then `state.json` is replaced in one step. It has the number
of lines, the bytes of both files, and a hash of the lines that were read. Who goes on cuts the
files to these bytes and passes over these lines, if they are still the same. So a line counts when
its whole part does, and never twice. Parts begin at the same lines in every run, and a line keeps
its number: the bytes are those of a run that nobody disturbed.

In the end `state.json` says that all is there. Then the files get their names, `OUT.errors.tsv`
and `OUT`, and the folder goes. All of this may be done again after a kill.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any, Self

from foveate.counted import counted
from foveate.data.lines import Line
from foveate.errors import ConfigError, DataError
from foveate.files import encode_text, remove_left_overs, replace_file, sync_folder
from foveate.output import check_file

STATE, OUTPUT, ERRORS = "state.json", "output", "errors"
HEADER = "line\treason\n"


@dataclass
class State:
    """How far the work is.

    Attributes:
        about: model, options and input, by the name that a message calls them.
        lines: that are done.
        digest: of these lines.
        bytes: of the output and of the errors that count.
        num_failed: lines without an output.
        is_complete: whether all lines are done.
    """

    about: dict[str, Any]
    lines: int = 0
    digest: str = ""
    bytes: tuple[int, int] = (0, 0)
    num_failed: int = 0
    is_complete: bool = False


class Parts:
    """The output of a file, part by part. A context manager; leaving it early keeps the parts.

    Args:
        where: the file that is to appear.
        about: what has to be the same when the work goes on, by name.

    Raises:
        ConfigError: `where` is no file, or its parts are those of another model, of other options
            or of another input.
    """

    def __init__(self, where: str, about: Mapping[str, Any]) -> None:
        check_file(where)
        self.out = Path(os.path.realpath(where))
        if where == "-" or (self.out.exists() and not self.out.is_file()):
            raise ConfigError("--resume: needs a file to write to: add --out FILE")
        self.folder = self.out.with_name(self.out.name + ".part")
        self.errors = self.out.with_name(self.out.name + ".errors.tsv")
        self.state = self._read(json.loads(json.dumps(dict(about))))
        self._digest = hashlib.sha256()
        self._open = ExitStack()
        self._streams: list[IO[bytes]] = []

    def _read(self, about: dict[str, Any]) -> State:
        place = self.folder / STATE
        if not place.exists():
            return State(about)
        try:
            values = json.loads(place.read_bytes())
            state = State(**{**values, "bytes": tuple(values["bytes"])})
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise ConfigError(f"{place}: cannot be read ({error}); {self._anew()}") from None
        for name in {**state.about, **about}:
            old, new = state.about.get(name), about.get(name)
            if old != new:
                raise ConfigError(
                    f"{self.folder}: was begun with {name} {_show(old)}, now it is {_show(new)}: "
                    f"resume with the same, or {self._anew()}"
                )
        return state

    def _anew(self) -> str:
        return f"remove the folder {self.folder} to begin anew"

    def __enter__(self) -> Self:
        """Open the files as they were after the last part."""
        if self.state.is_complete:
            return self
        self.folder.mkdir(exist_ok=True)
        remove_left_overs(self.folder / STATE)
        if not self.state.digest:
            self._save()
        for name, size in zip((OUTPUT, ERRORS), self.state.bytes, strict=True):
            stream = self._open.enter_context((self.folder / name).open("ab"))
            _lock(stream, self.folder)
            if stream.seek(0, os.SEEK_END) < size:
                raise ConfigError(f"{self.folder / name}: has lost its end; {self._anew()}")
            stream.truncate(size)
            self._streams.append(stream)
        sync_folder(self.folder)
        sync_folder(self.folder.parent)
        return self

    def __exit__(self, *_: object) -> None:
        """Close the files."""
        self._open.close()

    def skip(self, lines: Iterator[Line]) -> None:
        """Pass over the lines that are done.

        Raises:
            DataError: they are not those of the earlier run.
        """
        done = self.state.lines
        num_read = 0
        for line in islice(lines, done):
            self._see(line)
            num_read += 1
        if done and (num_read < done or self._digest.hexdigest() != self.state.digest):
            raise DataError(
                f"{self.folder}: was begun with another input: its first "
                f"{counted(done, 'line')} had the "
                f"hash {self.state.digest[:12]}, now it is {self._digest.hexdigest()[:12]}: "
                f"resume with the same input, or {self._anew()}"
            )

    def _see(self, line: Line) -> None:
        self._digest.update(f"{line.text}\n".encode("utf-8", "surrogateescape"))

    def add(self, lines: Sequence[Line], output: Iterable[str], failed: Mapping[int, str]) -> None:
        """Write a part for certain.

        Args:
            lines: that were read.
            output: of them.
            failed: by number of the line, why it has no output.
        """
        for line in lines:
            self._see(line)
        rows = [f"{number}\t{' '.join(why.split())}\n" for number, why in sorted(failed.items())]
        header = [HEADER] if rows and not self.state.num_failed else []
        for stream, texts in zip(self._streams, (output, header + rows), strict=True):
            stream.write(encode_text("".join(texts)))
            stream.flush()
            os.fsync(stream.fileno())
        self.state.lines += len(lines)
        self.state.num_failed += len(failed)
        self.state.bytes = (self._streams[0].tell(), self._streams[1].tell())
        self._save()

    def _save(self) -> None:
        self.state.digest = self._digest.hexdigest()
        replace_file(self.folder / STATE, json.dumps(asdict(self.state), indent=2) + "\n")

    def finish(self) -> None:
        """Give the files their names; what stood there is replaced."""
        if not self.state.is_complete:
            self._open.close()
            self.state.is_complete = True
            self._save()
        if not self.state.num_failed:
            (self.folder / ERRORS).unlink(missing_ok=True)
            self.errors.unlink(missing_ok=True)
        for name, place in ((ERRORS, self.errors), (OUTPUT, self.out)):
            if (self.folder / name).exists():
                (self.folder / name).replace(place)
        sync_folder(self.out.parent)
        remove_left_overs(self.folder / STATE)
        (self.folder / STATE).unlink()
        self.folder.rmdir()


def _lock(stream: IO[bytes], folder: Path) -> None:
    """Keep a file to this process, where the system can do so; the lock ends with the process."""
    if sys.platform == "win32":
        return
    import fcntl

    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ConfigError(f"{folder}: another command is at work there; wait for it") from None
    except OSError:  # a disk of the network that knows no locks
        return


def _show(value: Any) -> str:
    return "not given" if value is None else str(value)
