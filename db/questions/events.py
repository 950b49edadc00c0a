"""Events as a whole: those in which something fits, and those in which nothing was seen."""

from __future__ import annotations

import json
from array import array
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Row,
    ScalarSelect,
    Select,
    Table,
    bindparam,
    exists,
    func,
    or_,
    select,
    tuple_,
)

from annotator.domain import (
    CaptureQuery,
    EventName,
    EventSummary,
    LabelCount,
    Order,
    Sighting,
)
from db.engine import Database
from db.keys import CAPTURE_COLUMNS, event_from, of_same_capture
from db.questions.clock import asked_times
from db.questions.fitting import STILL_THERE, Fitting
from db.questions.sightings import sighting_from, sightings_of
from db.questions.walking import ORDER_COLUMNS, begin_with, times_of, walk
from db.schema import (
    backlog,
    capture,
    detection,
    event,
    event_people,
    face,
    failure,
    folded,
    label,
    monitor,
)
from db.values import from_ms, to_ms

SETTLED = timedelta(minutes=5)
"""An event with a capture newer than that may still be going on."""

FIRST_EVENTS, MOST_EVENTS = 20, 200
"""So many are read at once, at first and later."""


def ask_for_events(database: Database, fitting: Fitting) -> Iterator[EventSummary]:
    """Each event where its newest (oldest, best) sighting that fits stands in the order."""
    best_first = fitting.query.order is Order.BEST
    ids = iter(_best_first(database, fitting)) if best_first else _by_time(database, fitting)
    ids = islice(ids, fitting.query.limit)
    size = FIRST_EVENTS
    while some := list(islice(ids, size)):
        yield from _summaries(database, some, stationary=fitting.query.stationary)
        size = min(MOST_EVENTS, 3 * size)


def _by_time(database: Database, fitting: Fitting) -> Iterator[int]:
    met = _Ids()
    for row in walk(database, fitting, _event_of, None):
        if met.add(row.event_id):
            yield row.event_id


def _event_of(begin: FromClause) -> Select[Any]:
    return select(*ORDER_COLUMNS, detection.c.event_id).select_from(begin)


def _best_first(database: Database, fitting: Fitting) -> array[int]:
    spans = times_of(fitting)
    ids = (
        select(detection.c.event_id)
        .select_from(begin_with(fitting, spans))
        .where(or_(*fitting.choices()), *fitting.others())
        .group_by(detection.c.event_id)
        .order_by(func.max(detection.c.score).desc(), func.max(detection.c.captured_at).desc())
        .limit(fitting.query.limit)
    )
    if spans is None:
        ids = ids.where(*fitting.since_until())
    with database.reading() as connection:
        return array("q", connection.scalars(ids, {"spans": spans} if spans else {}))


class _Ids:
    """A set of ids at a bit each: there may be millions."""

    def __init__(self) -> None:
        self._bits = bytearray()

    def add(self, number: int) -> bool:
        """Whether it is new."""
        place, bit = number >> 3, 1 << (number & 7)
        if place >= len(self._bits):
            self._bits.extend(bytes(place + 1 - len(self._bits)))
        is_new = not self._bits[place] & bit
        self._bits[place] |= bit
        return is_new


def ask_for_empty_events(
    database: Database, query: CaptureQuery, monitor_ids: Sequence[int], now: datetime
) -> Iterator[EventSummary]:
    """By when they began, which is also what the times of the query are about."""
    taken, size = 0, FIRST_EVENTS
    with database.reading() as connection:
        oldest_ms, newest_ms = connection.execute(_BEGINNINGS).one()
        unlisted = [path for path in connection.scalars(_UNLISTED) if path is not None]
    if oldest_ms is None:
        return
    times = asked_times(query, oldest_ms, newest_ms)
    oldest_first = query.order is Order.OLDEST
    if oldest_first:
        times = reversed(list(times))
    for since_ms, until_ms in times:
        after: Row[Any] | None = None
        while query.limit is None or taken < query.limit:
            question = _EMPTY.where(event.c.began_at >= since_ms, event.c.began_at < until_ms)
            if monitor_ids:
                question = question.where(event.c.monitor_id.in_(monitor_ids))
            if after is not None:
                question = question.where(_beyond(after, oldest_first=oldest_first))
            question = question.order_by(
                *(column if oldest_first else column.desc() for column in _PLACE)
            )
            with database.reading() as connection:
                rows = connection.execute(
                    question.limit(size), {"settled": to_ms(now - SETTLED)}
                ).all()
            found = [row.id for row in rows if not _is_below(event_from(row).directory, unlisted)]
            if query.limit is not None:
                found = found[: query.limit - taken]
            taken += len(found)
            yield from _bare_summaries(database, found)
            if len(rows) < size:
                break
            after, size = rows[-1], min(MOST_EVENTS, 3 * size)


