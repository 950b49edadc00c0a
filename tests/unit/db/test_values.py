"""Names and times come back as they were stored, and SQLite's printf agrees with Python's."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.values import file_name_of, frame_format, from_ms, printable, to_ms

FRAMES = st.integers(0, 2**31 - 1)
TEXT = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0/"), max_size=20)


@pytest.mark.parametrize(
    ("file_name", "frame", "expected"),
    [
        ("00007-capture.jpg", 7, "%05d-capture.jpg"),
        ("123456-capture.jpg", 123456, "%06d-capture.jpg"),
        ("7.jpg", 7, "%01d.jpg"),
        ("cam1-0001.jpg", 1, "cam1-%04d.jpg"),
        ("100%-3.jpg", 3, "100%%-%01d.jpg"),
        ("cat.jpg", 0, ""),
        ("00007-capture.jpg", 8, ""),
    ],
)
def test_frame_format(file_name: str, frame: int, expected: str) -> None:
    assert frame_format(file_name, frame) == expected


@given(before=TEXT, after=TEXT, width=st.integers(1, 12), frame=FRAMES, other=FRAMES)
def test_a_format_gives_its_own_name_and_sqlite_agrees(
    before: str, after: str, width: int, frame: int, other: int
) -> None:
    name = f"{before}{frame:0{width}d}{after}"
    name_format = frame_format(name, frame)
    if not name_format:  # the digits around it made another number of it
        return
    assert file_name_of(name_format, frame) == name
    with closing(sqlite3.connect(":memory:")) as connection:
        (printed,) = connection.execute("SELECT printf(?, ?)", (name_format, other)).fetchone()
    assert printed == file_name_of(name_format, other)


@given(
    st.datetimes(datetime(1970, 1, 1), datetime(9998, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
)
def test_times_keep_their_milliseconds(moment: datetime) -> None:
    kept = from_ms(to_ms(moment))
    assert timedelta(0) <= moment - kept < timedelta(milliseconds=1)
    assert to_ms(kept) == to_ms(moment)


def test_names_that_are_not_utf8_are_shown_escaped() -> None:
    assert printable(b"caf\xe9".decode("utf-8", "surrogateescape")) == "caf\\udce9"
