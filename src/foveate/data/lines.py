"""Numbered lines of a text file, gunzipped and decoded, each with what is wrong with it.

Knows what can go wrong with files and bytes; knows nothing of pairs or columns.
"""

from __future__ import annotations

import codecs
import errno
import gzip
import io
import shlex
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple, cast

from foveate.errors import DataError, did_you_mean

STANDARD_INPUT = "-"
HEAD_LINES, HEAD_CHARACTERS = 1000, 2**20
MAX_LINE = 100_000  # characters of a line: the memory of a search grows with it
MAX_LINE_BYTES = 16 * 2**20  # a file without line ends must not fill the memory

_CONTROLS = bytes(sorted({*range(32), 127} - set(b"\t\n\v\f\r\x1b")))
_SIGNATURES = (
    (b"\x1f\x8b", "it is gzip-compressed: let its name end in .gz"),
    (b"PAR1\x15", "it is a parquet file: let its name end in .parquet"),
    (b"PK\x03\x04", "it is a zip archive or an office document: save it as TSV or CSV"),
    (b"BZh91AY&SY", "it is bzip2-compressed: unpack it, or compress it with gzip"),
    (b"\xfd7zXZ", "it is xz-compressed: unpack it, or compress it with gzip"),
    (b"\x28\xb5\x2f\xfd", "it is zstd-compressed: unpack it, or compress it with gzip"),
    (codecs.BOM_UTF32_LE, "it is UTF-32 text: iconv -f UTF-32 -t UTF-8 FILE > utf8-FILE"),
    (codecs.BOM_UTF16_LE, "it is UTF-16 text: iconv -f UTF-16 -t UTF-8 FILE > utf8-FILE"),
    (codecs.BOM_UTF16_BE, "it is UTF-16 text: iconv -f UTF-16 -t UTF-8 FILE > utf8-FILE"),
    (b"\xd0\xcf\x11\xe0", "it is a document of an older office program: save it as TSV or CSV"),
    (b"SQLite format 3", "it is a database: write the pairs with sqlite3 -separator, as TSV"),
)


class Line(NamedTuple):
    """One line without its end; `problem` is empty when the line is good."""

    number: int
    text: str
    problem: str
    end: str = "\n"


def read_lines(where: str | Path) -> Iterator[str]:
    """Read the lines of a text file, or of standard input for `-`, without their ends.

    Raises:
        DataError: the file cannot be read, or a line is not UTF-8 or longer than `MAX_LINE`.
    """
    name = str(where)
    for line in read_all_lines(name):
        if line.problem:
            raise DataError(f"{show_name(name)}:{line.number}: {line.problem}")
        yield line.text


def read_all_lines(where: str | Path) -> Iterator[Line]:
    """Read the lines as `read_lines` does; a bad one comes with its problem.

    Raises:
        DataError: the file cannot be read.
    """
    for line in read_numbered_lines(str(where)):
        if len(line.text) > MAX_LINE:
            problem = f"{len(line.text):,} characters, more than {MAX_LINE:,}: cut it into lines"
            line = line._replace(problem=problem)
        yield line


def read_numbered_lines(name: str) -> Iterator[Line]:
    r"""Read a text file (`-`: standard input; `.gz`: gunzipped) line by line.

    A line ends in LF or CR LF, the last one perhaps in nothing; a lone CR is text. A byte order
    mark is dropped. A line that is not UTF-8 comes with its `problem`, the file goes on.

    Raises:
        DataError: the file is missing, unreadable, damaged or not text.
    """
    with open_bytes(name) as stream:
        _refuse_binary(name, stream.peek(4096)[:4096])
        number = 0
        while raw := stream.readline(MAX_LINE_BYTES):
            number += 1
            if number == 1:
                raw = raw.removeprefix(codecs.BOM_UTF8)
            if len(raw) >= MAX_LINE_BYTES and not raw.endswith(b"\n"):
                _skip_line(stream)
                yield Line(number, "", f"longer than {MAX_LINE_BYTES:,} bytes")
            else:
                yield _decode(number, raw)


def take_head(lines: Iterator[Line]) -> tuple[list[Line], Iterator[Line]]:
    """Return the first lines, by which a form is recognised, and all lines once more."""
    head, room = list[Line](), HEAD_CHARACTERS
    for line in islice(lines, HEAD_LINES):
        head.append(line)
        room -= len(line.text)
        if room < 0:
            break
    return head, chain(head, lines)


