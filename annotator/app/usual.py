"""A day or a week beside the four weeks before it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

from annotator.calendar import Span, local_days
from annotator.domain import UNKNOWN_NAME, By, CaptureQuery, Count
from annotator.unusual import MIN_PERIODS, Usual, newcomers, odd_hours, remarks
from annotator.view.words import long_day, short_day

if TYPE_CHECKING:
    from annotator.ports import SightingQueries

DAYS_BEFORE = 28


@dataclass(frozen=True, slots=True)
class Period:
    """A day, or several."""

    first: date
    days: int

    @property
    def last(self) -> date:
        return self.first + timedelta(self.days - 1)

    @property
    def span(self) -> Span:
        return local_days(self.first, self.last)

    @property
    def title(self) -> str:
        first, last = self.span.since, local_days(self.last, self.last).since
        return long_day(first) if self.days == 1 else f"{short_day(first)} to {short_day(last)}"


@dataclass(frozen=True, slots=True)
class Findings:
    """What was unusual, and what it was compared with: "28 days before", "" for nothing."""

    remarks: tuple[str, ...]
    compared: str


def findings(queries: SightingQueries, question: CaptureQuery, period: Period) -> Findings:
    """Sentences on how a period was unlike those before, as far back as anything was seen."""
    first = period.first - timedelta(DAYS_BEFORE)
    asked = replace(question, since=local_days(first, first).since, until=period.span.until)
    per_day = queries.stats(asked, (By.DAY,))
    seen_on = sorted(date.fromisoformat(one.keys[0]) for one in per_day)
    before = [
        Period(start, period.days)
        for start in _starts(period, first)
        if seen_on and start >= seen_on[0]
    ]
    if len(before) < MIN_PERIODS:
        return Findings((), "")
    unit = "days" if period.days == 1 else "weeks"

    def usual(counts: Sequence[Count], words: Callable[[str], str]) -> Iterator[Usual]:
        now = _by_key(counts, period)
        pasts = [_by_key(counts, one) for one in before]
        for key in sorted({key for one in (now, *pasts) for key in one}):
            yield Usual(words(key), now.get(key, 0), tuple(past.get(key, 0) for past in pasts))

    names = queries.stats(asked, (By.DAY, By.NAME))
    found = [
        *remarks(
            [
                *usual([replace(one, keys=(one.keys[0], "")) for one in per_day], _events),
                *usual(queries.stats(asked, (By.DAY, By.LABEL)), "events with a {}".format),
                *usual(queries.stats(asked, (By.DAY, By.MONITOR)), "events at {}".format),
                *usual(_only_unknown(names), lambda _: "events with unknown people"),
            ],
            unit,
        ),
        *newcomers(
            _by_key(_only_known(names), period),
            [_by_key(_only_known(names), one) for one in before],
            unit,
        ),
    ]
    if period.days == 1:
        hours = queries.stats(asked, (By.DAY, By.HOUR))
        found += odd_hours(_by_hour(hours, period), [_by_hour(hours, one) for one in before])
    return Findings(tuple(found), f"{len(before)} {unit} before")


def _starts(period: Period, first: date) -> Iterator[date]:
    """When the periods before began, oldest first."""
    number = (period.first - first).days // period.days
    for back in range(number, 0, -1):
        yield period.first - timedelta(back * period.days)


def _events(_: str) -> str:
    return "events"


def _by_key(counts: Sequence[Count], period: Period) -> Mapping[str, int]:
    """Events of a period by the second key; the first is the day."""
    found: dict[str, int] = {}
    for one in counts:
        if period.first <= date.fromisoformat(one.keys[0]) <= period.last:
            found[one.keys[1]] = found.get(one.keys[1], 0) + one.events
    return found


def _by_hour(counts: Sequence[Count], period: Period) -> Mapping[int, int]:
    return {int(hour): events for hour, events in _by_key(counts, period).items()}


def _only_unknown(counts: Sequence[Count]) -> list[Count]:
    return [one for one in counts if one.keys[1] == UNKNOWN_NAME]


def _only_known(counts: Sequence[Count]) -> list[Count]:
    return [one for one in counts if one.keys[1] != UNKNOWN_NAME]
