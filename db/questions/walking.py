"""Reading the rows of a question in its order, a bounded number at a time.

Between two readings no snapshot is held: however slowly an answer is read, the write-ahead log does
not grow with it. What is recorded or deleted meanwhile may or may not be in the rest of it.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, Row, Select, func, tuple_

from db.engine import Database
from db.planning import CrossJoin, each_of, unindexed
from db.questions.fitting import Fitting
from db.schema import detection, face

FIRST_ROWS, MOST_ROWS = 200, 2000
"""So many are read at first, and later; many are never needed, as with `| head`."""

FIRST_SPANS, MOST_SPANS = 4, 64
"""The same for parts of days, the rows of which are sorted."""

_FETCHED_AT_ONCE = 200

Choose = Callable[[FromClause], Select[Any]]
"""What to select, with `ORDER_COLUMNS`, from the detections with their faces."""

ORDER_COLUMNS = (
    detection.c.captured_at,
    detection.c.stay,
    detection.c.id.label("detection_id"),
    face.c.id.label("face_id"),
)


def walk(
    database: Database, fitting: Fitting, choose: Choose, limit: int | None
) -> Iterator[Row[Any]]:
    """The rows of `choose` that fit, by time. Without limit all."""
    left = limit
    for spans in _parts(fitting):
        after: Row[Any] | None = None
        size = FIRST_ROWS
        while left is None or left > 0:
            at_once = size if left is None else min(size, left)
            with database.reading() as connection:
                rows = _read(connection, fitting, choose, spans, after, at_once)
            yield from rows
            if left is not None:
                left -= len(rows)
            if len(rows) < at_once:
                break
            after, size = rows[-1], min(MOST_ROWS, 3 * size)
        if left == 0:
            return


def _parts(fitting: Fitting) -> Iterator[str | None]:
    """The parts of days that are asked for, some at a time, as JSON; None for no such thing."""
    if not fitting.by_clock:
        yield None
        return
    times = fitting.times()
    if not fitting.newest_first:
        times = reversed(list(times))
    size = FIRST_SPANS
    while some := list(islice(times, size)):
        yield json.dumps(some)
        size = min(MOST_SPANS, 4 * size)


def _read(
    connection: Connection,
    fitting: Fitting,
    choose: Choose,
    spans: str | None,
    after: Row[Any] | None,
    at_once: int,
) -> list[Row[Any]]:
    """The next rows in order: of each choice as many, and of these the first."""
    question = (
        choose(begin_with(fitting, spans))
        .where(*fitting.others(), *_later(fitting, spans, after))
        .order_by(*_order_by(fitting, spans))
        .limit(at_once)
    )
    values = {} if spans is None else {"spans": spans}
    results = [
        connection.execution_options(yield_per=_FETCHED_AT_ONCE).execute(
            question.where(choice), values
        )
        for choice in fitting.choices()
    ]
    merged = heapq.merge(*results, key=_key(fitting), reverse=fitting.newest_first)
    rows = list(islice(_each_once(merged), at_once))
    for result in results:
        result.close()
    return rows


def times_of(fitting: Fitting) -> str | None:
    """All parts of days that are asked for, as JSON; None for no such thing."""
    return json.dumps(list(fitting.times())) if fitting.by_clock else None


def begin_with(fitting: Fitting, spans: str | None) -> FromClause:
    """Detections with their faces, or faces with their detections; with spans, looked up for each
    of them."""
    if spans is None:
        return FACES_FIRST if fitting.by_face else DETECTIONS_FIRST
    span = each_of("spans", ("since", "until"))
    in_span = (fitting.time() >= span.c.since) & (fitting.time() < span.c.until)
    begin = CrossJoin(span, fitting.first, in_span)
    return _with_detections(begin) if fitting.by_face else _with_faces(begin)


def _with_detections(faces: FromClause) -> FromClause:
    return CrossJoin(faces, detection, detection.c.id == face.c.detection_id)


def _with_faces(detections: FromClause) -> FromClause:
    return detections.outerjoin(face, face.c.detection_id == detection.c.id)


FACES_FIRST, DETECTIONS_FIRST = _with_detections(face), _with_faces(detection)


def _order(fitting: Fitting) -> list[ColumnElement[Any]]:
    """What a question by time is sorted by, each upwards for the oldest first.

    Of one capture the best detection has the highest id, and so have its faces (see db.store); what
    moves comes before what stands still.
    """
    if fitting.by_face:
        return [face.c.captured_at, face.c.id]
    return [detection.c.captured_at, detection.c.stay, detection.c.id, face.c.id]


def _order_by(fitting: Fitting, spans: str | None) -> Iterator[ColumnElement[Any]]:
    time, *rest = _order(fitting)
    # Within spans the index has no order to give, and must not seem to.
    for column in (time if spans is None else unindexed(time), *rest):
        downwards = fitting.newest_first != (column is detection.c.stay)
        yield column.desc() if downwards else column.asc()


def _key(fitting: Fitting) -> Callable[[Row[Any]], tuple[int, ...]]:
    if fitting.by_face:
        return lambda row: (row.captured_at, row.face_id)
    return _detection_key


def _detection_key(row: Row[Any]) -> tuple[int, ...]:
    """Upwards, the oldest first; NULL counts as less than any stay."""
    stay = -1 if row.stay is None else row.stay
    return row.captured_at, -stay, row.detection_id, row.face_id or 0


def _later(
    fitting: Fitting, spans: str | None, after: Row[Any] | None
) -> Iterator[ColumnElement[bool]]:
    """The time that is asked for, and nothing up to a row that was read."""
    if spans is None:
        yield from fitting.since_until()
    if after is None:
        return
    time = fitting.time()
    yield time <= after.captured_at if fitting.newest_first else time >= after.captured_at
    columns: Sequence[ColumnElement[Any]] = [
        detection.c.captured_at,
        -func.coalesce(detection.c.stay, -1),
        detection.c.id,
        func.coalesce(face.c.id, 0),
    ]
    if fitting.by_face:
        columns = [unindexed(face.c.captured_at), unindexed(face.c.id)]
    read = tuple_(*_key(fitting)(after))
    yield tuple_(*columns) < read if fitting.newest_first else tuple_(*columns) > read


def _each_once(rows: Iterator[Row[Any]]) -> Iterator[Row[Any]]:
    """Without the repetitions of what fits several choices."""
    before = None
    for row in rows:
        its = (row.detection_id, row.face_id)
        if its != before:
            yield row
        before = its
