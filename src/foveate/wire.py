"""Read the wire format of protocol buffers, of files that may be hostile.

Each message is read once, only fields that are expected are accepted, and nothing is nested
deeper than who reads goes. Knows nothing of what the fields mean.

Reference: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from collections.abc import Mapping

Place = tuple[int, int]  # of bytes: begin and end; of a number: itself and where it ended
Places = list[Place]
Message = dict[int, Places]

BYTES, FOUR_BYTES = 2, 5  # how a field is written: the last three bits of its tag


class WireError(ValueError):
    """A file is not what it should be; the message completes a sentence about it."""


def read_message(data: bytes, place: Place, known: Mapping[int, bool], kind: str) -> Message:
    """Return the places of the fields of a message, by tag: eight times the number, and how.

    Args:
        data: the file.
        place: of the message in it.
        known: the tags that may be there, and whether more than once.
        kind: what to call the message in an error.

    Raises:
        WireError: the message is cut off, or has a field that is not known.

    Example:
        >>> read_message(bytes([0x08, 3, 0x12, 1, 65]), (0, 5), {0x08: False, 0x12: True}, "test")
        {8: [(3, 2)], 18: [(4, 5)]}
    """
    at, end = place
    if end > len(data):
        raise WireError("it is cut off")
    found: Message = {}
    try:
        while at < end:
            tag, value = data[at], data[at + 1]
            at += 2
            if tag > 127 or value > 127:
                tag, value, at = _read_long(data, at - 2)
            way = tag & 7
            if way == BYTES:
                value, at = at, at + value
            elif way == FOUR_BYTES:
                value, at = at - 1, at + 3
            if tag not in found:
                if tag not in known:
                    raise WireError(f"its {kind} has a field {tag >> 3} of kind {way}")
                found[tag] = [(value, at)]
            elif known[tag]:
                found[tag].append((value, at))
            else:
                raise WireError(f"its {kind} has the field {tag >> 3} twice")
    except IndexError:
        raise WireError("it is cut off") from None
    if at != end:
        raise WireError("it is cut off")
    return found


def _read_long(data: bytes, at: int) -> tuple[int, int, int]:
    """Return a tag, the number after it, and where that ends; of four bytes, the first."""
    tag, at = read_number(data, at)
    if tag & 7 == FOUR_BYTES:
        return tag, 0, at + 1
    value, at = read_number(data, at)
    return tag, value, at


def read_number(data: bytes, at: int) -> tuple[int, int]:
    """Return a number of seven bits a byte, and where it ends.

    Raises:
        WireError: it has no end, or more than 64 bits.
    """
    number = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise WireError("it is cut off")
        byte = data[at]
        at += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, at
    raise WireError("it has a number of more than 64 bits")


def skip_repeated(data: bytes, tag: int) -> int:
    """Return where a file goes on after the fields of bytes that it begins with.

    Args:
        data: the file.
        tag: of the fields that are skipped.
    """
    at, end = 0, len(data) - 1
    while at < end and data[at] == tag:
        size = data[at + 1]
        if size < 128:
            at += 2 + size
        else:
            size, at = read_number(data, at + 1)
            at += size
    return at
