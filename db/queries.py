"""Read-only questions, answered newest first from an index without sorting."""

from __future__ import annotations

import difflib
import heapq
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Row, Select, Table, and_, bindparam, func, or_, select, true

from annotator.domain import (
    UNKNOWN_NAME,
    BoundingBox,
    Capture,
    CaptureQuery,
    Event,
    EventPerson,
    FaceQuestion,
    Failure,
    Identity,
    Reason,
    Sighting,
    Stay,
    StoredFace,
    Totals,
    Window,
)
from annotator.errors import QueryError
from db.engine import Database
from db.keys import (
    CAPTURE_COLUMNS,
    ORIGINS,
    SKIP_REASONS,
    STAYS,
    capture_from,
    event_from,
    failure_from,
    find_event,
)
from db.schema import (
    backlog,
    capture,
    detection,
    event,
    face,
    failure,
    label,
    monitor,
    provenance,
    tally,
)
from db.stored_faces import ask_for_faces, ask_for_people
from db.values import from_ms, printable, to_ms
from db.windows import in_window

_ROWS_AT_ONCE = 200
_NAMES_IN_A_MESSAGE = 20
_NEWEST = "newest captured_at"

# A column per origin, a row per monitor: each is one look into the index.
_OLDEST_WAITING = select(
    *(
        select(func.min(backlog.c.added_at))
        .where(backlog.c.monitor_id == monitor.c.id, backlog.c.origin == place)
        .scalar_subquery()
        for place in range(len(ORIGINS))
    )
).select_from(monitor)


class SqlQueries:
    """The port `SightingQueries`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def sightings(self, query: CaptureQuery) -> Iterable[Sighting]:
        """Raises QueryError at once for a monitor, label or name that the database never met."""
        with self._database.reading() as connection:
            statements = _statements(connection, query)
        return self._stream(statements, query.limit)

    def _stream(self, statements: Sequence[Select[Any]], limit: int | None) -> Iterator[Sighting]:
        with self._database.reading() as connection:
            results = [
                connection.execution_options(yield_per=_ROWS_AT_ONCE).execute(statement)
                for statement in statements
            ]
            newest_first = heapq.merge(*results, key=_order, reverse=True)
            yield from map(_sighting, islice(newest_first, limit))

    def seen_in(self, one: Capture) -> tuple[Sighting, ...] | None:
        with self._database.reading() as connection:
            key = find_event(connection, one.event)
            if key is None:
                return None
            name = key.stored_name(one)
            is_it = (capture.c.event_id == key.id, capture.c.frame == one.frame)
            if connection.scalar(select(true()).where(*is_it, capture.c.file_name == name)) is None:
                return None
            seen_in_it = (
                detection.c.event_id == key.id,
                detection.c.frame == one.frame,
                detection.c.file_name == name,
            )
            rows = connection.execute(_rows(by_face=False).where(*seen_in_it)).all()
        return tuple(map(_sighting, rows))

    def sample(self, window: Window, count: int) -> tuple[Capture, ...]:
        """Counts the captures by event, but reads none but those it takes."""
        fitting = (
            select(event.c.id, func.count())
            .select_from(capture.join(event).join(monitor))
            .where(in_window(capture, window))
            .group_by(event.c.id)
            .order_by(event.c.started_at, event.c.id)
        )
        one = _places(window).subquery()
        chosen = select(one).where(one.c.place.in_(bindparam("places", expanding=True)))
        with self._database.reading() as connection:
            sizes = connection.execute(fitting).all()
            found = [
                capture_from(row)
                for event_id, places in _spread([tuple(row) for row in sizes], count)
                for row in connection.execute(chosen, {"of_event": event_id, "places": places})
            ]
        return tuple(found)

    def stored_faces(self, question: FaceQuestion) -> Iterator[StoredFace]:
        """Raises QueryError at once for a monitor or name that the database never met."""
        with self._database.reading() as connection:
            monitor_ids = _ids(connection, monitor, question.monitors)
            for name in question.names:
                _check_name(connection, name)
        return self._stream_faces(question, monitor_ids)

    def _stream_faces(
        self, question: FaceQuestion, monitor_ids: Sequence[int]
    ) -> Iterator[StoredFace]:
        with self._database.reading() as connection:
            yield from ask_for_faces(connection, question, monitor_ids)

    def event_people(self, window: Window) -> Iterator[EventPerson]:
        with self._database.reading() as connection:
            yield from ask_for_people(connection, window)

    def names(self) -> tuple[str, ...]:
        """Everybody whom a face of the database is said to be."""
        with self._database.reading() as connection:
            return tuple(connection.scalars(_NAMES))

    def embedders(self) -> tuple[str, ...]:
        """What faces were embedded with, as far back as the database knows."""
        with self._database.reading() as connection:
            made_with = connection.scalars(select(provenance.c.embedder).distinct())
            return tuple(sorted(filter(None, made_with)))

    def events_called(self, path: str) -> tuple[Event, ...]:
        """The events with this path, below their monitor's directory or below the root."""
        with self._database.reading() as connection:
            rows = connection.execute(_EVENTS_CALLED, {"called": printable(path)}).all()
        return tuple(map(event_from, rows))

    def totals(self) -> Totals:
        with self._database.reading() as connection:
            rows = connection.execute(select(tally)).all()
            monitors = connection.execute(select(monitor.c.id, monitor.c.name)).all()
            oldest_ms = connection.execute(_OLDEST_WAITING).all()
        value = {(row.subject, row.part): row.value for row in rows}
        failures = {
            reason: count for reason in Reason if (count := value.get(("failure", reason), 0))
        }
        newest = {row.part: from_ms(row.value) for row in rows if row.subject == _NEWEST}
        by_monitor: dict[str, datetime] = {}
        for key, name in monitors:  # several may share a name
            if (captured_at := newest.get(str(key))) is not None:
                by_monitor[name] = max(captured_at, by_monitor.get(name, captured_at))
        return Totals(
            annotated=value.get(("capture", ""), 0),
            failed=sum(failures.values()),
            detections=value.get(("detection", ""), 0),
            faces=value.get(("face", ""), 0),
            waiting={
                origin: count
                for place, origin in enumerate(ORIGINS)
                if (count := value.get(("backlog", str(place)), 0))
            },
            oldest_waiting={
                origin: from_ms(min(known))
                for origin, column in zip(ORIGINS, zip(*oldest_ms, strict=True), strict=False)
                if (known := [added_ms for added_ms in column if added_ms is not None])
            },
            skipped={
                reason: count
                for place, reason in enumerate(SKIP_REASONS)
                if (count := value.get(("skipped", str(place)), 0))
            },
            failures=failures,
            newest_captured_at=max(newest.values(), default=None),
            newest_by_monitor=by_monitor,
        )

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


