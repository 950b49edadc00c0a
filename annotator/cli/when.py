"""Times as people type them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import click

_AGO = re.compile(r"(\d+)\s*([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class When(click.ParamType):  # type: ignore[type-arg]  # generic only in newer versions
    """`2024-05-01`, `2024-05-01 18:30`, `3d` (ago), or words such as `yesterday 18:00`.

    Times without a zone are local. Gives an aware datetime in UTC.
    """

    name = "time"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        if isinstance(value, datetime):
            return value
        text = str(value).strip()
        try:
            found = _parse(text)
        except (ValueError, OverflowError):
            found = None
        if found is None:
            self.fail(
                f"{text!r} is no time; try 2024-05-01, '2024-05-01 18:30', 3d or 'yesterday 18:00'",
                param,
                ctx,
            )
        return found.astimezone(UTC)


def _parse(text: str) -> datetime | None:
    ago = _AGO.fullmatch(text)
    if ago:
        return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        import dateparser

        found: datetime | None = dateparser.parse(text, settings={"PREFER_DATES_FROM": "past"})
        return found
