"""Hours and weekdays, through the nights on which clocks are changed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from annotator.calendar import local_days, spans
from annotator.domain import Hours


@pytest.fixture(autouse=True)
def berlin(local_zone: Callable[[str], None]) -> None:
    local_zone("Europe/Berlin")


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]


NIGHT = Hours(time(22), time(6))


def test_a_night_goes_over_midnight_and_counts_for_the_day_it_begins() -> None:
    friday = [*spans(NIGHT, (4,), utc(2024, 5, 1), utc(2024, 5, 15))]
    assert [(one.since, one.until) for one in friday] == [
        (utc(2024, 5, 10, 20), utc(2024, 5, 11, 4)),
        (utc(2024, 5, 3, 20), utc(2024, 5, 4, 4)),
    ]


def test_the_night_on_which_clocks_go_forward_is_an_hour_shorter() -> None:
    (one,) = spans(NIGHT, (), utc(2024, 3, 30, 18), utc(2024, 3, 31, 18))
    assert one.until - one.since == timedelta(hours=7)


def test_an_hour_that_comes_twice_counts_twice() -> None:
    (one,) = spans(Hours(time(2), time(3)), (), utc(2024, 10, 26, 18), utc(2024, 10, 27, 18))
    assert (one.since, one.until) == (utc(2024, 10, 27, 0), utc(2024, 10, 27, 2))


def test_hours_that_end_when_clocks_are_put_back_to_their_end_end_once() -> None:
    (one,) = spans(Hours(time(1), time(2)), (), utc(2024, 10, 26, 18), utc(2024, 10, 27, 18))
    assert (one.since, one.until) == (utc(2024, 10, 26, 23), utc(2024, 10, 27, 0))


def test_days_that_share_such_an_hour_do_not_overlap() -> None:
    at_two = Hours(time(2), time(2))
    later, earlier = spans(at_two, (), utc(2024, 10, 26, 0), utc(2024, 10, 28, 0))
    assert earlier.until == later.since == utc(2024, 10, 27, 0)


def test_an_hour_that_is_left_out_counts_for_nothing() -> None:
    assert not [*spans(Hours(time(2), time(3)), (), utc(2024, 3, 30, 18), utc(2024, 3, 31, 18))]


def test_a_local_day_has_23_to_25_hours() -> None:
    lengths = [
        local_days(day, day).until - local_days(day, day).since
        for day in (date(2024, 3, 31), date(2024, 5, 1), date(2024, 10, 27))
    ]
    assert lengths == [timedelta(hours=hours) for hours in (23, 24, 25)]


_NAIVE = (datetime(2023, 1, 1), datetime(2025, 1, 1))  # noqa: DTZ001 - hypothesis adds the zone
moments = st.datetimes(*_NAIVE, timezones=st.just(UTC))
hours = st.builds(Hours, st.times(), st.times())
weekdays = st.sets(st.integers(0, 6)).map(lambda days: tuple(sorted(days)))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(hours, weekdays, moments, st.timedeltas(timedelta(0), timedelta(days=400)), st.data())
def test_a_moment_is_in_a_span_if_the_clock_says_so(
    hours: Hours, weekdays: tuple[int, ...], since: datetime, length: timedelta, data: st.DataObject
) -> None:
    found = [*spans(hours, weekdays, since, since + length)]
    for later, earlier in pairwise(found):
        assert earlier.since < earlier.until <= later.since
    if not length:
        return
    moment = since + data.draw(st.timedeltas(timedelta(0), length - timedelta.resolution))
    if _near_a_change(moment):
        return
    local = moment.astimezone()
    now, day = local.time(), local.date()
    if hours.since < hours.until:
        fits = hours.since <= now < hours.until
    else:
        fits = now >= hours.since or now < hours.until
        day -= timedelta(days=now < hours.since)
    fits = fits and (not weekdays or day.weekday() in weekdays)
    assert any(one.since <= moment < one.until for one in found) == fits


def _near_a_change(moment: datetime) -> bool:
    day = timedelta(days=1)
    return (moment - day).astimezone().utcoffset() != (moment + day).astimezone().utcoffset()