def _statements(connection: Connection, query: CaptureQuery) -> list[Select[Any]]:
    """The question as one statement per value of its most telling filter.

    An index gives the rows of one value newest first; of several it would have to sort them all,
    so the statements are merged instead.
    """
    monitors = _ids(connection, monitor, query.monitors)
    labels = _ids(connection, label, query.labels)
    for name in query.names:
        _check_name(connection, name)

    by_monitor = [detection.c.monitor_id == key for key in monitors]
    by_label = [detection.c.label_id == key for key in labels]
    by_name = [
        face.c.verdict == Identity.UNKNOWN if name == UNKNOWN_NAME else face.c.name == name
        for name in dict.fromkeys(query.names)
    ]
    choices = by_name or by_label or by_monitor or [true()]
    common = [or_(*others) for others in (by_label, by_monitor) if others and others is not choices]
    time = (face if by_name else detection).c.captured_at
    if query.since is not None:
        common.append(time >= to_ms(query.since))
    if query.until is not None:
        common.append(time < to_ms(query.until))
    if not query.stationary:
        common.append(detection.c.stay.is_distinct_from(STAYS.index(Stay.STILL_THERE)))
    if query.min_score is not None:
        common.append(detection.c.score >= query.min_score)
    question = _rows(by_face=bool(by_name)).where(*common).limit(query.limit)
    return [question.where(choice) for choice in choices]


def _rows(*, by_face: bool) -> Select[Any]:
    """All sightings, newest first; only those with a face where it begins with the faces."""
    first = face if by_face else detection
    return (
        select(
            first.c.captured_at,
            detection.c.id.label("detection_id"),
            detection.c.frame,
            detection.c.file_name,
            detection.c.class_id,
            detection.c.score,
            detection.c.stay,
            *(detection.c[side] for side in _SIDES),
            label.c.name.label("label"),
            face.c.id.label("face_id"),
            face.c.name,
            face.c.probability,
            face.c.verdict,
            face.c.stranger,
            *(face.c[side].label(f"face_{side}") for side in _SIDES),
            *CAPTURE_COLUMNS,
        )
        .select_from(detection)
        .join(label)
        .join(event, event.c.id == detection.c.event_id)
        .join(monitor, monitor.c.id == detection.c.monitor_id)
        .join(face, isouter=not by_face)
        # As `_order` has it, and the indices.
        .order_by(
            first.c.captured_at.desc(),
            *([] if by_face else [detection.c.stay]),
            first.c.id.desc(),
            *([] if by_face else [face.c.id.desc()]),
        )
    )


