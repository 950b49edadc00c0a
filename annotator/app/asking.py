"""Questions, answered from the database without changing it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from annotator.app.opening import notice_book, questions
from annotator.domain import (
    By,
    CaptureQuery,
    Count,
    EventSummary,
    Failure,
    PersonSummary,
    Sighting,
    Totals,
)
from annotator.errors import QueryError
from annotator.names import stranger_number

if TYPE_CHECKING:
    from annotator.config import Config
    from annotator.health import Health
    from annotator.notices import Undelivered
    from annotator.places import Places
    from db.lock import LockHolder
    from db.plain import Answer


def query(places: Places, question: CaptureQuery) -> Iterator[Sighting]:
    """In the order that is asked for. Raises QueryError, DatabaseError."""
    with questions(places) as queries:
        yield from map(_rooted(places), queries.sightings(question))


def count(places: Places, question: CaptureQuery) -> int:
    with questions(places) as queries:
        return queries.count(question)


def follow(places: Places, question: CaptureQuery, wait: Callable[[], bool]) -> Iterator[Sighting]:
    """What is recorded from now on, as it is recorded, until `wait` says that it is enough."""
    with questions(places) as queries:
        mark = queries.newest_mark()
        queries.sightings_since(question, mark)  # a wrong question is refused at once
        while not wait():
            before = -1
            while before != mark:
                before = mark
                found, mark = queries.sightings_since(question, mark)
                yield from map(_rooted(places), found)


def events(places: Places, question: CaptureQuery) -> Iterator[EventSummary]:
    with questions(places) as queries:
        yield from _with_roots(places, queries.events(question))


def empty_events(places: Places, question: CaptureQuery) -> Iterator[EventSummary]:
    with questions(places) as queries:
        yield from _with_roots(places, queries.empty_events(question))


def _with_roots(places: Places, found: Iterable[EventSummary]) -> Iterator[EventSummary]:
    rooted = _rooted(places)
    for one in found:
        yield replace(one, best=rooted(one.best)) if one.best else one


def event_numbers(
    places: Places, found: Iterable[EventSummary]
) -> Iterator[tuple[EventSummary, str | None]]:
    """With each event the recorder's number for it; None where its name or the store tell none."""
    from annotator.nvr.numbers import EventNumbers

    numbers = EventNumbers(places.store_root)
    for one in found:
        yield one, numbers.of(one.event)


def people(places: Places, question: CaptureQuery) -> tuple[PersonSummary, ...]:
    rooted = _rooted(places)
    with questions(places) as queries:
        return tuple(
            replace(one, first=rooted(one.first), last=rooted(one.last))
            for one in queries.people(question)
        )


def stats(places: Places, question: CaptureQuery, by: Sequence[By]) -> tuple[Count, ...]:
    with questions(places) as queries:
        return queries.stats(question, by)


def last(places: Places, word: str, question: CaptureQuery) -> Sighting | None:
    """The newest sighting of a person, a stranger or a label."""
    stranger = stranger_number(word)
    if stranger is not None:
        meant = [replace(question, strangers=(stranger,))]
    else:
        meant = [replace(question, names=(word,)), replace(question, labels=(word,))]
    with questions(places) as queries:
        unknown = list[QueryError]()
        for one in meant:
            try:
                found = queries.sightings(replace(one, limit=1))
            except QueryError as error:
                unknown.append(error)
                continue
            return next(map(_rooted(places), found), None)
    raise min(unknown, key=lambda error: "did you mean" not in str(error))


@contextmanager
def sql(places: Places, statement: str, timeout_s: float) -> Iterator[Answer]:
    """See `db.plain.answered`."""
    from db.plain import answered

    with answered(places.database_path, statement, timeout_s) as answer:
        yield answer


def _rooted(places: Places) -> Callable[[Sighting], Sighting]:
    """Paths are told from the root of the file system where the store is known."""
    root = places.store_root
    if root is None:
        return lambda one: one
    return lambda one: replace(one, path=str(root / one.path))


def failures(config: Config, limit: int) -> Iterator[Failure]:
    """What could not be looked at, newest first."""
    with questions(config) as queries:
        yield from queries.failures(limit)


@dataclass(frozen=True, slots=True)
class Status:
    """How things stand."""

    database: Path
    store: Path | None
    running: LockHolder | None
    health: Health | None
    totals: Totals
    failures: tuple[Failure, ...]
    undelivered: tuple[Undelivered, ...]


def status(config: Config, failures: int) -> Status:
    from annotator.health import read_health
    from db.lock import holder

    with questions(config) as queries, notice_book(config) as book:
        return Status(
            database=config.database_path,
            store=config.store.root,
            running=holder(config.database_path),
            health=read_health(config.database_path),
            totals=queries.totals(),
            failures=tuple(queries.failures(failures)),
            undelivered=book.undelivered(),
        )
