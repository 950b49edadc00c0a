"""Times, days, hours and weekdays as people type them; without a zone they are local."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta

import click

from annotator.calendar import Span, hours, local_days, weekdays

_AGO = re.compile(r"(\d+)\s*([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}")
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
