"""Names and times come back as they were stored, and SQLite's printf agrees with Python's."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.values import (
    FINEST,
    file_name_of,
    fineness,
    frame_format,
    from_ms,
    from_us,
    printable,
    to_ms,
    to_us,
)

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


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=64, unique=True), st.integers(1, 9))
def test_whatever_the_gaps_each_half_comes_before_its_quarters(
    places: list[int], step: int
) -> None:
    first = min(places)
    rank = {place: fineness(place * step, first * step) for place in places}
    assert min(rank, key=lambda place: (rank[place], place)) == first
    assert all(0 <= one <= FINEST for one in rank.values())
    twice = {place: fineness(2 * place * step, 2 * first * step) for place in places}
    for place in places:
        assert twice[place] == max(min(rank[place], 1), rank[place] - 1), "as of half the rate"


@pytest.mark.parametrize(
    ("distance", "expected"),
    [(0, 0), (1, 16), (2, 15), (3, 16), (-1, 16), (-4, 14), (2**14, 2), (2**15, 1), (2**40, 1)],
)
def test_fineness(distance: int, expected: int) -> None:
    assert fineness(7 + distance, 7) == expected


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
    assert from_us(to_us(moment)) == moment


def test_names_that_are_not_utf8_are_shown_escaped() -> None:
    assert printable(b"caf\xe9".decode("utf-8", "surrogateescape")) == "caf\\udce9"
