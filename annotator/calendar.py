"""Hours and weekdays by the local clock -> spans of time; pure but for the machine's time zone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from annotator.domain import Hours

_DAY = timedelta(days=1)
_ALL_DAY = Hours(time(0), time(0))


@dataclass(frozen=True, slots=True)
class Span:
    """From `since` until just before `until`; aware, in UTC."""

    since: datetime
    until: datetime


def spans(
    hours: Hours | None, weekdays: tuple[int, ...], since: datetime, until: datetime
) -> Iterator[Span]:
    """When it is `hours` on one of `weekdays` (0 is Monday) between two times; newest first.

    A night counts for the weekday on which it begins. Where the clocks go back, an hour that comes
    twice counts both times; one that is left out counts for nothing. No weekday means all.
    """
    hours = hours or _ALL_DAY
    overnight = _DAY if hours.until <= hours.since else timedelta(0)
    day, first = _local_day(until), _local_day(since) - _DAY
    while day >= first:
        if not weekdays or day.weekday() in weekdays:
            begin = max(since, _moment(day, hours.since, last=False))
            end = min(until, _moment(day + overnight, hours.until, last=True))
            if begin < end:
                yield Span(begin, end)
        if day == date.min:
            return
        day -= _DAY


def local_days(first: date, last: date) -> Span:
    """From the beginning of one local day to the end of another."""
    return Span(_moment(first, time(0), last=False), _moment(last + _DAY, time(0), last=False))


def _local_day(moment: datetime) -> date:
    return moment.astimezone().date()


def _moment(day: date, clock: time, *, last: bool) -> datetime:
    """When a clock on the wall shows this, the first or the last time that it does; where it never
    does, when it is put forward."""
    naive = datetime.combine(day, clock, tzinfo=None)
    early, late = sorted(naive.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
    if late.astimezone().replace(tzinfo=None) != naive:
        return _change(early, late)
    return late if last else early


def _change(before: datetime, after: datetime) -> datetime:
    """The second in which the zone's offset changes."""
    old = before.astimezone().utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) // 2
        if middle.astimezone().utcoffset() == old:
            before = middle
        else:
            after = middle
    return after.replace(microsecond=0)
