"""What a page of events shows, as its address says it."""

from __future__ import annotations

from datetime import datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.browse.filters import EPOCH, EventFilter
from annotator.errors import QueryError

words = st.text(max_size=50).map(str.strip)
moments = st.integers(0, 4_000_000_000_000_000).map(lambda us: EPOCH + timedelta(microseconds=us))


@given(words, words, words)
def test_a_filter_comes_back_from_its_address(monitor: str, label: str, name: str) -> None:
    chosen = EventFilter(monitor=monitor, label=label, name=name)
    asked = dict(parse_qsl(urlsplit(chosen.url()).query))
    assert EventFilter.from_address(asked) == chosen


def test_no_filter_is_the_start_page() -> None:
    assert EventFilter().url() == "/"
    assert EventFilter().title == ""
    query = EventFilter().query(5)
    assert (query.monitors, query.labels, query.names, query.since, query.limit) == (
        (),
        (),
        (),
        None,
        5,
    )


def test_a_name_may_be_nobodys_or_a_strangers() -> None:
    assert EventFilter(name="anna").query(1).names == ("anna",)
    assert EventFilter(name="unknown").query(1).names == ("unknown",)
    stranger = EventFilter(name="stranger-017").query(1)
    assert (stranger.names, stranger.strangers) == ((), (17,))
    assert EventFilter(name="unknown", monitor="Hall").title == "unknown people · Hall"


def test_a_day_is_a_local_one() -> None:
    query = EventFilter(day="2024-05-01").query(1)
    assert query.since is not None
    assert query.until is not None
    assert query.since.astimezone().strftime("%F %T") == "2024-05-01 00:00:00"
    assert query.until.astimezone().strftime("%F %T") == "2024-05-02 00:00:00"


@given(moments)
def test_the_page_after_this_one_ends_where_this_one_began(began_at: datetime) -> None:
    url = EventFilter(label="cat").older(began_at)
    asked = EventFilter.from_address(dict(parse_qsl(urlsplit(url).query)))
    assert asked.label == "cat"
    until = asked.query(1).until
    assert until is not None
    assert timedelta(0) <= began_at - until < timedelta(milliseconds=1)


def test_another_filter_begins_with_the_newest_again() -> None:
    assert EventFilter(label="cat", before="5").url(label="dog") == "/-/events?label=dog"


@pytest.mark.parametrize(
    "asked",
    [
        {"day": "yesterday"},
        {"day": "2024-02-30"},
        {"day": "0001-01-01"},
        {"before": "-1"},
        {"before": "9" * 15},
        {"before": "x"},
        {"name": "x" * 300},
    ],
)
def test_what_cannot_be_a_filter_is_said(asked: dict[str, str]) -> None:
    with pytest.raises(QueryError):
        EventFilter.from_address(asked)
