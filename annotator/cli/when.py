"""Times, days, hours and weekdays as people type them; without a zone they are local."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta

import click

from annotator.calendar import Span, local_days
from annotator.domain import Hours

_AGO = re.compile(r"(\d+)\s*([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_CLOCK = re.compile(r"(\d{1,2})(?::?(\d{2}))?")
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}")
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_SEVERAL = {"weekend": (5, 6), "workdays": (0, 1, 2, 3, 4), "weekdays": (0, 1, 2, 3, 4)}
_EXAMPLES = "2024-05-01, '2024-05-01 18:30', 3d, 'yesterday 18:00' or 'last friday'"


class Typed(click.ParamType):  # type: ignore[type-arg]  # generic only in newer versions
    """A parameter that a function reads; its ValueError is the complaint."""

    def __init__(self, name: str, read: Callable[[str], object]) -> None:
        self.name = name
        self._read = read

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> object:
        if not isinstance(value, str):
            return value
        try:
            return self._read(value.strip())
        except (ValueError, OverflowError) as error:
            self.fail(str(error), param, ctx)


def moment(text: str) -> datetime:
    """A moment in UTC. Raises ValueError."""
    ago = _AGO.fullmatch(text)
    try:
        if ago:
            return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        found, _ = _parse(text)
        return found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is no time; try {_EXAMPLES}") from None


def period(text: str) -> Span:
    """The day, week, month or year that is named. Raises ValueError."""
    try:
        found, what = _parse(text)
        first = last = found.date()
        if what == "week":
            first -= timedelta(days=first.weekday())
            last = first + timedelta(days=6)
        elif what == "month":
            last = (first.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
        elif what == "year":
            last = date(first.year, 12, 31)
        return local_days(first, last)
    except (ValueError, OverflowError):
        raise ValueError(
            f"{text!r} is no day; try yesterday, 'last friday', 2024-05-01 or may"
        ) from None


def hours(text: str) -> Hours:
    """Hours such as 22:00-06:00. Raises ValueError."""
    since, dash, until = text.partition("-")
    if not dash:
        raise ValueError(f"{text!r} are no hours; try 22:00-06:00")
    return Hours(_clock(since.strip()), _clock(until.strip()))


def weekdays(text: str) -> tuple[int, ...]:
    """`friday`, `mon-thu`, `sat,sun` or `weekend`, where 0 is Monday. Raises ValueError."""
    return tuple(sorted({day for part in text.split(",") for day in _weekdays(part.strip())}))


WHEN = Typed("time", moment)
DAY = Typed("day", period)
HOURS = Typed("hours", hours)
WEEKDAYS = Typed("weekday", weekdays)


def _parse(text: str) -> tuple[datetime, str]:
    """What is named, naive where without a zone, and whether it is a time, a day, ..."""
    try:
        found = datetime.fromisoformat(text)
        return found, "day" if len(text) <= len("2024-05-01") else "time"
    except ValueError:
        # A number alone may be anything; and of a wrong 2024-13-01 dateparser makes a January.
        if (text.isdecimal() and len(text) != len("2024")) or _ISO.match(text):
            raise
    from dateparser.date import DateDataParser  # takes as long to import as all the rest

    parser = DateDataParser(
        settings={
            "PREFER_DATES_FROM": "past",
            "RETURN_TIME_AS_PERIOD": True,
            "STRICT_PARSING": False,
        }
    )
    read = parser.get_date_data(text)
    found, what = read.date_obj, read.period
    if found is None:
        raise ValueError(text)
    if what in ("day", "week", "month", "year"):
        found = datetime.combine(found.date(), time(0), tzinfo=found.tzinfo)
    if what in ("month", "year"):
        found = found.replace(day=1)
    if what == "year":
        found = found.replace(month=1)
    return found, what


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
