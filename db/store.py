"""Where results go: one transaction per batch, each capture replaced as a whole."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Table, bindparam, delete, func, insert, select, text, true
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from annotator.domain import (
    Annotation,
    BoundingBox,
    Capture,
    Event,
    Face,
    Failure,
    Gate,
    Identity,
    Provenance,
    Reason,
)
from annotator.stillness import Moment, Seen
from db.engine import Database
from db.folded import is_in_runs, unfold
from db.keys import (
    CAPTURE_COLUMNS,
    EventKey,
    failure_from,
    its,
    key_of,
    register_event,
    reopen,
    same_capture,
    set_start,
)
from db.schema import (
    backlog,
    capture,
    detection,
    embedding,
    event,
    face,
    failure,
    label,
    monitor,
    provenance,
    recogniser,
    setting,
    skipped,
)
from db.stationary import Recorded, Stationary
from db.tags import carry_tags
from db.values import printable, to_ms, to_us

if TYPE_CHECKING:
    from annotator.config import StationarySettings
    from annotator.ports import Clock

log = logging.getLogger(__name__)


class SqlStore:
    """The port `AnnotationStore`.

    `settings_of` tells by a monitor's name what is stationary there; without it nothing is.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        settings_of: Callable[[str], StationarySettings] | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._stationary = Stationary(settings_of) if settings_of else None

    def record(self, annotations: Sequence[Annotation], failures: Sequence[Failure]) -> None:
        if not annotations and not failures:
            return
        now_ms = to_ms(self._clock.now())
        try:
            with self._database.writing() as connection:
                batch = Batch(connection, now_ms)
                batch.write(annotations, failures)
                if self._stationary is not None:
                    self._stationary.take_in(
                        connection, batch.recorded, replaced=batch.replaced > 0
                    )
        except BaseException:
            if self._stationary is not None:
                self._stationary.forget()
            raise

    def unfinished(self, since: datetime) -> tuple[Failure, ...]:
        with self._database.reading() as connection:
            rows = connection.execute(_UNFINISHED, {"since": to_ms(since)}).all()
        return tuple(map(failure_from, rows))

    def store_identity(self) -> str | None:
        with self._database.reading() as connection:
            identity: str | None = connection.scalar(
                select(setting.c.value).where(setting.c.name == _STORE_IDENTITY)
            )
        return identity

    def set_store_identity(self, identity: str) -> None:
        entry = sqlite_insert(setting).values(name=_STORE_IDENTITY, value=identity)
        with self._database.writing() as connection:
            connection.execute(
                entry.on_conflict_do_update(index_elements=["name"], set_={"value": identity})
            )

    def clear_directory_failures(self, directories: Iterable[str]) -> None:
        with self._database.reading() as connection:
            # Any text is >= '', and unlike IS NOT NULL that is looked up in the index.
            failed = set(
                connection.scalars(select(failure.c.directory).where(failure.c.directory >= ""))
            )
        if not failed:
            return
        listed = {printable(path) for one in directories for path in _with_parents(one)}
        if failed & listed:
            with self._database.writing() as connection:
                connection.execute(
                    _DIRECTORY_DELETION, [{"listed": directory} for directory in failed & listed]
                )


