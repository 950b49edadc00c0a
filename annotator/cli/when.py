"""Times, days, hours and weekdays as people type them; without a zone they are local."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import click

from annotator.calendar import Span, hours, weekdays
from annotator.cli import dates

_AGO = re.compile(r"(\d+)\s*([smhdw])(?:\s*ago)?|(\d+|an?)\s+(second|minute|min|hour)s?\s+ago")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_TIMES = "2024-05-01, '2024-05-01 18:30', 3d, 'yesterday 18:00' or 'last friday'"
_DAYS = "yesterday, 'last night', 2024-05-01, may or '1-14 august'"


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
    try:
        if ago := _AGO.fullmatch(text.casefold()):
            number, unit = ago[1] or ago[3], ago[2] or ago[4]
            length = timedelta(**{_UNITS[unit[0]]: int(number) if number.isdecimal() else 1})
            return datetime.now(UTC) - length
        return dates.meant(text).since
    except dates.TwoDays:
        raise ValueError(f"{text!r} may be two days; try {_TIMES}") from None
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is no time; try {_TIMES}") from None


def period(text: str) -> Span:
    """The day, week, month or year, the part of a day or the several days that are named.

    Raises ValueError.
    """
    try:
        found = dates.period(text)
    except dates.TwoDays:
        raise ValueError(f"{text!r} may be two days; try {_DAYS}") from None
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is no day; try {_DAYS}") from None
    if found is None:
        raise ValueError(f"{text!r} is a time and no day; try {_DAYS}")
    return found


WHEN = Typed("time", moment)
DAY = Typed("day", period)
HOURS = Typed("hours", hours)
WEEKDAYS = Typed("weekday", weekdays)
