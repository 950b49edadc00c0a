"""Single sightings, as values."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, FromClause, Row, Select, bindparam, func, or_, select

from annotator.domain import BoundingBox, Order, Sighting
from db.engine import Database
from db.keys import STAYS
from db.questions.fitting import Fitting
from db.questions.walking import DETECTIONS_FIRST, ORDER_COLUMNS, begin_with, times_of, walk
from db.schema import detection, event, face, label, monitor
from db.values import file_name_of, from_ms

MOST_AT_ONCE = 1000
"""Detections that `ask_for_sightings_since` looks through, and the best ones that are read, at
once."""

_SIDES = ("xmin", "ymin", "xmax", "ymax")


@lru_cache(maxsize=4)
def sightings_of(begin: FromClause) -> Select[Any]:
    """All of a sighting, from detections with their faces, in the order of `sighting_from`."""
    return (
        select(
            *ORDER_COLUMNS,
            detection.c.event_id,
            monitor.c.name,
            monitor.c.directory,
            event.c.path,
            event.c.frame_format,
            detection.c.frame,
            detection.c.file_name,
            label.c.name,
            detection.c.class_id,
            detection.c.score,
            *(detection.c[side] for side in _SIDES),
            *(face.c[side] for side in _SIDES),
            face.c.name,
            face.c.probability,
            face.c.verdict,
            face.c.stranger,
        )
        .select_from(begin)
        .join(label, label.c.id == detection.c.label_id)
        .join(event, event.c.id == detection.c.event_id)
        .join(monitor, monitor.c.id == detection.c.monitor_id)
    )


def ask_for_sightings(database: Database, fitting: Fitting) -> Iterator[Sighting]:
    """In the query's order."""
    query = fitting.query
    if query.order is Order.BEST:
        yield from _best_first(database, fitting)
        return
    for row in walk(database, fitting, sightings_of, query.limit):
        yield sighting_from(row)


def _best_first(database: Database, fitting: Fitting) -> Iterator[Sighting]:
    """Sorted as a whole, so the ids first; the rest is read as it is asked for."""
    detection_ids, face_ids = array("q"), array("q")
    spans = times_of(fitting)
    ids = (
        select(detection.c.id, func.coalesce(face.c.id, 0))
        .select_from(begin_with(fitting, spans))
        .where(or_(*fitting.choices()), *fitting.others())
        .order_by(
            detection.c.score.desc(),
            detection.c.captured_at.desc(),
            detection.c.id.desc(),
            face.c.id.desc(),
        )
        .limit(fitting.query.limit)
    )
    if spans is None:
        ids = ids.where(*fitting.since_until())
    with database.reading() as connection:
        streamed = connection.execution_options(yield_per=MOST_AT_ONCE)
        for detection_id, face_id in streamed.execute(ids, {"spans": spans} if spans else {}):
            detection_ids.append(detection_id)
            face_ids.append(face_id)
    wanted = func.json_each(bindparam("ids")).table_valued("value")
    by_id = sightings_of(DETECTIONS_FIRST).where(detection.c.id.in_(select(wanted.c.value)))
    for begin in range(0, len(detection_ids), MOST_AT_ONCE):
        places = list(
            zip(
                detection_ids[begin : begin + MOST_AT_ONCE],
                face_ids[begin : begin + MOST_AT_ONCE],
                strict=True,
            )
        )
        with database.reading() as connection:
            rows = connection.execute(by_id, {"ids": json.dumps([one for one, _ in places])}).all()
        found = {(row.detection_id, row.face_id or 0): row for row in rows}
        yield from (sighting_from(found[place]) for place in places if place in found)


def newest_mark(connection: Connection) -> int:
    return connection.scalar(select(func.max(detection.c.id))) or 0


def sightings_since(
    connection: Connection, fitting: Fitting, mark: int
) -> tuple[tuple[Sighting, ...], int]:
    """Of the detections after `mark` at most `MOST_AT_ONCE`, those that fit, and the last one.

    The newest are gone where the mark is ahead of what there is: ids are given again then.
    """
    newest = newest_mark(connection)
    mark = min(mark, newest)
    following = select(detection.c.id).where(detection.c.id > mark).order_by(detection.c.id)
    next_ids = connection.scalars(following.limit(MOST_AT_ONCE)).all()
    if not next_ids:
        return (), mark
    last = next_ids[-1]
    question = sightings_of(DETECTIONS_FIRST).where(
        detection.c.id > mark,
        detection.c.id <= last,
        fitting.any_choice(),
        *fitting.others(),
        *fitting.since_until(),
    )
    rows = connection.execute(question.order_by(detection.c.id, face.c.id)).all()
    found = [row for row in rows if fitting.is_in_time(row.captured_at)]
    return tuple(map(sighting_from, found)), last


def sighting_from(row: Row[Any]) -> Sighting:
    """From a row of `sightings_of`."""
    # There may be millions, and to ask a row for each of its columns by name takes longer than to
    # read it.
    columns: Sequence[Any] = row
    (
        captured_ms,
        stay,
        _,
        face_id,
        _,
        monitor_name,
        directory,
        event_path,
        frame_format,
        frame,
        file_name,
        label_name,
        class_id,
        score,
        *sides,
        name,
        probability,
        verdict,
        stranger,
    ) = columns
    file_name = file_name or file_name_of(frame_format, frame)
    return Sighting(
        captured_at=from_ms(captured_ms),
        monitor=monitor_name,
        event=event_path,
        frame=frame,
        label=label_name,
        class_id=class_id,
        score=score,
        box=BoundingBox(*sides[:4]),
        path="/".join(filter(None, (directory, event_path, file_name))),
        face_box=None if face_id is None else BoundingBox(*sides[4:]),
        name=name,
        probability=probability,
        verdict=verdict,
        stay=None if stay is None else STAYS[stay],
        stranger=stranger,
        face_id=face_id,
    )
