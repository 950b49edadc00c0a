"""How times and names are stored; pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_ms(moment: datetime) -> int:
    """Whole milliseconds since 1970, rounded down; exact, unlike `timestamp()`."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def from_ms(milliseconds: int) -> datetime:
    # There may be millions: by place, since the names of arguments take longer than the sum.
    return _EPOCH + timedelta(0, 0, 0, milliseconds)


def to_us(moment: datetime) -> int:
    """Whole microseconds since 1970: all that a datetime knows."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def from_us(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)


FINEST = 16


def fineness(frame: int, first_frame: int) -> int:
    """The place of a capture in the order coarse to fine, from 0 for the event's first to FINEST.

    What counts is how often 2 divides the distance from the first frame: of 8 frames come 0, then
    4, then 2 and 6, then the odd ones. So it is known when a capture is met, whatever becomes of
    the event; it never has to be written again; and frames numbered in steps (1, 6, 11, ...) are
    halved as evenly. Two events of any length are looked at equally densely.
    """
    distance = frame - first_frame
    halvings = (distance & -distance).bit_length() - 1  # -1 for no distance
    return 0 if distance == 0 else max(1, FINEST - halvings)


def frame_format(file_name: str, frame: int) -> str:
    """A printf format that gives the file names of an event from their frames.

    Taken from one of them: `00007-capture.jpg` as frame 7 gives `%05d-capture.jpg`; the last number
    that fits, since what comes before is more often a camera or a date. "" where none does.
    """
    for digits in reversed([*re.finditer(r"[0-9]+", file_name)]):
        if int(digits[0]) == frame:
            before, after = file_name[: digits.start()], file_name[digits.end() :]
            return f"{_literal(before)}%0{len(digits[0])}d{_literal(after)}"
    return ""


def file_name_of(frame_format: str, frame: int) -> str:
    """What SQLite's printf(frame_format, frame) gives."""
    return frame_format % frame if frame_format else ""


def printable(text: str) -> str:
    """Text that can be stored: a file name that is not UTF-8 becomes escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def _literal(text: str) -> str:
    return text.replace("%", "%%")
