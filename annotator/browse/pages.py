"""What our own pages show: questions asked of the database, as values for the templates.

Each function is called in a thread of its own and may wait for the database.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice

from annotator.browse.filters import EventFilter
from annotator.browse.needs import Lookup
from annotator.domain import (
    By,
    Capture,
    CaptureQuery,
    Count,
    Event,
    EventSummary,
    Frame,
    PersonSummary,
    Totals,
)
from annotator.ports import SightingQueries

CARDS = 36
FRAMES = 120
RECENT = timedelta(days=14)
PEOPLE_SINCE = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Choices:
    """What can be filtered by."""

    monitors: tuple[str, ...]
    labels: tuple[str, ...]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Overview:
    """What the start page shows beside the events."""

    totals: Totals
    days: tuple[Count, ...]
    people: tuple[PersonSummary, ...]


@dataclass(frozen=True, slots=True)
class EventsPage:
    """Events that fit a filter, newest first; `older` is the next page's address."""

    chosen: EventFilter
    choices: Choices
    events: tuple[EventSummary, ...]
    older: str | None
    overview: Overview | None


@dataclass(frozen=True, slots=True)
class EventPage:
    """One event; `frames` are those to show of all, from the number `first` on."""

    event: Event
    began_at: datetime | None
    ended_at: datetime | None
    captures: int
    with_something: int
    frames: tuple[Frame, ...]
    first: int
    everything: bool

    @property
    def previous(self) -> int:
        """From which number on the page before this one shows them."""
        return max(0, self.first - FRAMES)

    @property
    def of_all(self) -> int:
        return self.captures if self.everything else self.with_something


@dataclass(frozen=True, slots=True)
class LookPage:
    """One capture; `frame` is None where it has not been annotated."""

    capture: Capture
    frame: Frame | None
    number: int
    of_all: int
    before: str | None
    after: str | None


def events_page(
    questions: SightingQueries, lookup: Lookup, chosen: EventFilter, *, is_start: bool
) -> EventsPage:
    """Raises QueryError for a monitor, label or name that the database never met."""
    found = tuple(islice(questions.events(chosen.query(CARDS + 1)), CARDS + 1))
    shown = found[:CARDS]
    return EventsPage(
        chosen,
        Choices(lookup.monitors(), lookup.labels(), lookup.names()),
        shown,
        chosen.older(shown[-1].began_at) if len(found) > CARDS else None,
        _overview(questions) if is_start else None,
    )


def _overview(questions: SightingQueries) -> Overview:
    # Since what is newest: a copy of an old database has its days too.
    totals = questions.totals()
    now = totals.newest_captured_at or datetime.now(UTC)
    days = questions.stats(CaptureQuery(since=now - RECENT), (By.DAY,))
    return Overview(totals, days[::-1], questions.people(CaptureQuery(since=now - PEOPLE_SINCE)))


def people_page(questions: SightingQueries) -> tuple[PersonSummary, ...]:
    return questions.people(CaptureQuery())


def event_page(
    questions: SightingQueries, lookup: Lookup, directory: str, *, first: int, everything: bool
) -> EventPage | None:
    """None where the database knows no such event."""
    event = lookup.event(directory)
    if event is None:
        return None
    frames = questions.frames(event)
    worth = tuple(frame for frame in frames if frame.seen)
    everything = everything or not worth
    shown = frames if everything else worth
    return EventPage(
        event,
        frames[0].captured_at if frames else event.started_at,
        frames[-1].captured_at if frames else None,
        len(frames),
        len(worth),
        shown[first : first + FRAMES],
        first,
        everything,
    )


def look_page(questions: SightingQueries, lookup: Lookup, path: str) -> LookPage | None:
    """None where the database knows no such capture."""
    capture = lookup.capture(path)
    if capture is None:
        return None
    frames = questions.frames(capture.event)
    paths = [frame.capture.path for frame in frames]
    if path not in paths:
        return LookPage(capture, None, 0, len(frames), None, None)
    at = paths.index(path)
    return LookPage(
        capture,
        frames[at],
        at + 1,
        len(frames),
        paths[at - 1] if at else None,
        paths[at + 1] if at + 1 < len(paths) else None,
    )
