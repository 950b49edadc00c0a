"""The faces with an embedding, as values, and who the faces of an event say was there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    bindparam,
    exists,
    func,
    or_,
    select,
)

from annotator.domain import (
    UNKNOWN_NAME,
    BoundingBox,
    Capture,
    Event,
    EventPerson,
    FaceEvidence,
    FaceQuestion,
    Identification,
    Identity,
    StoredFace,
    Window,
)
from db.keys import CAPTURE_COLUMNS, event_from
from db.schema import (
    detection,
    embedding,
    event,
    event_people,
    face,
    monitor,
    overruled,
    recogniser,
    tag,
)
from db.values import file_name_of, from_ms, to_ms
from db.windows import event_in_window, event_meets, lies_below

_FACES_AT_ONCE = 1000
_EVENTS_AT_ONCE = 100
_IDS_AT_ONCE = 500
_KEPT_EVENTS = 1000


def ask_for_faces(
    connection: Connection, question: FaceQuestion, monitor_ids: Sequence[int]
) -> Iterator[StoredFace]:
    """By id. `monitor_ids` are those of the question's monitors."""
    fitting = _STORED_FACES.where(*_conditions(question, monitor_ids)).order_by(face.c.id)
    ids = sorted(set(question.ids))
    # SQLite takes a limited number of parameters.
    chunks = [ids[n : n + _IDS_AT_ONCE] for n in range(0, len(ids), _IDS_AT_ONCE)]
    read = _Reader()
    for statement in [fitting.where(face.c.id.in_(some)) for some in chunks] or [fitting]:
        for row in connection.execution_options(yield_per=_FACES_AT_ONCE).execute(statement):
            yield read(row)


def ask_for_people(connection: Connection, window: Window) -> Iterator[EventPerson]:
    """Newest event first, the surest first; what a person said is surest.

    Left out is who was only named where nothing of the track is embedded any more.
    """
    ids = connection.scalars(_events_with_faces(window)).all()
    for n in range(0, len(ids), _EVENTS_AT_ONCE):
        rows = connection.execute(_PEOPLE, {"of_events": ids[n : n + _EVENTS_AT_ONCE]}).all()
        best_ids = [row.best_face_id for row in rows]
        read = _Reader()
        best = {row.id: read(row) for row in connection.execute(_BEST, {"best_ids": best_ids})}
        for row in rows:
            if row.best_face_id in best:
                yield _person(row, best[row.best_face_id])


class _Reader:
    """From rows of `_STORED_FACES` to faces; those of one event share it."""

    def __init__(self) -> None:
        self._events: dict[int, Event] = {}

    def __call__(self, row: Row[Any]) -> StoredFace:
        # There may be hundreds of thousands, and to ask a row for each of its columns by name takes
        # longer than to read it.
        columns: Sequence[Any] = row
        (
            *_,
            frame_format,
            face_id,
            event_id,
            captured_ms,
            verdict,
            name,
            probability,
            distance,
            sharpness,
            xmin,
            ymin,
            xmax,
            ymax,
            track,
            stranger,
            vector,
            mirrored,
            frame,
            file_name,
            recogniser_name,
            said,
        ) = columns
        of_face = self._events.get(event_id)
        if of_face is None:
            if len(self._events) == _KEPT_EVENTS:
                self._events.clear()
            of_face = self._events[event_id] = event_from(row)
        words = said.split("\n") if said else ()
        box = BoundingBox(xmin, ymin, xmax, ymax)
        return StoredFace(
            id=face_id,
            capture=Capture(of_face, file_name or file_name_of(frame_format, frame), frame),
            captured_at=from_ms(captured_ms),
            box=box,
            evidence=FaceEvidence(vector, min(xmax - xmin, ymax - ymin), sharpness, mirrored),
            identification=Identification(_IDENTITY[verdict], name, probability, distance),
            recogniser=recogniser_name,
            stranger=stranger,
            by_hand=bool(words),
            denied=tuple([word[1:] for word in words if word[0] == "-"]),
            track=track,
        )


def _person(row: Row[Any], best: StoredFace) -> EventPerson:
    return EventPerson(
        event=best.capture.event,
        name=row.name,
        share=row.share,
        faces=row.faces,
        first_at=from_ms(row.first_at),
        last_at=from_ms(row.last_at),
        best=best,
    )


def _conditions(
    question: FaceQuestion, monitor_ids: Sequence[int]
) -> Iterator[ColumnElement[bool]]:
    if question.names:
        named = face.c.name.in_(question.names)
        unknown = face.c.verdict == Identity.UNKNOWN
        yield or_(named, unknown) if UNKNOWN_NAME in question.names else named
    if question.strangers:
        yield face.c.stranger.in_(question.strangers)
    if question.monitors:
        yield detection.c.monitor_id.in_(monitor_ids)
    if question.paths:
        # The events first: to put together the path of every face would take seconds.
        nearby = select(event.c.id).join(monitor).where(event_meets(question.paths))
        yield face.c.event_id.in_(nearby)
        yield lies_below(detection, question.paths)
    if question.since is not None:
        yield face.c.captured_at >= to_ms(question.since)
    if question.until is not None:
        yield face.c.captured_at < to_ms(question.until)
    if question.by_hand is not None:
        yield _BY_HAND if question.by_hand else ~_BY_HAND


def _events_with_faces(window: Window) -> Select[Any]:
    has_faces = exists().where(face.c.event_id == event.c.id).correlate(event)
    return (
        select(event.c.id)
        .join(monitor)
        .where(event_in_window(window), has_faces)
        .order_by(event.c.started_at.desc(), event.c.id.desc())
    )


# Built once, since building a statement takes longer than running it.

_SIDES = ("xmin", "ymin", "xmax", "ymax")
_IDENTITY = {str(identity): identity for identity in Identity}
_BY_HAND = exists().where(overruled.c.face_id == face.c.id).correlate(face)
_WORDS = (
    select(func.group_concat(func.iif(tag.c.negated == 1, "-", "+").concat(tag.c.name), "\n"))
    .where(tag.c.face_id == face.c.id)
    .correlate(face)
    .scalar_subquery()
)
_STORED_FACES: Select[Any] = (
    select(
        *CAPTURE_COLUMNS,  # in the order of `_Reader`
        face.c.id,
        face.c.event_id,
        face.c.captured_at,
        face.c.verdict,
        face.c.name,
        face.c.probability,
        face.c.distance,
        face.c.sharpness,
        *(face.c[side] for side in _SIDES),
        face.c.track,
        face.c.stranger,
        embedding.c.vector,
        embedding.c.mirrored,
        detection.c.frame,
        detection.c.file_name,
        recogniser.c.name.label("recogniser"),
        _WORDS.label("words"),
    )
    .select_from(face)
    .join(embedding)
    .join(detection)
    .join(event, event.c.id == face.c.event_id)
    .join(monitor, monitor.c.id == event.c.monitor_id)
    .outerjoin(recogniser)
)
_BEST = _STORED_FACES.where(face.c.id.in_(bindparam("best_ids", expanding=True)))
_PEOPLE = (
    select(event_people)
    .where(event_people.c.event_id.in_(bindparam("of_events", expanding=True)))
    .order_by(
        event_people.c.started_at.desc(),
        event_people.c.event_id.desc(),
        event_people.c.by_hand.desc(),
        event_people.c.share.desc(),
        event_people.c.name,
    )
)