def _beyond(after: Row[Any], *, oldest_first: bool) -> ColumnElement[bool]:
    place, read = tuple_(*_PLACE), tuple_(after.began_at, after.id)
    return place > read if oldest_first else place < read


def _is_below(directory: str, others: Collection[str]) -> bool:
    """Whether a directory could not be listed: it may have captures that nobody has met."""
    return any(f"{directory}/".startswith(f"{one}/".lstrip("/")) for one in others)


def _bare_summaries(database: Database, event_ids: Sequence[int]) -> list[EventSummary]:
    """In the same order, of events in which nothing was seen."""
    with database.reading() as connection:
        return [_summary(row) for row in _rows(connection, event_ids)]


def _summaries(
    database: Database, event_ids: Sequence[int], *, stationary: bool
) -> list[EventSummary]:
    """In the same order."""
    ids = {"ids": json.dumps(event_ids)}
    with database.reading() as connection:
        rows = _rows(connection, event_ids)
        labels = _labels(connection, ids, stationary=stationary)
        people = _people(connection, rows)
        best = _best(connection, ids)
    return [
        replace(
            _summary(row),
            labels=tuple(labels[row.id]),
            people=tuple(people[row.id]),
            best=best.get(row.id),
        )
        for row in rows
    ]


def _rows(connection: Connection, event_ids: Sequence[int]) -> list[Row[Any]]:
    found = {row.id: row for row in connection.execute(_EVENTS, {"ids": json.dumps(event_ids)})}
    return [found[event_id] for event_id in event_ids if event_id in found]


def _summary(row: Row[Any]) -> EventSummary:
    return EventSummary(
        event=event_from(row),
        began_at=from_ms(row.began_at),
        ended_at=from_ms(max(row.began_at, row.captured_until or 0, row.folded_until or 0)),
        captures=row.captures + row.folded,
        unseen=row.failed + row.waiting,
        gone=row.gone_at is not None,
    )


def _labels(
    connection: Connection, ids: dict[str, str], *, stationary: bool
) -> dict[int, list[LabelCount]]:
    found = defaultdict[int, list[LabelCount]](list)
    question = _LABELS if stationary else _LABELS.where(_MOVES)
    for row in connection.execute(question, ids):
        found[row.event_id].append(LabelCount(row.name, row.detections, row.best_score))
    return found


def _people(connection: Connection, events: Sequence[Row[Any]]) -> dict[int, list[EventName]]:
    found = defaultdict[int, list[EventName]](list)
    starts = [row.started_at for row in events if row.started_at is not None]
    # The starts as well: by them the view finds the events that are meant among all others.
    its = {
        "of_events": [row.id for row in events],
        "earliest": min(starts, default=0),
        "latest": max(starts, default=0),
    }
    for row in connection.execute(_PEOPLE, its):
        found[row.event_id].append(EventName(row.name, row.share, row.faces))
    return found


def _best(connection: Connection, ids: dict[str, str]) -> dict[int, Sighting]:
    """The sighting to show of each: a known person's clearest face, else the highest score."""
    return {row.event_id: sighting_from(row) for row in connection.execute(_BEST, ids)}


# Built once, since building a statement takes longer than running it.

