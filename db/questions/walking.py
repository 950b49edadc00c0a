"""Reading the rows of a question in its order, a bounded number at a time.

Between two readings no snapshot is held: however slowly an answer is read, the write-ahead log does
not grow with it. What is recorded or deleted meanwhile may or may not be in the rest of it.
"""

from __future__ import annotations

import heapq
import json
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Integer,
    Row,
    Select,
    bindparam,
    func,
    tuple_,
)

from db.engine import Database
from db.planning import CrossJoin, each_of, unindexed
from db.questions.fitting import Fitting
from db.schema import detection, face
from db.values import to_ms

FIRST_ROWS, MOST_ROWS = 200, 2000
"""So many are read at first, and later; many are never needed, as with `| head`."""

FIRST_SPANS, MOST_SPANS = 4, 64
"""The same for parts of days, the rows of which are sorted."""

_FETCHED_AT_ONCE = 200

_BEFORE_ALL, _AFTER_ALL = -(2**63), 2**63 - 1
"""The least and the greatest number that SQLite knows."""

Span = tuple[int, int]
"""From a time until just before another, in milliseconds."""

Place = tuple[int, ...]
"""Where a row stands in the order, as numbers that grow from the oldest to the newest."""

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
    questions, left = _questions(fitting, choose), limit
    for spans in _parts(fitting):
        read: Place | None = None
        size = FIRST_ROWS
        while left is None or left > 0:
            at_once = size if left is None else min(size, left)
            values = {"at_once": at_once, **_values(fitting, spans, read)}
            with database.reading() as connection:
                rows = _read(connection, questions, values, fitting)
            yield from rows
            if left is not None:
                left -= len(rows)
            if len(rows) < at_once:
                break
            read, size = _place(fitting)(rows[-1]), min(MOST_ROWS, 4 * size)
        if left == 0:
            return


def _parts(fitting: Fitting) -> Iterator[Sequence[Span]]:
    """The times that are asked for, some at a time where they are parts of days."""
    if not fitting.by_clock:
        since, until = fitting.query.since, fitting.query.until
        since_ms = _BEFORE_ALL if since is None else to_ms(since)
        yield [(since_ms, _AFTER_ALL if until is None else to_ms(until))]
        return
    times = fitting.times()
    if not fitting.newest_first:
        times = reversed(list(times))
    size = FIRST_SPANS
    while some := list(islice(times, size)):
        yield some
        size = min(MOST_SPANS, 4 * size)


def _questions(fitting: Fitting, choose: Choose) -> list[Select[Any]]:
    """One for each choice, with the parameters of `_values` and `at_once`.

    They are the same for every reading: SQLAlchemy takes longer to put a new statement into words
    than SQLite for most answers.
    """
    columns = _place_columns(fitting)
    read = [bindparam(f"read_{number}", type_=Integer) for number in range(len(columns))]
    # The time alone mostly tells, and to put the whole place together takes SQLite a while.
    after = operator.lt if fitting.newest_first else operator.gt
    is_later = after(columns[0], read[0]) | after(tuple_(*columns), tuple_(*read))
    question = choose(begin_with(fitting)).where(*fitting.others(), is_later)
    if not fitting.by_clock:
        time = fitting.time()
        question = question.where(time >= bindparam("since"), time < bindparam("until"))
    question = question.order_by(*_order_by(fitting)).limit(bindparam("at_once"))
    return [question.where(choice) for choice in fitting.choices()]


def _values(fitting: Fitting, spans: Sequence[Span], read: Place | None) -> dict[str, Any]:
    """What of the spans comes after the row that was read last; None before the first."""
    if read is None:
        read = (_AFTER_ALL if fitting.newest_first else _BEFORE_ALL,) * len(_place_columns(fitting))
    elif fitting.newest_first:
        spans = [(since, min(until, read[0] + 1)) for since, until in spans if since <= read[0]]
    else:
        spans = [(max(since, read[0]), until) for since, until in spans if read[0] < until]
    values: dict[str, Any] = {f"read_{number}": part for number, part in enumerate(read)}
    if fitting.by_clock:
        return {**values, "spans": json.dumps(spans)}
    ((since, until),) = spans
    return {**values, "since": since, "until": until}


def _read(
    connection: Connection,
    questions: Sequence[Select[Any]],
    values: Mapping[str, Any],
    fitting: Fitting,
) -> Sequence[Row[Any]]:
    """The next rows in order: of each choice as many, and of these the first."""
    if len(questions) == 1:
        return connection.execute(questions[0], values).all()
    streamed = connection.execution_options(yield_per=_FETCHED_AT_ONCE)
    results = [streamed.execute(question, values) for question in questions]
    merged = heapq.merge(*results, key=_place(fitting), reverse=fitting.newest_first)
    rows = list(islice(_each_once(merged), values["at_once"]))
    for result in results:
        result.close()
    return rows


def times_of(fitting: Fitting) -> dict[str, str]:
    """All parts of days that are asked for, as the parameter that `begin_with` needs."""
    return {"spans": json.dumps(list(fitting.times()))} if fitting.by_clock else {}


def begin_with(fitting: Fitting) -> FromClause:
    """Detections with their faces, or faces with their detections; where parts of days are asked
    for, looked up for each of them."""
    if not fitting.by_clock:
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


def _order_by(fitting: Fitting) -> Iterator[ColumnElement[Any]]:
    time, *rest = _order(fitting)
    # Within spans the index has no order to give, and must not seem to.
    for column in (unindexed(time) if fitting.by_clock else time, *rest):
        downwards = fitting.newest_first != (column is detection.c.stay)
        yield column.desc() if downwards else column.asc()


def _place_columns(fitting: Fitting) -> list[ColumnElement[Any]]:
    """A `Place`; the times that are asked for tell the index more."""
    if fitting.by_face:
        return [unindexed(face.c.captured_at), face.c.id]
    return [
        unindexed(detection.c.captured_at),
        -func.coalesce(detection.c.stay, -1),
        detection.c.id,
        func.coalesce(face.c.id, 0),
    ]


def _place(fitting: Fitting) -> Callable[[Row[Any]], Place]:
    return _face_place if fitting.by_face else _detection_place


def _face_place(row: Row[Any]) -> Place:
    return row.captured_at, row.face_id


def _detection_place(row: Row[Any]) -> Place:
    """NULL counts as less than any stay."""
    stay = -1 if row.stay is None else row.stay
    return row.captured_at, -stay, row.detection_id, row.face_id or 0


def _each_once(rows: Iterator[Row[Any]]) -> Iterator[Row[Any]]:
    """Without the repetitions of what fits several choices."""
    before = None
    for row in rows:
        its = (row.detection_id, row.face_id)
        if its != before:
            yield row
        before = its