class Batch:
    """The rows of one call of `record`, gathered first so that each table is written once.

    Afterwards `recorded` tells what was annotated and `replaced` how many annotations went.
    """

    def __init__(self, connection: Connection, now_ms: int) -> None:
        self.recorded: list[Recorded] = []
        self.replaced = 0
        self._connection = connection
        self._now_ms = now_ms
        self._events: dict[Event, EventKey] = {}
        self._earliest_ms: dict[EventKey, int] = {}
        self._looked_at: dict[EventKey, list[Capture]] = {}
        self._labels: dict[str, int] = {}
        self._provenances: dict[Provenance, int] = {}
        self._recognisers: dict[str, int] = {}
        self._over: list[dict[str, Any]] = []
        self._spared: list[dict[str, Any]] = []
        self._rows: dict[Table, list[dict[str, Any]]] = {
            table: []  # in the order of the foreign keys
            for table in (capture, detection, face, embedding, failure)
        }
        self._next_id = {
            detection: (connection.scalar(_LAST_DETECTION) or 0) + 1,
            face: (connection.scalar(_LAST_FACE) or 0) + 1,
        }

    def write(self, annotations: Sequence[Annotation], failures: Sequence[Failure]) -> None:
        # A capture that comes twice counts once: with what was seen, else with what was said last.
        latest: dict[str, Annotation | Failure] = {one.path: one for one in failures}
        latest |= {one.capture.path: one for one in annotations}
        for result in latest.values():
            if isinstance(result, Annotation):
                self._annotated(result)
            elif result.capture is not None:
                self._failed_again_or_for_good(result, result.capture)
            else:
                self._failed(result, {"directory": printable(result.path)})
        if self._over:
            self.replaced = self._connection.execute(_CAPTURE_DELETION, self._over).rowcount
            for deletion in _OTHER_DELETIONS:
                self._connection.execute(deletion, self._over)
        for key, captures in self._looked_at.items():
            unfold(self._connection, key, captures)
            reopen(self._connection, key)
        if self._spared:
            self._connection.execute(_BACKLOG_DELETION, self._spared)
        for table, rows in self._rows.items():
            if rows:
                self._connection.execute(insert(table), rows)
        if self._rows[capture]:
            carry_tags(self._connection, self._rows[capture])
        for key, earliest_ms in self._earliest_ms.items():
            set_start(self._connection, key, earliest_ms)

    def _annotated(self, annotation: Annotation) -> None:
        event_key, capture_key = self._keys_of(annotation.capture)
        self._over.append(its(capture_key))
        self._looked_at.setdefault(event_key, []).append(annotation.capture)
        captured_ms, source = to_ms(annotation.captured_at), annotation.inherited_from
        self._earliest_ms[event_key] = min(
            captured_ms, self._earliest_ms.get(event_key, captured_ms)
        )
        self._rows[capture].append(
            {
                **capture_key,
                "captured_at": captured_ms,
                "annotated_at": self._now_ms // 1000,
                "width": annotation.width,
                "height": annotation.height,
                "provenance_id": self.provenance_id(annotation.provenance),
                "inherited_from": source.file_name if source else None,
            }
        )
        recogniser_id = self._recogniser_id(annotation.provenance)
        seen = []
        # Last first: an index serves "newest first" by descending id, and so gives the detections
        # of one capture, and the faces of one detection, in the order they have here.
        for one in reversed(annotation.detections):
            detection_id = self._new_id(detection)
            self._rows[detection].append(
                {
                    **capture_key,
                    "id": detection_id,
                    "captured_at": captured_ms,
                    "monitor_id": event_key.monitor_id,
                    "label_id": self._label_id(one.label),
                    "class_id": one.class_id,
                    "score": one.score,
                    **sides(one.box),
                }
            )
            seen.append(Seen(detection_id, one.label, one.box))
            for found in reversed(one.faces):
                its_detection = {
                    "detection_id": detection_id,
                    "event_id": event_key.id,
                    "captured_at": captured_ms,
                }
                self._found(found, its_detection, recogniser_id)
        moment = Moment(captured_ms, event_key.id, annotation.capture.frame)
        self.recorded.append(
            Recorded(event_key.monitor_id, event_key.monitor_name, moment, tuple(seen))
        )

    def _found(self, found: Face, its_detection: dict[str, int], recogniser_id: int | None) -> None:
        face_id = self._new_id(face)
        who = found.identification
        is_answer = who is not None and who.identity is not Identity.NO_GALLERY
        self._rows[face].append(
            {
                **its_detection,
                "id": face_id,
                "verdict": found.verdict,
                "name": who.name if who else None,
                "probability": who.probability if who else None,
                "distance": who.distance if who else None,
                "score": found.score,
                "sharpness": found.sharpness,
                **sides(found.box),
                "track": found.track,
                "seen_better": int(found.gate is Gate.SEEN_BETTER),
                "recogniser_id": recogniser_id if is_answer else None,
            }
        )
        if found.embedding is not None:
            self._rows[embedding].append(
                {"face_id": face_id, "vector": found.embedding, "mirrored": found.mirrored}
            )

    def _failed_again_or_for_good(self, result: Failure, failed: Capture) -> None:
        """What was seen before stays where a second look fails (see `Backlog.redo_fallback`)."""
        event_key, key = self._keys_of(failed)
        is_row = self._connection.scalar(_IS_ANNOTATED, its(key)) is not None
        if not is_row and not is_in_runs(self._connection, event_key, failed, pruned=True):
            self._over.append(its(key))
            self._failed(result, key)
            return
        self._spared.append(its(key))
        log.warning(
            "%s could not be looked at again, what was seen before stays: %s (%s)",
            *(result.path, result.message, result.reason),
        )

    def _failed(self, result: Failure, key: dict[str, Any]) -> None:
        if "directory" in key:
            self._connection.execute(_DIRECTORY_DELETION, {"listed": key["directory"]})
        self._rows[failure].append(
            {
                "event_id": None,
                "frame": None,
                "file_name": None,
                "directory": None,
                **key,
                "reason": str(result.reason),
                "message": printable(result.message),
                "attempts": result.attempts,
                "failed_at": self._now_ms,
                "size": result.stamp.size if result.stamp else None,
                "modified_us": to_us(result.stamp.modified_at) if result.stamp else None,
            }
        )

    def _keys_of(self, one: Capture) -> tuple[EventKey, dict[str, Any]]:
        event_key = self._events.get(one.event)
        if event_key is None:
            event_key = self._events[one.event] = register_event(self._connection, one)
        return event_key, event_key.columns_of(one)

    def _label_id(self, name: str) -> int:
        if name not in self._labels:
            self._labels[name] = key_of(self._connection, label, name=name)
        return self._labels[name]

    def provenance_id(self, one: Provenance) -> int:
        if one not in self._provenances:
            self._provenances[one] = key_of(
                self._connection,
                provenance,
                detector=one.detector,
                delegate=one.delegate,
                fallback=int(one.fallback),
                # Not NULL, of which a UNIQUE constraint takes any number.
                face_detector=one.face_detector or "",
                embedder=one.embedder or "",
                recogniser=one.recogniser or "",
            )
        return self._provenances[one]

    def _recogniser_id(self, one: Provenance) -> int | None:
        if one.recogniser is None:
            return None
        if one.recogniser not in self._recognisers:
            self._recognisers[one.recogniser] = key_of(
                self._connection, recogniser, name=one.recogniser
            )
        return self._recognisers[one.recogniser]

    def _new_id(self, table: Table) -> int:
        self._next_id[table] += 1
        return self._next_id[table] - 1