def _order(row: Row[Any]) -> tuple[int, ...]:
    """Upside down, the order of an answer: newest first, and of one capture first what moves.

    The best detection has the highest id there; see db.store.
    """
    stay = -1 if row.stay is None else row.stay
    return row.captured_at, -stay, row.detection_id, row.face_id or 0


def _spread(sizes: Sequence[tuple[int, int]], count: int) -> Iterator[tuple[int, list[int]]]:
    """Of events with so many captures each, which places to take, to get `count` evenly spread."""
    total = sum(size for _, size in sizes)
    count = min(count, total)
    wanted = ((2 * n + 1) * total // (2 * count) for n in range(count))
    rank, begin = next(wanted, total), 0
    for event_id, size in sizes:
        places = []
        while rank < begin + size:
            places.append(rank - begin)
            rank = next(wanted, total)
        if places:
            yield event_id, places
        begin += size


def _places(window: Window) -> Select[Any]:
    """The captures of one event that are of the window, with their places among them."""
    order = func.row_number().over(order_by=(capture.c.frame, capture.c.file_name))
    return (
        select(capture.c.frame, capture.c.file_name, (order - 1).label("place"), *CAPTURE_COLUMNS)
        .select_from(capture.join(event).join(monitor))
        .where(capture.c.event_id == bindparam("of_event"), in_window(capture, window))
        .order_by(capture.c.frame, capture.c.file_name)
    )


_SIDES = ("xmin", "ymin", "xmax", "ymax")
_NAMES = select(face.c.name).where(face.c.name.is_not(None)).distinct().order_by(face.c.name)
_EVENTS_CALLED: Select[Any] = (
    select(event.c.id, *CAPTURE_COLUMNS)
    .join(monitor)
    .where(
        or_(
            event.c.path == bindparam("called"),
            monitor.c.directory.concat("/").concat(event.c.path) == bindparam("called"),
            and_(event.c.path == "", monitor.c.directory == bindparam("called")),
        )
    )
)


def _ids(connection: Connection, table: Table, names: Sequence[str]) -> list[int]:
    """The ids of monitors or labels; a name may stand for several monitors."""
    if not names:
        return []
    rows = connection.execute(select(table.c.id, table.c.name)).all()
    known = {row.name for row in rows}
    for name in names:
        if name not in known:
            raise _no_such(table.name, name, known)
    return [row.id for row in rows if row.name in names]


def _check_name(connection: Connection, name: str) -> None:
    if name == UNKNOWN_NAME:
        return
    if connection.scalar(select(face.c.id).where(face.c.name == name).limit(1)) is None:
        raise _no_such("name", name, {UNKNOWN_NAME, *connection.scalars(_NAMES)})


def _no_such(what: str, name: str, known: Collection[str]) -> QueryError:
    folded = {one.casefold(): one for one in known}
    near = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.5)
    hint = f"; did you mean {folded[near[0]]}?" if near else ""
    some = sorted(known)[:_NAMES_IN_A_MESSAGE]
    more = ", ..." if len(known) > len(some) else ""
    return QueryError(
        f"no {what} {name!r} in the database{hint}",
        f"there is: {', '.join(some)}{more}" if some else "annotate some captures first",
    )


def _sighting(row: Row[Any]) -> Sighting:
    return Sighting(
        captured_at=from_ms(row.captured_at),
        monitor=row.monitor,
        event=row.event,
        frame=row.frame,
        label=row.label,
        class_id=row.class_id,
        score=row.score,
        box=BoundingBox(row.xmin, row.ymin, row.xmax, row.ymax),
        path=capture_from(row).path,
        face_box=None
        if row.face_id is None
        else BoundingBox(row.face_xmin, row.face_ymin, row.face_xmax, row.face_ymax),
        name=row.name,
        probability=row.probability,
        verdict=row.verdict,
        stay=None if row.stay is None else STAYS[row.stay],
        stranger=row.stranger,
        face_id=row.face_id,
    )
