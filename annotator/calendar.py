"""Hours and weekdays by the local clock: as people write them, and as spans of time.

Pure but for the machine's time zone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from annotator.domain import Hours

_CLOCK = re.compile(r"(\d{1,2})(?::?(\d{2}))?")
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_SEVERAL = {"weekend": (5, 6), "workdays": (0, 1, 2, 3, 4), "weekdays": (0, 1, 2, 3, 4)}
_DAY = timedelta(days=1)
_INSTANT = timedelta.resolution
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
    day, first = _local_day(until), _local_day(since) - _DAY
    taken_from = until  # where hours begin and end within an hour that comes twice, days overlap
    while day >= first:
        if not weekdays or day.weekday() in weekdays:
            asked = local_hours(day, hours)
            begin, end = max(since, asked.since), min(taken_from, asked.until)
            if begin < end:
                yield Span(begin, end)
                taken_from = begin
        if day == date.min:
            return
        day -= _DAY


def local_days(first: date, last: date) -> Span:
    """From the beginning of one local day to the end of another."""
    return Span(_moment(first, time(0), last=False), _moment(last + _DAY, time(0), last=False))


def local_hours(day: date, hours: Hours) -> Span:
    """These hours of a local day, or of the night that begins on it; empty where clocks are put
    forward over them."""
    overnight = _DAY if hours.until <= hours.since else timedelta(0)
    return Span(
        _moment(day, hours.since, last=False), _moment(day + overnight, hours.until, last=True)
    )


def hours(text: str) -> Hours:
    """Hours such as 22:00-06:00. Raises ValueError."""
    since, dash, until = text.partition("-")
    if not dash:
        raise ValueError(f"{text!r} are no hours; try 22:00-06:00")
    return Hours(_clock(since.strip()), _clock(until.strip()))


def weekdays(text: str) -> tuple[int, ...]:
    """`friday`, `mon-thu`, `sat,sun` or `weekend`, where 0 is Monday. Raises ValueError."""
    return tuple(sorted({day for part in text.split(",") for day in _weekdays(part.strip())}))


def _local_day(moment: datetime) -> date:
    return moment.astimezone().date()


def _moment(day: date, clock: time, *, last: bool) -> datetime:
    """When a clock on the wall shows this, the first or the last time that it comes to it; where it
    never does, when it is put forward."""
    naive = datetime.combine(day, clock, tzinfo=None)
    early, late = sorted(naive.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
    if late.astimezone().replace(tzinfo=None) != naive:
        return _change(early, late)
    # Where the clock is put back to this very time it does not come to it a second time.
    comes_again = (late - _INSTANT).astimezone().replace(tzinfo=None) < naive
    return late if last and comes_again else early


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


def _clock(text: str) -> time:
    found = _CLOCK.fullmatch(text)
    hour, minute = (int(found[1]), int(found[2] or 0)) if found else (99, 0)
    if (hour, minute) == (24, 0):
        hour = 0
    if hour > 23 or minute > 59:
        raise ValueError(f"{text!r} is no time of day; try 22:00-06:00")
    return time(hour, minute)


def _weekdays(text: str) -> tuple[int, ...]:
    several = _SEVERAL.get(text.casefold())
    if several:
        return several
    first, dash, last = text.partition("-")
    begin = _weekday(first)
    end = _weekday(last) if dash else begin
    return tuple((begin + step) % 7 for step in range((end - begin) % 7 + 1))


def _weekday(text: str) -> int:
    word = text.strip().casefold().removesuffix("s")
    found = [n for n, name in enumerate(_DAYS) if len(word) > 1 and name.startswith(word)]
    if len(found) != 1:
        raise ValueError(f"{text!r} is no weekday; try friday, mon-thu or weekend")
    return found[0]
