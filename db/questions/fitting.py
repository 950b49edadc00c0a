"""A question in terms of the tables: ids in the place of names, and conditions on rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, exists, func, or_, select, true

from annotator.domain import UNKNOWN_NAME, CaptureQuery, Identity, Order, Stay
from db.keys import STAYS
from db.planning import unindexed
from db.questions.known import check_names, check_strangers, label_ids, monitor_ids
from db.schema import detection, face
from db.values import from_ms, to_ms

STILL_THERE = STAYS.index(Stay.STILL_THERE)


@dataclass(frozen=True, slots=True)
class Fitting:
    """Which detections, or faces, fit a query.

    `oldest_ms` and `newest_ms` are of all detections there are. `called` leaves of the faces that
    fit only those who are said to be this one.
    """

    query: CaptureQuery
    monitor_ids: tuple[int, ...]
    label_ids: tuple[int, ...]
    event_ids: tuple[int, ...]
    oldest_ms: int
    newest_ms: int
    called: str | None = None

    @property
    def by_face(self) -> bool:
        """Whether only faces fit."""
        query = self.query
        return bool(query.names or query.strangers) or query.min_probability is not None

    @property
    def first(self) -> Table:
        """The table that has the order."""
        return face if self.by_face else detection

    @property
    def by_clock(self) -> bool:
        """Whether its times are parts of days."""
        return self.query.hours is not None or bool(self.query.weekdays)

    @property
    def is_plain(self) -> bool:
        """Whether nothing is asked that the counts do not know."""
        query = self.query
        limits = (query.min_score, query.min_probability, query.min_box_px, query.max_box_px)
        return not (
            any(limit is not None for limit in limits)
            or query.strangers
            or query.no_face
            or query.events
        )

    def times(self) -> Iterator[tuple[int, int]]:
        """In milliseconds, newest first, apart from each other."""
        from db.questions.clock import asked_times

        return asked_times(self.query, self.oldest_ms, self.newest_ms)

    def choices(self) -> list[ColumnElement[bool]]:
        """The values of its most telling filter; of each an index has the rows in order of time."""
        return list(self._choices(lambda column: column))

    def any_choice(self) -> ColumnElement[bool]:
        """Whether it is one of them, for rows that were found in another way."""
        return or_(*self._choices(unindexed))

    def _choices(
        self, of: Callable[[ColumnElement[Any]], ColumnElement[Any]]
    ) -> Iterator[ColumnElement[bool]]:
        if self.query.events:
            yield of(self.first.c.event_id).in_(self.event_ids)
        elif self.by_face:
            yield from self._faces(of)
        elif self.label_ids:
            yield from (of(detection.c.label_id) == key for key in self.label_ids)
        elif self.monitor_ids:
            yield from (of(detection.c.monitor_id) == key for key in self.monitor_ids)
        else:
            yield true()

    def others(self) -> Iterator[ColumnElement[bool]]:
        """All its other filters but the time, so that SQLite goes by no index of theirs."""
        query = self.query
        if query.events and self.by_face:
            yield or_(*self._faces(unindexed))
        if self.called is not None:
            yield self._is_called(self.called, unindexed)
        if self.label_ids and (query.events or self.by_face):
            yield unindexed(detection.c.label_id).in_(self.label_ids)
        if self.monitor_ids and (query.events or self.by_face or self.label_ids):
            yield unindexed(detection.c.monitor_id).in_(self.monitor_ids)
        if query.no_face:
            yield ~exists().where(face.c.detection_id == detection.c.id).correlate(detection)
        if not query.stationary:
            yield detection.c.stay.is_distinct_from(STILL_THERE)
        if query.min_score is not None:
            yield detection.c.score >= query.min_score
        if query.min_probability is not None:
            yield face.c.probability >= query.min_probability
        shorter_px = func.min(
            detection.c.xmax - detection.c.xmin, detection.c.ymax - detection.c.ymin
        )
        if query.min_box_px is not None:
            yield shorter_px >= query.min_box_px
        if query.max_box_px is not None:
            yield shorter_px <= query.max_box_px

    def _faces(
        self, of: Callable[[ColumnElement[Any]], ColumnElement[Any]]
    ) -> Iterator[ColumnElement[bool]]:
        query = self.query
        for name in dict.fromkeys(query.names):
            yield self._is_called(name, of)
        for number in dict.fromkeys(query.strangers):
            yield of(face.c.stranger) == number
        if not query.names and not query.strangers:  # whoever has a probability
            for identity in Identity:
                yield of(face.c.verdict) == str(identity)

    @staticmethod
    def _is_called(
        name: str, of: Callable[[ColumnElement[Any]], ColumnElement[Any]]
    ) -> ColumnElement[bool]:
        if name == UNKNOWN_NAME:
            return of(face.c.verdict) == str(Identity.UNKNOWN)
        return of(face.c.name) == name

    def time(self) -> ColumnElement[Any]:
        """The column to go by; not by its index where the event tells more."""
        column = self.first.c.captured_at
        return unindexed(column) if self.query.events else column

    def since_until(self) -> Iterator[ColumnElement[bool]]:
        if self.query.since is not None:
            yield self.time() >= to_ms(self.query.since)
        if self.query.until is not None:
            yield self.time() < to_ms(self.query.until)

    def is_in_time(self, moment_ms: int) -> bool:
        """As far as parts of days go."""
        if not self.by_clock:
            return True
        from annotator.calendar import spans

        moment, query = from_ms(moment_ms), self.query
        span = spans(query.hours, query.weekdays, moment, moment + timedelta(milliseconds=1))
        return next(span, None) is not None

    @property
    def newest_first(self) -> bool:
        return self.query.order is not Order.OLDEST


def fit(connection: Connection, query: CaptureQuery) -> Fitting:
    """Raises QueryError for a monitor, label, name, stranger or event that there is not."""
    monitors = monitor_ids(connection, query.monitors)
    labels = label_ids(connection, query.labels)
    check_names(connection, query.names)
    check_strangers(connection, query.strangers)
    events: tuple[int, ...] = ()
    if query.events:
        from db.questions.known_events import event_ids

        events = event_ids(connection, query.events)
    oldest_ms, newest_ms = connection.execute(_RANGE).one()
    return Fitting(query, monitors, labels, events, oldest_ms or 0, newest_ms or 0)


_RANGE = select(
    select(func.min(detection.c.captured_at)).scalar_subquery(),
    select(func.max(detection.c.captured_at)).scalar_subquery(),
)