def sides(box: BoundingBox) -> dict[str, int]:
    return {"xmin": box.xmin, "ymin": box.ymin, "xmax": box.xmax, "ymax": box.ymax}


_LAST_DETECTION = select(func.max(detection.c.id))
# The highest ever: people were told ids of faces, also of those that are gone.
_LAST_FACE = text("SELECT seq FROM sqlite_sequence WHERE name = 'face'")
_CAPTURE_DELETION, _BACKLOG_DELETION, *_others = (
    delete(table).where(same_capture(table)) for table in (capture, backlog, failure, skipped)
)
_OTHER_DELETIONS = (_BACKLOG_DELETION, *_others)
_IS_ANNOTATED = select(true()).select_from(capture).where(same_capture(capture))
_UNFINISHED = (
    select(failure, *CAPTURE_COLUMNS)
    .select_from(failure)
    .join(event)
    .join(monitor)
    .where(
        failure.c.failed_at >= bindparam("since"),
        failure.c.reason.in_([Reason.EMPTY, Reason.TRUNCATED]),
    )
    .order_by(failure.c.failed_at.desc(), failure.c.id.desc())
)
_STORE_IDENTITY = "store identity"
_DIRECTORY_DELETION = delete(failure).where(failure.c.directory == bindparam("listed"))


def _with_parents(directory: str) -> Iterator[str]:
    yield directory
    while directory:
        directory = directory.rpartition("/")[0]
        yield directory
