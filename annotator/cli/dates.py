"""What people call a time, a day or several days, by the local clock.

dateparser reads nearly everything, also what it can only guess at: that is read or refused here.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from annotator.calendar import Span, local_days, local_hours
from annotator.domain import Hours

_EARLIEST = 1970
_PARTS_OF_A_DAY = {
    "morning": Hours(time(6), time(12)),
    "afternoon": Hours(time(12), time(18)),
    "evening": Hours(time(18), time(0)),
    "night": Hours(time(20), time(6)),
}
_PART_OF_A_DAY = re.compile(
    rf"(?:(?P<day>.+?)\s+)?(?:in the |at )?(?P<part>{'|'.join(_PARTS_OF_A_DAY)})"
)
_WEEKEND = re.compile(r"(?:(?:the\s+)?(last)\s+)?weekend")
_FROM_TO = re.compile(r"(?P<first>.+?)(?:\s+(?:to|until|[-\u2013])\s+|\s*\.\.\s*)(?P<last>.+)")
_DAYS_OF_A_MONTH = (
    re.compile(
        r"(?P<first>\d{1,2})\.?\s*(?:[-\u2013]|to)\s*(?P<last>\d{1,2})\.?\s+(?P<month>[^\W\d].*)"
    ),
    re.compile(
        r"(?P<month>[^\W\d]\w+)\s+(?P<first>\d{1,2})\s*(?:[-\u2013]|to)\s*(?P<last>\d{1,2})"
        r"(?P<year>,?\s+\d{4})?"
    ),
)
_IN_NUMBERS = re.compile(r"(\d{1,2})([./-])(\d{1,2})(?:\2(?:\d{4}|\d{2})?)?(?:\s.*)?")
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}")
_ISO_WEEK = re.compile(r"\d{4}-?W\d{2}")
_ISO_DAY_CHARACTERS = len("2024-05-01")
_LAST_MIDNIGHT = re.compile(r"(?<![\d:])24:00(?::00)?(?![\d:])")


class TwoDays(ValueError):
    """What was typed is one day here and another one elsewhere."""


@dataclass(frozen=True, slots=True)
class Meant:
    """A time (`until` is None), or all of one or several days or of a part of a day; in UTC."""

    since: datetime
    until: datetime | None = None


def meant(text: str) -> Meant:
    """What is named. Raises ValueError, OverflowError where it is nothing, or more than one day.

    Without a zone it is local, and without a year the last one that is over or going on.
    """
    if _ends(text) is not None:
        raise ValueError(text)
    return _one(text)


def period(text: str) -> Span | None:
    """The days, or the part of a day, that are named; None where it is a time.

    Raises ValueError, OverflowError where it is nothing.
    """
    ends = _ends(text)
    if ends is None:
        found = _one(text)
        return None if found.until is None else Span(found.since, found.until)
    first, last = _one(ends[0]), _one(ends[1])
    if last.since < first.since:  # 27 december to 3 january: the next one from the first day on
        last = _one(ends[1], after=first.since)
    if first.until is None or last.until is None:
        return None
    if last.until <= first.since:
        raise ValueError(text)
    return Span(first.since, last.until)


def _ends(text: str) -> tuple[str, str] | None:
    """The first and the last day of several; None where it is one."""
    for several in _DAYS_OF_A_MONTH:
        if found := several.fullmatch(text):
            rest = found["month"] + (found.groupdict().get("year") or "")
            return f"{found['first']} {rest}", f"{found['last']} {rest}"
    found = _FROM_TO.fullmatch(text)
    return (found["first"], found["last"]) if found else None


def _one(text: str, after: datetime | None = None) -> Meant:
    words = text.casefold().replace("tonight", "this night")
    if found := _WEEKEND.fullmatch(words):
        return _span(_weekend(is_over=found[1] is not None))
    if found := _PART_OF_A_DAY.fullmatch(words):
        return _span(local_hours(_day(found["day"]), _PARTS_OF_A_DAY[found["part"]]))
    begin, what = _parse(_LAST_MIDNIGHT.sub("00:00", text), after)
    if _LAST_MIDNIGHT.search(text):
        begin += timedelta(days=1)
    first = last = begin.date()
    if what == "time":
        return Meant(begin.astimezone(UTC))
    if what == "week":
        first -= timedelta(days=first.weekday())
        last = first + timedelta(days=6)
    elif what == "month":
        last = (first.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
    elif what == "year":
        last = date(first.year, 12, 31)
    return _span(local_days(first, last))


def _weekend(*, is_over: bool) -> Span:
    """The last one that is over, or that has begun."""
    today = _today()
    since_saturday = (today.weekday() - 5) % 7
    saturday = today - timedelta(since_saturday + (7 if is_over and since_saturday < 2 else 0))
    return local_days(saturday, saturday + timedelta(days=1))


def _day(words: str | None) -> date:
    """The day of which a part is named. Raises ValueError where it is none."""
    if words in (None, "this", "today"):
        return _today()
    if words == "last":
        return _today() - timedelta(days=1)
    begin, what = _parse(words or "", None)
    if what != "day":
        raise ValueError(words)
    return begin.date()


def _parse(text: str, after: datetime | None) -> tuple[datetime, str]:
    """What is named, naive where without a zone, and whether it is a time, a day, ..."""
    iso = re.sub(r"\s*(?:UTC|GMT)$", "+00:00", text) if _ISO.match(text) else text
    try:
        found = datetime.fromisoformat(iso)
        week = _ISO_WEEK.fullmatch(text)
        return found, "week" if week else "day" if len(text) <= _ISO_DAY_CHARACTERS else "time"
    except ValueError:
        # A number alone may be anything; and of a wrong 2024-13-01 dateparser makes a January.
        if (text.isdecimal() and len(text) != len("2024")) or _ISO.match(text):
            raise
    _refuse_two_readings(text)
    from dateparser.date import DateDataParser  # takes as long to import as all the rest

    base = {} if after is None else {"RELATIVE_BASE": after.astimezone().replace(tzinfo=None)}
    parser = DateDataParser(
        languages=_languages(),
        settings={
            "PREFER_DATES_FROM": "past" if after is None else "future",
            "RETURN_TIME_AS_PERIOD": True,
            "STRICT_PARSING": False,
            "DATE_ORDER": "DMY",
            "PREFER_LOCALE_DATE_ORDER": False,
            **base,
        },
    )
    read = parser.get_date_data(text)
    found, what = read.date_obj, read.period
    # Of 31 feb it makes the February of 1931.
    if found is None or found.year < _EARLIEST:
        raise ValueError(text)
    if what in ("day", "week", "month", "year"):
        found = datetime.combine(found.date(), time(0), tzinfo=found.tzinfo)
    if what in ("month", "year"):
        found = found.replace(day=1)
    if what == "year":
        found = found.replace(month=1)
    return found, what


def _languages() -> list[str]:
    """English, and the user's own. Of all that dateparser knows, one reads a date in anything:
    `ago` is an August."""
    from dateparser.data.languages_info import language_order

    locales = (os.environ.get(name, "") for name in ("LC_ALL", "LC_TIME", "LANG"))
    own = next(filter(None, locales), "").partition("_")[0]
    return ["en", own] if own != "en" and own in language_order else ["en"]


def _refuse_two_readings(text: str) -> None:
    """1.5.2024 is the first of May everywhere, 1/5/2024 is not. Raises TwoDays."""
    found = _IN_NUMBERS.fullmatch(text)
    if found is None or found[2] == ".":
        return
    one, other = int(found[1]), int(found[3])
    if one != other and max(one, other) <= 12:
        raise TwoDays(text)


def _span(span: Span) -> Meant:
    return Meant(span.since, span.until)


def _today() -> date:
    return datetime.now().astimezone().date()
