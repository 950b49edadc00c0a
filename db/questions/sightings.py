# ruff: noqa: S608 - the statements are put together from constants
"""Single sightings, as values."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, FromClause, Row, Select, bindparam, func, or_, select, text

from annotator.domain import BoundingBox, Order, Sighting
from db.engine import Database
from db.keys import STAYS
from db.questions.fitting import Fitting
from db.questions.walking import DETECTIONS_FIRST, begin_with, times_of, walk
from db.schema import detection, event, face, label, monitor
from db.values import file_name_of, from_ms

MOST_AT_ONCE = 1000
"""Detections that `ask_for_sightings_since` looks through, and the best ones that are read, at
once."""

SIGHTING = """
    detection.captured_at, detection.stay, detection.id AS detection_id, face.id AS face_id,
    detection.event_id, monitor.name, monitor.directory, event.path, event.frame_format,
    detection.frame, detection.file_name, label.name, detection.class_id, detection.score,
    detection.xmin, detection.ymin, detection.xmax, detection.ymax,
    face.xmin, face.ymin, face.xmax, face.ymax,
    face.name, face.probability, face.verdict, face.stranger
"""
"""All of a sighting, in the order of `sighting_from`; as text, since SQLAlchemy takes longer to put
so many columns into words than SQLite for most answers."""

OF_DETECTION = """
    CROSS JOIN label ON label.id = detection.label_id
    CROSS JOIN event ON event.id = detection.event_id
    CROSS JOIN monitor ON monitor.id = detection.monitor_id
"""
"""What `SIGHTING` needs besides the detection and its face."""


@lru_cache(maxsize=4)
def sightings_of(begin: FromClause) -> Select[Any]:
    """`SIGHTING`, from detections with their faces."""
    return (
        select(text(SIGHTING))
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
    ids = (
        select(detection.c.id, func.coalesce(face.c.id, 0))
        .select_from(begin_with(fitting))
        .where(or_(*fitting.choices()), *fitting.others())
        .order_by(
            detection.c.score.desc(),
            detection.c.captured_at.desc(),
            detection.c.id.desc(),
            face.c.id.desc(),
        )
        .limit(fitting.query.limit)
    )
    if not fitting.by_clock:
        ids = ids.where(*fitting.since_until())
    with database.reading() as connection:
        streamed = connection.execution_options(yield_per=MOST_AT_ONCE)
        for detection_id, face_id in streamed.execute(ids, times_of(fitting)):
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


def sightings_of_faces(connection: Connection, face_ids: Sequence[int]) -> dict[int, Sighting]:
    """By the face's id."""
    rows = connection.execute(_OF_FACES, {"ids": json.dumps(face_ids)}).all()
    return {row.face_id: sighting_from(row) for row in rows}


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
        xmin,
        ymin,
        xmax,
        ymax,
        *face_sides,
        name,
        probability,
        verdict,
        stranger,
    ) = columns
    file_name = file_name or file_name_of(frame_format, frame)
    return Sighting(  # by place, as the columns
        from_ms(captured_ms),
        monitor_name,
        event_path,
        frame,
        label_name,
        class_id,
        score,
        BoundingBox(xmin, ymin, xmax, ymax),
        "/".join(filter(None, (directory, event_path, file_name))),
        None if face_id is None else BoundingBox(*face_sides),
        name,
        probability,
        verdict,
        None if stay is None else STAYS[stay],
        stranger,
        face_id,
    )


_OF_FACES = text(f"""
    SELECT {SIGHTING}
    FROM json_each(:ids) AS wanted
    CROSS JOIN face ON face.id = wanted.value
    CROSS JOIN detection ON detection.id = face.detection_id
    {OF_DETECTION}
""")
