"""How times and names are stored; pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_ms(moment: datetime) -> int:
    """Whole milliseconds since 1970, rounded down; exact, unlike `timestamp()`."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def from_ms(milliseconds: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=milliseconds)


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
