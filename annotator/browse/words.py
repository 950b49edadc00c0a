"""What the templates call: words, times and addresses."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Any

from annotator.browse.about import FIRST_QUESTION, query_links, view_links, view_url
from annotator.browse.filters import EventFilter
from annotator.browse.links import capture_url, event_url, look_url
from annotator.domain import UNKNOWN_NAME, BoundingBox
from annotator.view.draw import label_colour
from annotator.view.words import clock, lasting, long_day, many, named, told


def colour(label: str) -> str:
    """A label's colour on pictures, as CSS has it."""
    return "#{:02x}{:02x}{:02x}".format(*label_colour(label))


def brief_day(moment: datetime, now: datetime | None = None) -> str:
    """Today, Yesterday, Fri 20 Nov, or with the year where it is another."""
    local = moment.astimezone()
    today = (now or datetime.now().astimezone()).astimezone().date()
    days = (today - local.date()).days
    if days in (0, 1):
        return ("Today", "Yesterday")[days]
    weekday, name = _WEEKDAYS[local.weekday()], _MONTHS[local.month - 1]
    year = f" {local.year}" if local.year != today.year else ""
    return f"{weekday} {local.day} {name}{year}"


def brief_time(moment: datetime) -> str:
    """The time of today, else the day."""
    day = brief_day(moment)
    return hour_minute(moment) if day == "Today" else day


def brief_date(iso: str) -> str:
    """As `brief_day`, for a day as the database's counts have it."""
    day = date.fromisoformat(iso)
    return brief_day(datetime(day.year, day.month, day.day, 12).astimezone())


def hour_minute(moment: datetime) -> str:
    return moment.astimezone().strftime("%H:%M")


def percent(share: float) -> str:
    return f"{share * 100:.0f} %"


def corners(box: BoundingBox) -> str:
    """A box in words."""
    return f"{box.width} x {box.height} px at {box.xmin}, {box.ymin}"


_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = (
    *("Jan", "Feb", "Mar", "Apr", "May", "Jun"),
    *("Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
)

FOR_TEMPLATES: dict[str, Callable[..., Any] | str] = {
    "FIRST_QUESTION": FIRST_QUESTION,
    "UNKNOWN": UNKNOWN_NAME,
    "EventFilter": EventFilter,
    "brief_date": brief_date,
    "brief_day": brief_day,
    "brief_time": brief_time,
    "capture_url": capture_url,
    "clock": clock,
    "colour": colour,
    "corners": corners,
    "event_url": event_url,
    "hour_minute": hour_minute,
    "lasting": lasting,
    "long_day": long_day,
    "look_url": look_url,
    "many": many,
    "named": named,
    "percent": percent,
    "query_links": query_links,
    "told": told,
    "view_links": view_links,
    "view_url": view_url,
}