def show_name(name: str) -> str:
    """Return how a message names the file."""
    return "standard input" if name == STANDARD_INPUT else name


def is_gzip_name(name: str) -> bool:
    """Tell whether the name says that the file is gzip-compressed."""
    return name.lower().endswith(".gz")


@contextmanager
def open_bytes(name: str) -> Iterator[io.BufferedReader]:
    """Open a file for reading bytes; whatever fails until it is closed becomes a `DataError`."""
    try:
        if name == STANDARD_INPUT:
            if sys.stdin is None:
                raise OSError(errno.EBADF, "it is closed")
            yield _peekable(sys.stdin.buffer)
        else:
            if Path(name).is_dir():
                raise IsADirectoryError(name)
            with Path(name).open("rb") as stream:
                yield _gunzipped(name, stream) if is_gzip_name(name) else stream
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{show_name(name)}: {_explain(name, error)}") from None


def _peekable(stream: object) -> io.BufferedReader:
    if hasattr(stream, "peek"):
        return cast(io.BufferedReader, stream)
    return io.BufferedReader(cast(io.RawIOBase, stream))


def _gunzipped(name: str, stream: io.BufferedReader) -> io.BufferedReader:
    if stream.peek(2)[:2] not in (b"", b"\x1f\x8b"):
        raise DataError(f"{name}: not a gzip file, though its name ends in .gz: rename it")
    return cast(io.BufferedReader, gzip.GzipFile(fileobj=stream))


def _explain(name: str, error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return f"no such file{did_you_mean(Path(name).name, _neighbours(name))}"
    if isinstance(error, IsADirectoryError):
        return "it is a directory: give a file in it"
    if isinstance(error, PermissionError):
        return "no permission to read it"
    if isinstance(error, EOFError):
        return "the gzip data ends too early, the file is truncated: fetch it again"
    if isinstance(error, zlib.error | gzip.BadGzipFile):
        return f"the gzip data is damaged, fetch it again ({error})"
    return f"cannot read it: {getattr(error, 'strerror', None) or error}"


def _neighbours(name: str) -> list[str]:
    try:
        return [path.name for path in Path(name).parent.iterdir()]
    except OSError:
        return []


def _refuse_binary(name: str, head: bytes) -> None:
    for signature, advice in _SIGNATURES:
        if head.startswith(signature):
            raise DataError(f"{show_name(name)}: not UTF-8 text: {_name_file(advice, name)}")
    for encoding, place in (("UTF-16LE", 1), ("UTF-16BE", 0)):  # Latin letters without a mark
        zeros = head[place::2].count(0), head[1 - place :: 2].count(0)
        if zeros[0] > len(head) / 4 and not zeros[1]:
            advice = f"it is {encoding} text: iconv -f {encoding} -t UTF-8 FILE > utf8-FILE"
            raise DataError(f"{show_name(name)}: not UTF-8 text: {_name_file(advice, name)}")
    num_controls = len(head) - len(head.translate(None, _CONTROLS))
    if num_controls >= 8 and num_controls > len(head) / 50 and not _is_text(head):
        raise DataError(f"{show_name(name)}: a binary file, not UTF-8 text")


def _name_file(advice: str, name: str) -> str:
    """Return advice in which FILE is the name of the file."""
    if name == STANDARD_INPUT:
        return advice.partition(" FILE")[0]
    converted = shlex.quote(f"utf8-{Path(name).name}")
    return advice.replace("utf8-FILE", converted).replace("FILE", shlex.quote(name))


def _is_text(head: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)  # the last character may be cut
    except UnicodeDecodeError:
        return False
    return b"\0" not in head


def _skip_line(stream: io.BufferedReader) -> None:
    while (rest := stream.readline(MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
        pass


def _decode(number: int, raw: bytes) -> Line:
    end = "\r\n" if raw.endswith(b"\r\n") else "\n"
    raw = raw.removesuffix(b"\n").removesuffix(b"\r")
    try:
        return Line(number, raw.decode("utf-8"), "", end)
    except UnicodeDecodeError as error:
        problem = f"not UTF-8 (byte 0x{raw[error.start]:02x} at position {error.start + 1})"
        # The bytes come back with `encode("utf-8", "surrogateescape")`.
        return Line(number, raw.decode("utf-8", errors="surrogateescape"), problem, end)