_PLACE = (event.c.began_at, event.c.id)
_ID = func.json_each(bindparam("ids")).table_valued("value")
_IDS = select(_ID.c.value)
_MOVES = detection.c.stay.is_distinct_from(STILL_THERE)


def _of_event(table: Table, what: ColumnElement[Any]) -> ScalarSelect[Any]:
    return select(what).where(table.c.event_id == event.c.id).correlate(event).scalar_subquery()


_IS_CAPTURE = exists().where(
    of_same_capture(capture, backlog),
)
_WAITING = (
    select(func.count())
    .select_from(backlog)
    .where(backlog.c.event_id == event.c.id, ~_IS_CAPTURE)
    .correlate(event)
    .scalar_subquery()
)
_EVENTS: Select[Any] = (
    select(
        event.c.id,
        event.c.began_at,
        event.c.gone_at,
        *CAPTURE_COLUMNS,
        _of_event(capture, func.count()).label("captures"),
        _of_event(capture, func.max(capture.c.captured_at)).label("captured_until"),
        _of_event(folded, func.coalesce(func.sum(folded.c.captures), 0)).label("folded"),
        _of_event(folded, func.max(folded.c.last_at)).label("folded_until"),
        _of_event(failure, func.count()).label("failed"),
        _WAITING.label("waiting"),
    )
    .join(monitor)
    .where(event.c.id.in_(_IDS), event.c.began_at.is_not(None))
)
_LABELS = (
    select(
        detection.c.event_id,
        label.c.name,
        func.count().label("detections"),
        func.max(detection.c.score).label("best_score"),
    )
    .join(label, label.c.id == detection.c.label_id)
    .where(detection.c.event_id.in_(_IDS))
    .group_by(detection.c.event_id, detection.c.label_id)
    .order_by(
        detection.c.event_id,
        func.max(detection.c.score).desc(),
        func.count().desc(),
        label.c.name,
    )
)
_PEOPLE = (
    select(
        *(event_people.c[name] for name in ("event_id", "name", "share", "faces")),
    )
    # Not as JSON: into the view goes only what is no query itself.
    .where(
        event_people.c.event_id.in_(bindparam("of_events", expanding=True)),
        event_people.c.started_at.between(bindparam("earliest"), bindparam("latest")),
    )
    .order_by(
        event_people.c.event_id,
        event_people.c.by_hand.desc(),
        event_people.c.share.desc(),
        event_people.c.name,
    )
)
_is_known = face.c.name.is_not(None)
_place = func.row_number().over(
    partition_by=detection.c.event_id,
    order_by=(
        func.iif(_is_known, face.c.weight, -1).desc(),
        _MOVES.desc(),
        detection.c.score.desc(),
        detection.c.captured_at,
        detection.c.id.desc(),
        face.c.id.desc(),
    ),
)
_ranked = (
    select(detection.c.id, face.c.id.label("face_id"), _place.label("place"))
    .select_from(detection.outerjoin(face))
    .where(detection.c.event_id.in_(_IDS))
    .subquery()
)
_BEST = sightings_of(
    _ranked.join(detection, detection.c.id == _ranked.c.id).outerjoin(
        face, face.c.id == _ranked.c.face_id
    )
).where(_ranked.c.place == 1)


def _has(table: Table, *conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(table.c.event_id == event.c.id, *conditions).correlate(event)


_BEGINNINGS = select(
    select(func.min(event.c.began_at)).scalar_subquery(),
    select(func.max(event.c.began_at)).scalar_subquery(),
)
# Any text is >= '', and unlike IS NOT NULL that is looked up in the index.
_UNLISTED = select(failure.c.directory).where(failure.c.directory >= "")
_EMPTY: Select[Any] = (
    select(event.c.id, event.c.began_at, *CAPTURE_COLUMNS)
    .join(monitor)
    .where(
        event.c.gone_at.is_(None),
        ~_has(detection),
        ~_has(failure),
        ~_has(backlog),
        ~_has(folded, folded.c.seen == 1),
        ~_has(capture, capture.c.captured_at > bindparam("settled")),
    )
)
