"""Read-only questions, each in a file of `db.questions`; all that read much do so bit by bit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import select

from annotator.domain import (
    By,
    Capture,
    CaptureQuery,
    Count,
    Event,
    EventPerson,
    EventSummary,
    FaceQuestion,
    Failure,
    Frame,
    PersonSummary,
    Sighting,
    StoredFace,
    Totals,
    Window,
)
from db.engine import Database
from db.keys import CAPTURE_COLUMNS, event_from, failure_from
from db.questions.fitting import Fitting, fit
from db.questions.known import check_names, monitor_ids, people_known
from db.questions.sightings import ask_for_sightings, newest_mark, sightings_since
from db.schema import event, failure, monitor, provenance

if TYPE_CHECKING:
    from annotator.ports import Clock

_ROWS_AT_ONCE = 200


class SqlQueries:
    """The port `SightingQueries`.

    What few questions need is imported by those, so that the others begin at once.
    """

    def __init__(self, database: Database, clock: Clock | None = None) -> None:
        self._database = database
        self._clock = clock

    def _fit(self, query: CaptureQuery) -> Fitting:
        with self._database.reading() as connection:
            return fit(connection, query)

    def sightings(self, query: CaptureQuery) -> Iterable[Sighting]:
        return ask_for_sightings(self._database, self._fit(query))

    def count(self, query: CaptureQuery) -> int:
        from db.questions.counts import count_sightings

        with self._database.reading() as connection:
            return count_sightings(connection, fit(connection, query))

    def newest_mark(self) -> int:
        with self._database.reading() as connection:
            return newest_mark(connection)

    def sightings_since(self, query: CaptureQuery, mark: int) -> tuple[tuple[Sighting, ...], int]:
        with self._database.reading() as connection:
            return sightings_since(connection, fit(connection, query), mark)

    def events(self, query: CaptureQuery) -> Iterable[EventSummary]:
        from db.questions.events import ask_for_events

        return ask_for_events(self._database, self._fit(query))

    def empty_events(self, query: CaptureQuery) -> Iterable[EventSummary]:
        from db.questions.empty_events import ask_for_empty_events

        with self._database.reading() as connection:
            monitors = monitor_ids(connection, query.monitors)
        return ask_for_empty_events(self._database, query, monitors, self._now())

    def _now(self) -> datetime:
        return self._clock.now() if self._clock else datetime.now(UTC)

    def people(self, query: CaptureQuery) -> tuple[PersonSummary, ...]:
        from db.questions.people import ask_for_people

        return ask_for_people(self._database, self._fit(query))

    def stats(self, query: CaptureQuery, by: Sequence[By]) -> tuple[Count, ...]:
        from db.questions.counts import ask_for_stats

        with self._database.reading() as connection:
            return ask_for_stats(connection, fit(connection, query), by)

    def frames(self, event: Event) -> tuple[Frame, ...]:
        from db.questions.captures import frames_of

        with self._database.reading() as connection:
            return tuple(frames_of(connection, event))

    def seen_in(self, one: Capture) -> tuple[Sighting, ...] | None:
        from db.questions.captures import seen_in

        with self._database.reading() as connection:
            return seen_in(connection, one)

    def sample(self, window: Window, count: int) -> tuple[Capture, ...]:
        from db.questions.samples import sample

        with self._database.reading() as connection:
            return sample(connection, window, count)

    def stored_faces(self, question: FaceQuestion) -> Iterator[StoredFace]:
        """Raises QueryError at once for a monitor or name that the database never met."""
        with self._database.reading() as connection:
            monitors = monitor_ids(connection, question.monitors)
            check_names(connection, question.names)
        return self._stream_faces(question, monitors)

    def _stream_faces(
        self, question: FaceQuestion, monitor_ids: Sequence[int]
    ) -> Iterator[StoredFace]:
        from db.stored_faces import ask_for_faces

        with self._database.reading() as connection:
            yield from ask_for_faces(connection, question, monitor_ids)

    def event_people(self, window: Window) -> Iterator[EventPerson]:
        from db.stored_faces import ask_for_people

        with self._database.reading() as connection:
            yield from ask_for_people(connection, window)

    def names(self) -> tuple[str, ...]:
        """Everybody whom a face of the database is said to be."""
        with self._database.reading() as connection:
            return people_known(connection)

    def embedders(self) -> tuple[str, ...]:
        """What faces were embedded with, as far back as the database knows."""
        with self._database.reading() as connection:
            made_with = connection.scalars(select(provenance.c.embedder).distinct())
            return tuple(sorted(filter(None, made_with)))

    def events_called(self, path: str) -> tuple[Event, ...]:
        """The events with this path, below their monitor's directory, or below the root by the
        monitor's directory or its name."""
        from db.questions.known_events import events_called

        with self._database.reading() as connection:
            return tuple(map(event_from, events_called(connection, path)))

    def totals(self) -> Totals:
        from db.questions.totals import totals_of

        with self._database.reading() as connection:
            return totals_of(connection)

    def failures(self, limit: int | None = None) -> Iterable[Failure]:
        statement = (
            select(failure, *CAPTURE_COLUMNS)
            .select_from(failure)
            .outerjoin(event)
            .outerjoin(monitor)
            .order_by(failure.c.failed_at.desc(), failure.c.id.desc())
            .limit(limit)
        )
        with self._database.reading() as connection:
            for row in connection.execution_options(yield_per=_ROWS_AT_ONCE).execute(statement):
                yield failure_from(row)
