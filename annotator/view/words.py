"""How sightings, events and questions are put into words; times are local."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from annotator.domain import UNKNOWN_NAME, CaptureQuery, Identity, Sighting
from annotator.names import stranger_name

MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July", "August"),
    *("September", "October", "November", "December"),
)
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def clock(moment: datetime) -> str:
    return moment.astimezone().strftime("%H:%M:%S")


def day(moment: datetime) -> str:
    return moment.astimezone().strftime("%Y-%m-%d")


def minute(moment: datetime) -> str:
    return moment.astimezone().strftime("%Y-%m-%d %H:%M")


def long_day(moment: datetime) -> str:
    """Friday, 20 November 2026; the same in every locale."""
    local = moment.astimezone()
    return f"{WEEKDAYS[local.weekday()]}, {local.day} {MONTHS[local.month - 1]} {local.year}"


def short_day(moment: datetime) -> str:
    """20 Nov 2026."""
    local = moment.astimezone()
    return f"{local.day} {MONTHS[local.month - 1][:3]} {local.year}"


def lasting(length: timedelta) -> str:
    """7 s, 12 min 30 s, 1 h 2 min."""
    seconds = round(length.total_seconds())
    if seconds < 60:
        return f"{seconds} s"
    minutes, seconds = divmod(seconds, 60)
    if minutes < 60:
        return f"{minutes} min {seconds} s" if seconds else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def many(number: int, what: str) -> str:
    """1 event, 3 events."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def named(one: Sighting) -> str | None:
    """Who a face is: a name, stranger-017, or unknown; None where there is no face to tell."""
    if one.name is not None:
        return one.name
    if one.verdict != Identity.UNKNOWN:
        return None
    return UNKNOWN_NAME if one.stranger is None else stranger_name(one.stranger)


def unknown_people(seen: Iterable[Sighting]) -> tuple[str, ...]:
    """The strangers of an event, or `unknown` where nobody knows which one it was.

    Of a stranger's faces only the best was grouped: the others are taken for the same.
    """
    who = {named(one) for one in seen if one.verdict == Identity.UNKNOWN}
    strangers = sorted(one for one in who if one is not None and one != UNKNOWN_NAME)
    return tuple(strangers) or ((UNKNOWN_NAME,) if who else ())


def told(seen: Sequence[Sighting]) -> str:
    """What is on a picture, each thing once: "person 0.93 (anna 0.87), cat 0.61"."""
    things: dict[tuple[object, ...], list[str]] = {}
    for one in seen:
        faces = things.setdefault((one.label, one.score, one.box), [])
        who = named(one)
        if who is not None:
            sure = "" if one.probability is None or one.name is None else f" {one.probability:.2f}"
            faces.append(who + sure)
    words = [
        f"{label} {score:.2f}" + (f" ({', '.join(faces)})" if faces else "")
        for (label, score, _), faces in things.items()
    ]
    return ", ".join(words) or "nothing was seen"


def asked(query: CaptureQuery) -> str:
    """A question in few words, for a title; "everything" where nothing is filtered."""
    words = [
        ", ".join((*query.names, *map(stranger_name, query.strangers))),
        ", ".join(query.labels),
        "without a face" if query.no_face else "",
        ", ".join(query.monitors),
        ", ".join(query.events),
        _time(query.since, query.until),
        f"{query.hours.since:%H:%M} to {query.hours.until:%H:%M}" if query.hours else "",
        ", ".join(WEEKDAYS[number] for number in query.weekdays),
        f"score {query.min_score:g} or more" if query.min_score is not None else "",
        f"probability {query.min_probability:g} or more"
        if query.min_probability is not None
        else "",
        f"{query.min_box_px} px or more" if query.min_box_px is not None else "",
        f"{query.max_box_px} px or less" if query.max_box_px is not None else "",
    ]
    return " · ".join(word for word in words if word) or "everything"


def _time(since: datetime | None, until: datetime | None) -> str:
    if since is None and until is None:
        return ""
    if since is None:
        assert until is not None
        return f"before {minute(until)}"
    if until is None:
        return f"since {minute(since)}"
    if day(since) == day(until - timedelta(microseconds=1)) and _midnight(since, until):
        return day(since)
    if _midnight(since, until):
        return f"{day(since)} to {day(until - timedelta(microseconds=1))}"
    return f"{minute(since)} to {minute(until)}"


def _midnight(*moments: datetime) -> bool:
    return all(moment.astimezone().strftime("%H:%M:%S") == "00:00:00" for moment in moments)
