"""Questions, answered from the database without changing it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from annotator.app.opening import notice_book, questions, store_identity
from annotator.domain import (
    By,
    CaptureQuery,
    Count,
    Event,
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

NUMBERS_AT_ONCE = 100


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
    if places.store_root is None:
        yield from found
        return
    rooted = _rooted(places)
    for one in found:
        yield replace(one, best=rooted(one.best)) if one.best else one


def event_numbers(config: Config, events: Iterable[Event]) -> Iterator[str | None]:
    """Of each event the recorder's number for it; None where its name or the store tell none.

    The store is asked only where names tell none, by a child. Raises StoreUnavailable, also for
    another store than the captures are from.
    """
    from annotator.app.clerk import open_clerk
    from annotator.nvr.numbers import is_told_by_the_store, number_in_name

    rest, clerk, identity = iter(events), None, None
    with ExitStack() as stack:
        while some := tuple(islice(rest, NUMBERS_AT_ONCE)):
            deep = [event for event in some if is_told_by_the_store(event)]
            if deep and clerk is None and config.store.root is not None:
                clerk, identity = stack.enter_context(open_clerk(config)), store_identity(config)
            numbers = clerk.numbers(deep, identity) if deep and clerk else ()
            told = dict(zip(deep, numbers, strict=False))
            yield from (told.get(event) or number_in_name(event) for event in some)


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
    unknown.sort(key=lambda error: "did you mean" in str(error))  # a question comes last
    raise QueryError("; ".join(map(str, unknown)), "; ".join(error.next_step for error in unknown))


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
    # For millions of rows: joining paths takes several times as long.
    begin = f"{str(root).rstrip('/')}/"
    return lambda one: replace(one, path=begin + one.path)


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
