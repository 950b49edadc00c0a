"""Times as people type them, in a zone where clocks are changed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta

import pytest

from annotator.calendar import Span, hours, local_days, weekdays
from annotator.cli.when import moment, period
from annotator.domain import Hours


@pytest.fixture(autouse=True)
def berlin(local_zone: Callable[[str], None]) -> None:
    local_zone("Europe/Berlin")


def today() -> date:
    return datetime.now().astimezone().date()


def local(day: date, hour: int) -> datetime:
    return datetime.combine(day, time(hour)).astimezone(UTC)


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
        ("2024-05-01 18:30 UTC", datetime(2024, 5, 1, 18, 30, tzinfo=UTC)),
        ("2024-05-01 24:00", datetime(2024, 5, 1, 22, tzinfo=UTC)),
        ("1.5.2024 18:30", datetime(2024, 5, 1, 16, 30, tzinfo=UTC)),
        ("13/5/2024", datetime(2024, 5, 12, 22, tzinfo=UTC)),
        ("5/13/2024", datetime(2024, 5, 12, 22, tzinfo=UTC)),
    ],
)
def test_a_time_without_a_zone_is_local(text: str, expected: datetime) -> None:
    assert moment(text) == expected


def test_words_are_english_or_of_the_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("LC_ALL", "LC_TIME", "LANG"):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(ValueError, match="is no time"):
        moment("1 mai 2024")
    monkeypatch.setenv("LANG", "de_DE.UTF-8")
    assert moment("1 mai 2024") == moment("1 may 2024") == moment("2024-05-01")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    assert moment("1 may 2024") == moment("2024-05-01")


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
    found = [*map(moment, ("90m", "2h", "3d", "2w", "3D ago", "20 minutes ago", "an hour ago"))]
    lengths = [
        *(timedelta(minutes=90), timedelta(hours=2), timedelta(days=3), timedelta(weeks=2)),
        *(timedelta(days=3), timedelta(minutes=20), timedelta(hours=1)),
    ]
    for one, length in zip(found, lengths, strict=True):
        assert timedelta(0) <= one + length - before < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2024-10-27", date(2024, 10, 27), date(2024, 10, 27)),
        ("february 2024", date(2024, 2, 1), date(2024, 2, 29)),
        ("december 2023", date(2023, 12, 1), date(2023, 12, 31)),
        ("2023", date(2023, 1, 1), date(2023, 12, 31)),
        ("2024-W18", date(2024, 4, 29), date(2024, 5, 5)),
        ("1-14 august 2024", date(2024, 8, 1), date(2024, 8, 14)),
        ("1. to 14. august 2024", date(2024, 8, 1), date(2024, 8, 14)),
        ("August 1-14, 2024", date(2024, 8, 1), date(2024, 8, 14)),
        ("1 aug 2024 - 14 aug 2024", date(2024, 8, 1), date(2024, 8, 14)),
        ("2024-08-01..2024-08-14", date(2024, 8, 1), date(2024, 8, 14)),
        ("may 2024 to june 2024", date(2024, 5, 1), date(2024, 6, 30)),
    ],
)
def test_a_period_is_whole_local_days(text: str, first: date, last: date) -> None:
    assert period(text) == local_days(first, last)


def test_last_night_goes_on_until_the_morning() -> None:
    before = today()
    found = period("last night"), period("yesterday evening"), period("this morning")
    begin = moment("last night")
    if today() != before:
        pytest.skip("midnight passed")
    day = before - timedelta(days=1)
    assert [(one.since, one.until) for one in found] == [
        (local(day, 20), local(before, 6)),
        (local(day, 18), local(before, 0)),
        (local(before, 6), local(before, 12)),
    ]
    assert begin == local(day, 20)


def test_the_night_of_a_day_ends_on_the_next() -> None:
    assert period("2024-05-01 night") == Span(
        datetime(2024, 5, 1, 18, tzinfo=UTC), datetime(2024, 5, 2, 4, tzinfo=UTC)
    )


def test_the_last_weekend_is_over() -> None:
    found, begun = period("last weekend"), period("weekend")
    assert found.since.astimezone().weekday() == 5
    assert found.until - found.since >= timedelta(hours=47)
    assert found.until <= datetime.now(UTC)
    assert begun.since <= datetime.now(UTC) < begun.since + timedelta(days=7, hours=1)


def test_several_days_may_go_over_the_end_of_a_year() -> None:
    found = period("27 december - 3 january")
    assert found.until - found.since == timedelta(days=8)
    assert found.since.astimezone().strftime("%d %m") == "27 12"


@pytest.mark.parametrize("text", ["yesterday 18:00", "18:00", "2024-05-01 18:00", "2 hours ago"])
def test_a_time_is_no_day(text: str) -> None:
    with pytest.raises(ValueError, match="is a time and no day; try "):
        period(text)


@pytest.mark.parametrize("read", [moment, period])
def test_what_may_be_two_days_is_neither(read: Callable[[str], object]) -> None:
    with pytest.raises(ValueError, match="'1/5/2024' may be two days; try "):
        read("1/5/2024")


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
        *((moment, text) for text in ("31 feb", "2024-02-30", "1-14 august", "banana night")),
        *((period, text) for text in ("banana", "5", "99999", "30 feb", "2024-05-02..2024-05-01")),
        *((hours, text) for text in ("22:00", "25-6", "22:61-6", "-", "late-early")),
        *((weekdays, text) for text in ("f", "t", "someday", "", "mon-", "s")),
    ],
)
def test_what_is_none_is_said_with_an_example(read: Callable[[str], object], text: str) -> None:
    with pytest.raises(ValueError, match="; try "):
        read(text)
