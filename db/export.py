"""All that is known of captures, as records that another database can take in.

Events come by their directories, each from a snapshot of its own: whoever writes meanwhile is not
kept from tidying up, however long it takes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import BindParameter, Connection, Row, Select, bindparam, select, tuple_

from annotator.domain import BoundingBox, FileStamp, Reason, Window
from annotator.transfer import (
    VERSION,
    CaptureRecord,
    DetectionRecord,
    EventRecord,
    FaceRecord,
    FailureRecord,
    Header,
    ProvenanceRecord,
    Record,
    RunRecord,
    Said,
    SkippedRecord,
    Word,
    WordRecord,
)
from db.engine import Database
from db.face_book import last_stranger
from db.keys import CAPTURE_COLUMNS, SKIP_REASONS
from db.schema import (
    capture,
    detection,
    embedding,
    event,
    face,
    failure,
    folded,
    label,
    monitor,
    overruled,
    provenance,
    recogniser,
    skipped,
    tag,
)
from db.values import from_ms, from_us
from db.windows import event_in_window

EVENTS_AT_ONCE = 200
CAPTURES_AT_ONCE = 200


class SqlExport:
    """The records of the events of a window; to be read once."""

    def __init__(self, database: Database, window: Window) -> None:
        self._database = database
        self._window = window
        self._numbers: dict[int, int] = {}

    def count(self) -> int:
        """How many events there are, also such of which nothing is known."""
        with self._database.reading() as connection:
            return len(connection.execute(self._events().with_only_columns(event.c.id)).all())

    def records(self) -> Iterator[Record]:
        with self._database.reading() as connection:
            yield Header(VERSION, last_stranger(connection))
            order = select(monitor.c.id).order_by(monitor.c.directory)
            monitors = connection.scalars(order).all()
        for monitor_id in monitors:
            page = self._events().where(event.c.monitor_id == monitor_id).limit(EVENTS_AT_ONCE)
            following = page
            while True:
                with self._database.reading() as connection:
                    rows = connection.execute(following).all()
                for row in rows:
                    yield from self._event(row)
                if not rows:
                    break
                following = page.where(event.c.path > rows[-1].event)

    def _events(self) -> Select[Any]:
        return (
            select(
                *(event.c.id, event.c.first_frame, event.c.gone_at, event.c.monitor_id),
                *CAPTURE_COLUMNS,
            )
            .join(monitor)
            .where(event_in_window(self._window))
            .order_by(event.c.path)
        )

    def _event(self, row: Row[Any]) -> Iterator[Record]:
        """An event and what belongs to it; nothing where nothing does."""
        told = False
        with self._database.reading() as connection:
            for record in self._within(connection, row.id):
                if not told:
                    yield _event_record(row)
                    told = True
                yield record

    def _within(self, connection: Connection, event_id: int) -> Iterator[Record]:
        its = {"of_event": event_id}
        for run in connection.execute(_RUNS, its).all():
            yield from self._made_by(connection, run.provenance_id)
            yield _run_record(run, self._numbers[run.provenance_id])
        yield from self._captures(connection, event_id)
        for row in connection.execute(_FAILURES, its):
            yield _failure_record(row)
        for row in connection.execute(_SKIPPED, its):
            yield SkippedRecord(row.frame, SKIP_REASONS[row.reason], row.file_name or None)
        for row in connection.execute(_HOMELESS, its):
            yield WordRecord(row.frame, _box(row), _word(row), row.file_name or None)

    def _captures(self, connection: Connection, event_id: int) -> Iterator[Record]:
        streamed = connection.execution_options(yield_per=CAPTURES_AT_ONCE).execute(
            _CAPTURES, {"of_event": event_id}
        )
        for rows in streamed.partitions():
            for row in rows:
                yield from self._made_by(connection, row.provenance_id)
            first, last = rows[0], rows[-1]
            between = {
                "of_event": event_id,
                "first_frame": first.frame,
                "first_name": first.file_name,
                "last_frame": last.frame,
                "last_name": last.file_name,
            }
            seen = _detections(connection, between)
            for row in rows:
                yield CaptureRecord(
                    row.frame,
                    from_ms(row.captured_at),
                    from_ms(1000 * row.annotated_at),
                    row.width,
                    row.height,
                    self._numbers[row.provenance_id],
                    tuple(seen.get((row.frame, row.file_name), ())),
                    row.file_name or None,
                    row.inherited_from,
                )

    def _made_by(self, connection: Connection, provenance_id: int) -> Iterator[ProvenanceRecord]:
        """What made something, the first time that it is named."""
        if provenance_id not in self._numbers:
            number = self._numbers[provenance_id] = len(self._numbers)
            made_by = connection.execute(_PROVENANCE, {"wanted": provenance_id}).one()
            yield ProvenanceRecord(
                number,
                made_by.detector,
                made_by.delegate,
                bool(made_by.fallback),
                made_by.face_detector or None,
                made_by.embedder or None,
                made_by.recogniser or None,
            )


def _event_record(row: Row[Any]) -> EventRecord:
    return EventRecord(
        row.monitor,
        row.monitor_directory,
        row.event,
        row.frame_format,
        row.first_frame,
        None if row.started_at is None else from_ms(row.started_at),
        None if row.gone_at is None else from_ms(row.gone_at),
    )


def _run_record(row: Row[Any], made_by: int) -> RunRecord:
    return RunRecord(
        *(row.first_frame, row.last_frame, row.step, bool(row.seen)),
        *(from_ms(row.first_at), from_ms(row.last_at), row.width, row.height),
        made_by,
        row.file_name or None,
    )


def _failure_record(row: Row[Any]) -> FailureRecord:
    return FailureRecord(
        row.frame,
        Reason(row.reason),
        row.message,
        row.attempts,
        from_ms(row.failed_at),
        row.file_name or None,
        None if row.size is None else FileStamp(row.size, from_us(row.modified_us)),
    )


def _detections(
    connection: Connection, between: dict[str, Any]
) -> dict[tuple[int, str], list[DetectionRecord]]:
    """By capture, in the order of an Annotation, as are the faces: descending ids."""
    words = defaultdict[int, list[Word]](list)
    for row in connection.execute(_WORDS, between):
        words[row.face_id].append(_word(row))
    faces = defaultdict[int, list[FaceRecord]](list)
    for row in connection.execute(_FACES, between):
        faces[row.detection_id].append(_face_record(row, words[row.id]))
    found = defaultdict[tuple[int, str], list[DetectionRecord]](list)
    for row in connection.execute(_DETECTIONS, between):
        found[row.frame, row.file_name].append(
            DetectionRecord(row.label, row.class_id, row.score, _box(row), tuple(faces[row.id]))
        )
    return found


def _face_record(row: Row[Any], words: Sequence[Word]) -> FaceRecord:
    before = None
    if words:
        before = Said(
            *(row.before_verdict, row.before_name, row.before_probability),
            *(row.before_distance, row.before_recogniser),
        )
    return FaceRecord(
        _box(row),
        row.score,
        row.sharpness,
        Said(row.verdict, row.name, row.probability, row.distance, row.recogniser),
        row.vector,
        row.mirrored,
        row.track,
        bool(row.seen_better),
        row.stranger,
        before,
        tuple(words),
    )


def _word(row: Row[Any]) -> Word:
    return Word(row.name, bool(row.negated), from_ms(row.tagged_at))


def _box(row: Row[Any]) -> BoundingBox:
    return BoundingBox(row.xmin, row.ymin, row.xmax, row.ymax)


# Built once, since building a statement takes longer than running it.

_before_recogniser = recogniser.alias("before_recogniser")
_WANTED: BindParameter[int] = bindparam("of_event")
_place = tuple_(detection.c.frame, detection.c.file_name)
_first, _last = (
    tuple_(bindparam(f"{end}_frame"), bindparam(f"{end}_name")) for end in ("first", "last")
)
_BETWEEN = (
    detection.c.event_id == _WANTED,
    _place >= _first,
    _place <= _last,
)
_RUNS: Select[Any] = (
    select(folded)
    .where(folded.c.event_id == _WANTED)
    .order_by(folded.c.first_frame, folded.c.file_name)
)
_CAPTURES: Select[Any] = (
    select(capture)
    .where(capture.c.event_id == _WANTED)
    .order_by(capture.c.frame, capture.c.file_name)
)
_FAILURES: Select[Any] = (
    select(failure)
    .where(failure.c.event_id == _WANTED)
    .order_by(failure.c.frame, failure.c.file_name)
)
_SKIPPED: Select[Any] = (
    select(skipped)
    .where(skipped.c.event_id == _WANTED)
    .order_by(skipped.c.frame, skipped.c.file_name)
)
_HOMELESS: Select[Any] = (
    select(tag)
    .where(tag.c.event_id == _WANTED, tag.c.face_id.is_(None))
    .order_by(tag.c.frame, tag.c.file_name, tag.c.tagged_at, tag.c.name, tag.c.xmin, tag.c.ymin)
)
_PROVENANCE = select(provenance).where(provenance.c.id == bindparam("wanted"))
_DETECTIONS: Select[Any] = (
    select(detection, label.c.name.label("label"))
    .join(label)
    .where(*_BETWEEN)
    .order_by(detection.c.id.desc())
)
_FACES: Select[Any] = (
    select(
        face,
        recogniser.c.name.label("recogniser"),
        embedding.c.vector,
        embedding.c.mirrored,
        *(
            overruled.c[name].label(f"before_{name}")
            for name in ("verdict", "name", "probability", "distance")
        ),
        _before_recogniser.c.name.label("before_recogniser"),
    )
    .select_from(detection)
    .join(face, face.c.detection_id == detection.c.id)
    .outerjoin(recogniser, recogniser.c.id == face.c.recogniser_id)
    .outerjoin(embedding, embedding.c.face_id == face.c.id)
    .outerjoin(overruled, overruled.c.face_id == face.c.id)
    .outerjoin(_before_recogniser, _before_recogniser.c.id == overruled.c.recogniser_id)
    .where(*_BETWEEN)
    .order_by(face.c.id.desc())
)
_WORDS: Select[Any] = (
    select(tag)
    .select_from(detection)
    .join(face, face.c.detection_id == detection.c.id)
    .join(tag, tag.c.face_id == face.c.id)
    .where(*_BETWEEN)
    .order_by(tag.c.tagged_at, tag.c.name)
)
