"""Times as people type them, in a zone where clocks are changed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta

import pytest

from annotator.calendar import local_days
from annotator.cli.when import hours, moment, period, weekdays
from annotator.domain import Hours


@pytest.fixture(autouse=True)
def berlin(local_zone: Callable[[str], None]) -> None:
    local_zone("Europe/Berlin")


def today() -> date:
    return datetime.now().astimezone().date()


def begin_of(day: date) -> datetime:
    return local_days(day, day).since


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-05-01", datetime(2024, 4, 30, 22, tzinfo=UTC)),
        ("2024-05-01 18:30", datetime(2024, 5, 1, 16, 30, tzinfo=UTC)),
        ("2024-01-01 18:30", datetime(2024, 1, 1, 17, 30, tzinfo=UTC)),
        ("2024-05-01T18:30Z", datetime(2024, 5, 1, 18, 30, tzinfo=UTC)),
        ("may 2024", datetime(2024, 4, 30, 22, tzinfo=UTC)),
        ("2024", datetime(2023, 12, 31, 23, tzinfo=UTC)),
    ],
)
def test_a_time_without_a_zone_is_local(text: str, expected: datetime) -> None:
    assert moment(text) == expected


def test_a_day_in_words_is_its_beginning_and_not_this_time_of_day() -> None:
    before = today()
    found = moment("yesterday"), moment("3 days ago"), moment("yesterday 18:00")
    if today() != before:
        pytest.skip("midnight passed")
    day = before - timedelta(days=1)
    assert found == (
        begin_of(day),
        begin_of(before - timedelta(days=3)),
        datetime.combine(day, time(18)).astimezone(UTC),
    )


def test_last_friday_is_a_friday_that_is_over() -> None:
    found = period("last friday")
    day = found.since.astimezone().date()
    assert day.weekday() == 4
    assert today() - timedelta(days=7) <= day < today()
    assert found == local_days(day, day)


def test_a_while_ago_counts_from_now() -> None:
    before = datetime.now(UTC)
    found = moment("90m"), moment("2h"), moment("3d"), moment("2w")
    lengths = [timedelta(minutes=90), timedelta(hours=2), timedelta(days=3), timedelta(weeks=2)]
    for one, length in zip(found, lengths, strict=True):
        assert timedelta(0) <= one + length - before < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2024-10-27", date(2024, 10, 27), date(2024, 10, 27)),
        ("february 2024", date(2024, 2, 1), date(2024, 2, 29)),
        ("december 2023", date(2023, 12, 1), date(2023, 12, 31)),
        ("2023", date(2023, 1, 1), date(2023, 12, 31)),
    ],
)
def test_a_period_is_whole_local_days(text: str, first: date, last: date) -> None:
    assert period(text) == local_days(first, last)


@pytest.mark.parametrize(
    ("text", "since", "until"),
    [
        ("22:00-06:00", time(22), time(6)),
        ("8-17", time(8), time(17)),
        ("0830 - 24:00", time(8, 30), time(0)),
    ],
)
def test_hours(text: str, since: time, until: time) -> None:
    assert hours(text) == Hours(since, until)


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("friday", (4,)),
        ("Fridays", (4,)),
        ("mon-thu", (0, 1, 2, 3)),
        ("sat-mon", (0, 5, 6)),
        ("weekend", (5, 6)),
        ("tue, sat,sun", (1, 5, 6)),
    ],
)
def test_weekdays(text: str, days: tuple[int, ...]) -> None:
    assert weekdays(text) == days


@pytest.mark.parametrize(
    ("read", "text"),
    [
        *((moment, text) for text in ("banana", "5", "12", "", "2024-13-01", "9" * 40 + "d")),
        *((period, text) for text in ("banana", "5", "99999")),
        *((hours, text) for text in ("22:00", "25-6", "22:61-6", "-", "late-early")),
        *((weekdays, text) for text in ("f", "t", "someday", "", "mon-", "s")),
    ],
)
def test_what_is_none_is_said_with_an_example(read: Callable[[str], object], text: str) -> None:
    with pytest.raises(ValueError, match="; try "):
        read(text)
