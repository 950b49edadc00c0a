"""Events that the recorder has deleted: marked as such, and forgotten where that is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    bindparam,
    delete,
    exists,
    func,
    select,
    tuple_,
    update,
)

from annotator.domain import Event
from db.engine import Database
from db.keys import CAPTURE_COLUMNS, event_from
from db.old_detections import DETECTIONS_AT_ONCE, drop_detections
from db.rules import Deadlines, Pruned, Rules, Turn, What
from db.schema import backlog, capture, detection, event, failure, folded, monitor, skipped, tag
from db.values import to_ms

if TYPE_CHECKING:
    from annotator.ports import Clock

EVENTS_AT_ONCE = 500
_ROWS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class KnownEvent:
    """An event of the database, and whether it was found to be gone; `id` is for marking it."""

    id: int
    event: Event
    gone: bool


class SqlEventRoll:
    """All events, to be compared with what the recorder has."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def count(self) -> int:
        with self._database.reading() as connection:
            return connection.execute(select(func.count()).select_from(event)).scalar_one()

    def events(self) -> Iterator[KnownEvent]:
        """By directory, so that those of one day come together; no snapshot is held meanwhile."""
        with self._database.reading() as connection:
            monitors = connection.scalars(select(monitor.c.id).order_by(monitor.c.directory)).all()
        for monitor_id in monitors:
            page, place = _FIRST_PAGE, {"of_monitor": monitor_id}
            while True:
                with self._database.reading() as connection:
                    rows = connection.execute(page, place).all()
                if not rows:
                    break
                page, place = _NEXT_PAGE, place | {"after": rows[-1].event}
                for row in rows:
                    yield KnownEvent(row.id, event_from(row), row.gone_at is not None)

    def mark(self, ids: Sequence[int], *, gone: bool) -> None:
        """Mark events as gone, or as there again."""
        value = to_ms(self._clock.now()) if gone else None
        changed = event.c.gone_at.is_(None) if gone else event.c.gone_at.is_not(None)
        for n in range(0, len(ids), EVENTS_AT_ONCE):
            some = event.c.id.in_(list(ids[n : n + EVENTS_AT_ONCE]))
            with self._database.writing() as connection:
                connection.execute(update(event).where(some, changed).values(gone_at=value))


def count_forgettable(connection: Connection, rules: Rules) -> list[Pruned]:
    deadlines = _deadlines(rules)
    if not deadlines:
        return []
    grouped = (
        select(event.c.monitor_id, func.count())
        .where(*_forgettable(deadlines))
        .group_by(event.c.monitor_id)
        .order_by(event.c.monitor_id)
    )
    return [
        Pruned(What.EVENTS, rules.monitors[monitor_id], count)
        for monitor_id, count in connection.execute(grouped)
    ]


def forget(database: Database, rules: Rules) -> Iterator[Turn]:
    """Forget what went so long ago, piece by piece; where people named somebody it stays."""
    deadlines = _deadlines(rules)
    if not deadlines:
        return
    with database.reading() as connection:
        rows = connection.execute(
            select(event.c.id, event.c.monitor_id)
            .where(*_forgettable(deadlines))
            .order_by(event.c.gone_at)
        ).all()
    for done, row in enumerate(rows, 1):
        its_event = event.c.id == row.id
        # It may have come back meanwhile, or somebody in it may have got a name.
        is_over = select(its_event).where(its_event, *_forgettable(deadlines))
        rest = True
        while rest:
            with database.writing() as connection:
                rest = bool(connection.scalar(is_over)) and _forget_some(connection, row.id)
            pruned = () if rest else (Pruned(What.EVENTS, rules.monitors[row.monitor_id], 1),)
            yield Turn(What.EVENTS, done, len(rows), pruned)


def _forget_some(connection: Connection, event_id: int) -> bool:
    """A few hundred rows of an event; at last its own, and then False."""
    ids = connection.scalars(_ITS_DETECTIONS, {"of_event": event_id}).all()
    if ids:
        drop_detections(connection, ids, detection.c.event_id == event_id)
        return True
    for table in (capture, skipped, failure, folded):
        key = [column for name, column in table.c.items() if name in _KEY]
        some = select(*key).where(table.c.event_id == event_id).limit(_ROWS_AT_ONCE)
        if connection.execute(delete(table).where(tuple_(*key).in_(some))).rowcount:
            return True
    connection.execute(delete(event).where(event.c.id == event_id))
    return False


def _deadlines(rules: Rules) -> Deadlines:
    return rules.deadlines(lambda one: one.gone_days)


def _forgettable(deadlines: Deadlines) -> tuple[ColumnElement[bool], ...]:
    return (
        event.c.gone_at < deadlines.last_ms,
        event.c.gone_at < deadlines.of(event.c.monitor_id),
        ~exists().where(tag.c.event_id == event.c.id).correlate(event),
        ~exists().where(backlog.c.event_id == event.c.id).correlate(event),
        # See `old_detections.MAY_GO`.
        event.c.id != func.coalesce(_LAST_EVENT, -1),
    )


_KEY = ("event_id", "frame", "first_frame", "file_name")
_others = detection.alias("others")
_LAST_EVENT = (
    select(detection.c.event_id)
    .where(detection.c.id == select(func.max(_others.c.id)).scalar_subquery())
    .scalar_subquery()
)
_ITS_DETECTIONS = (
    select(detection.c.id)
    .where(detection.c.event_id == bindparam("of_event"))
    .limit(DETECTIONS_AT_ONCE)
)
_FIRST_PAGE: Select[Any] = (
    select(event.c.id, event.c.gone_at, *CAPTURE_COLUMNS)
    .join(monitor)
    .where(event.c.monitor_id == bindparam("of_monitor"))
    .order_by(event.c.path)
    .limit(EVENTS_AT_ONCE)
)
_NEXT_PAGE = _FIRST_PAGE.where(event.c.path > bindparam("after"))
