"""Records of another database, taken in beside what is there.

What was annotated is recorded as a worker's answers are (`db.store`); what differs from these, such
as names that people gave, is put right in the same transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    CompoundSelect,
    Connection,
    Select,
    Table,
    bindparam,
    delete,
    func,
    insert,
    select,
    union_all,
    update,
)
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from annotator.domain import (
    Annotation,
    Capture,
    Detection,
    Event,
    Face,
    Failure,
    Gate,
    Identification,
    Identity,
    Provenance,
)
from annotator.errors import InputError
from annotator.transfer import (
    MAX_RUN,
    NEXT_STEP,
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
    WordRecord,
)
from db.engine import Database
from db.face_book import last_stranger, remember_stranger
from db.folded import keep_run, known_in_runs
from db.keys import (
    SKIP_REASONS,
    find_event,
    its,
    key_of,
    register_event,
    same_capture,
    set_start,
)
from db.runs import Run
from db.schema import (
    backlog,
    capture,
    detection,
    event,
    face,
    failure,
    monitor,
    overruled,
    recogniser,
    setting,
    skipped,
    tag,
    tally,
)
from db.stationary import Stationary
from db.store import Batch, sides
from db.values import file_name_of, to_ms

if TYPE_CHECKING:
    from annotator.config import StationarySettings
    from annotator.ports import Clock

RECORDS_AT_ONCE = 100
"""Taken in in one transaction; all of one event."""
MOST_PROVENANCES = 10_000

Belonging = CaptureRecord | RunRecord | FailureRecord | SkippedRecord | WordRecord
Name = tuple[int, str]
"""Frame and file name: what tells a capture of an event from the others."""


@dataclass(frozen=True, slots=True)
class TakenIn:
    """What one transaction took in, in captures; those that were there stayed as they were."""

    annotated: int = 0
    known: int = 0
    others: int = 0
    """Failures and captures that were left out on purpose."""


class SqlIntake:
    """For one import, and for who holds the supervisor's lock.

    `settings_of` tells by a monitor's name what is stationary there. `replace` records anew what
    was annotated here before. `origin` tells one file from another: strangers keep their numbers
    where there are none yet, or where they are this file's.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        settings_of: Callable[[str], StationarySettings],
        *,
        origin: str,
        replace: bool = False,
    ) -> None:
        self._database = database
        self._clock = clock
        self._stationary = Stationary(settings_of)
        self._origin = origin
        self._replace = replace
        self._strangers = False
        self._made_by: dict[int, Provenance] = {}
        self._event: EventRecord | None = None
        self._pending: list[Belonging] = []
        self._size = 0
        self._begun = False

    def take_in(self, records: Iterable[tuple[int, Record]]) -> Iterator[TakenIn]:
        """Records with the numbers of their lines, transaction by transaction.

        Raises InputError for one that does not belong there; what came before stays.
        """
        for number, record in records:
            if isinstance(record, Header) is self._begun:
                what = "a header where none belongs" if self._begun else "no header"
                raise InputError(f"line {number}: {what}", NEXT_STEP)
            match record:
                case Header():
                    self._begin(record, number)
                case EventRecord():
                    yield from self._flush()
                    self._event = record
                case ProvenanceRecord():
                    self._introduce(record, number)
                case _:
                    self._check(record, number)
                    self._pending.append(record)
                    self._size += _frames_of(record)
                    if len(self._pending) == RECORDS_AT_ONCE or self._size >= MAX_RUN:
                        yield from self._flush()
        yield from self._flush()

    def _begin(self, header: Header, number: int) -> None:
        if header.version != VERSION:
            raise InputError(
                f"line {number}: an export of version {header.version}, not {VERSION}",
                "update annotator, which reads what older ones wrote",
            )
        self._begun = True
        with self._database.writing() as connection:
            known = connection.scalar(select(setting.c.value).where(setting.c.name == _ORIGIN))
            self._strangers = last_stranger(connection) == 0 or known == self._origin
            if self._strangers and header.last_stranger:
                remember_stranger(connection, header.last_stranger)
                entry = sqlite_insert(setting).values(name=_ORIGIN, value=self._origin)
                connection.execute(
                    entry.on_conflict_do_update(
                        index_elements=["name"], set_={"value": self._origin}
                    )
                )

    def _introduce(self, record: ProvenanceRecord, number: int) -> None:
        if record.id in self._made_by or len(self._made_by) >= MOST_PROVENANCES:
            raise InputError(f"line {number}: there is a {record.id} already", NEXT_STEP)
        self._made_by[record.id] = Provenance(
            *(record.detector, record.delegate, record.fallback),
            *(record.face_detector, record.embedder, record.recogniser),
        )

    def _check(self, record: Belonging, number: int) -> None:
        if self._event is None:
            raise InputError(f"line {number}: it belongs to no event", NEXT_STEP)
        if isinstance(record, CaptureRecord | RunRecord) and record.made_by not in self._made_by:
            raise InputError(f"line {number}: nothing is known of what made it", NEXT_STEP)
        if record.file is None and not self._event.names:
            raise InputError(f"line {number}: it needs the name of its file", NEXT_STEP)

    def _flush(self) -> Iterator[TakenIn]:
        pending, self._pending, self._size = self._pending, [], 0
        if not pending or self._event is None:
            return
        try:
            with self._database.writing() as connection:
                piece = _Piece(connection, self._event, self._made_by, to_ms(self._clock.now()))
                taken = piece.take_in(
                    pending, replace=self._replace, with_strangers=self._strangers
                )
                self._stationary.take_in(
                    connection, piece.batch.recorded, replaced=piece.batch.replaced > 0
                )
        except BaseException:
            self._stationary.forget()
            raise
        yield taken


class _Piece:
    """Some records of one event, within one transaction."""

    def __init__(
        self,
        connection: Connection,
        of: EventRecord,
        made_by: dict[int, Provenance],
        now_ms: int,
    ) -> None:
        self.batch = Batch(connection, now_ms)
        self._connection = connection
        self._of = of
        self._made_by = made_by
        # A monitor keeps the name that it has here.
        called = connection.scalar(_MONITOR, {"its_directory": of.monitor_directory})
        self._event = Event(called or of.monitor, of.monitor_directory, of.path, of.started_at)
        before = find_event(connection, self._event)
        if before is None:
            # With the frame and the name that were met first, from which others follow.
            first = file_name_of(of.names, of.first_frame)
            self._key = register_event(connection, Capture(self._event, first, of.first_frame))
            self._gone_at_ms = to_ms(of.gone_at) if of.gone_at else None
        else:
            self._key, self._gone_at_ms = before, before.gone_at_ms

    def take_in(
        self, records: Sequence[Belonging], *, replace: bool, with_strangers: bool
    ) -> TakenIn:
        annotated, met = self._known(records)
        new: dict[Name, CaptureRecord] = {}
        rest: dict[Name, FailureRecord | SkippedRecord] = {}
        for one in records:
            match one:
                case CaptureRecord() if replace or self._name(one) not in annotated:
                    new[self._name(one)] = one
                case FailureRecord() | SkippedRecord() if self._name(one) not in met:
                    rest[self._name(one)] = one
        for name in new:
            rest.pop(name, None)
        over = [its(self._columns(name)) for name in new.keys() & annotated]
        if over:
            # What people said of faces that are no more goes with them: the file tells it all.
            self._connection.execute(delete(tag).where(same_capture(tag)), over)
        self._record(new, rest)
        met |= new.keys() | rest.keys()
        folded = sum(self._fold(one, met) for one in records if isinstance(one, RunRecord))
        for name, record in new.items():
            self._say_whose(name, record, with_strangers=with_strangers)
        for one in records:
            if isinstance(one, WordRecord):
                self._wait_for_face(one)
        # Recording says that an event is there; reading of it does not.
        its_event = event.c.id == self._key.id
        self._connection.execute(update(event).where(its_event).values(gone_at=self._gone_at_ms))
        told = sum(_frames_of(one) for one in records if not isinstance(one, WordRecord))
        return TakenIn(len(new) + folded, told - len(new) - folded - len(rest), len(rest))

    def _known(self, records: Sequence[Belonging]) -> tuple[set[Name], set[Name]]:
        """Which captures among and between these are annotated, and which are known at all."""
        lowest = min(one.first if isinstance(one, RunRecord) else one.frame for one in records)
        highest = max(one.last if isinstance(one, RunRecord) else one.frame for one in records)
        between = {"of_event": self._key.id, "lowest": lowest, "highest": highest}
        annotated, others = (
            {
                (frame, file_name or file_name_of(self._key.frame_format, frame))
                for frame, file_name in self._connection.execute(statement, between)
            }
            for statement in (_ANNOTATED, _MET_OTHERWISE)
        )
        ends = [Capture(self._event, "", lowest), Capture(self._event, "", highest)]
        annotated |= known_in_runs(self._connection, self._key, ends, pruned=True)
        return annotated, annotated | others

    def _record(
        self,
        new: dict[Name, CaptureRecord],
        rest: dict[Name, FailureRecord | SkippedRecord],
    ) -> None:
        annotations = [self._annotation(name, one) for name, one in new.items()]
        failed = {name: one for name, one in rest.items() if isinstance(one, FailureRecord)}
        failures = [self._failure(name, one) for name, one in failed.items()]
        if annotations or failures:
            self.batch.write(annotations, failures)
        for name, one in rest.items():
            if isinstance(one, SkippedRecord):
                values = {**self._columns(name), "reason": SKIP_REASONS.index(one.reason)}
                self._connection.execute(insert(skipped), [values])
        for statement, moments in (
            (_ANNOTATED_AT, {name: to_ms(one.annotated_at) // 1000 for name, one in new.items()}),
            (_FAILED_AT, {name: to_ms(one.failed_at) for name, one in failed.items()}),
        ):
            if moments:
                self._connection.execute(
                    statement,
                    [its(self._columns(name)) | {"at": at} for name, at in moments.items()],
                )

    def _annotation(self, name: Name, one: CaptureRecord) -> Annotation:
        inherited = one.inherited_from
        return Annotation(
            self._capture(name),
            one.captured_at,
            one.width,
            one.height,
            tuple(map(_detection, one.detections)),
            self._made_by[one.made_by],
            None if inherited is None else Capture(self._event, inherited, one.frame),
        )

    def _failure(self, name: Name, one: FailureRecord) -> Failure:
        of = self._capture(name)
        return Failure(of.path, one.reason, one.message, of, one.attempts, one.stamp)

    def _say_whose(self, name: Name, one: CaptureRecord, *, with_strangers: bool) -> None:
        """What is said of a capture's faces now, by whom, and what was said before.

        A face about which somebody spoke here, before there was a row of it, keeps that.
        """
        faces = [each for found in one.detections for each in found.faces]
        if not faces:
            return
        columns = self._columns(name)
        rows = self._connection.execute(_FACES, its(columns)).all()
        for (face_id, by_hand), record in zip(rows, faces, strict=True):
            if by_hand is not None:
                continue
            self._connection.execute(
                update(face)
                .where(face.c.id == face_id)
                .values(
                    **self._said(record.said),
                    seen_better=int(record.seen_better),
                    stranger=record.stranger if with_strangers else None,
                )
            )
            if record.before is not None:
                before = self._said(record.before)
                self._connection.execute(insert(overruled).values(face_id=face_id, **before))
            words = [
                {
                    **columns,
                    **sides(record.box),
                    "name": word.name,
                    "negated": int(word.negated),
                    "tagged_at": to_ms(word.tagged_at),
                    "face_id": face_id,
                }
                for word in record.words
            ]
            if words:
                self._connection.execute(insert(tag), words)

    def _said(self, said: Said) -> dict[str, Any]:
        by = None
        if said.recogniser is not None:
            by = key_of(self._connection, recogniser, name=said.recogniser)
        return {
            "verdict": said.verdict,
            "name": said.name,
            "probability": said.probability,
            "distance": said.distance,
            "recogniser_id": by,
        }

    def _fold(self, one: RunRecord, met: set[Name]) -> int:
        """Keep what of a run is not known yet; how many captures that is."""
        whole = Run(
            *(one.first, one.last, one.step, to_ms(one.first_at), to_ms(one.last_at)),
            *(one.width, one.height, self.batch.provenance_id(self._made_by[one.made_by])),
        )
        names = {frame: self._file(one, frame) for frame in whole.between(one.first, one.last)}
        count = 0
        for part in whole.without([frame for frame, name in names.items() if (frame, name) in met]):
            keep_run(self._connection, self._key, part, names, seen=one.seen)
            count += part.captures
        met |= names.items()
        if count:
            set_start(self._connection, self._key, whole.first_ms)
            monitor_id, event_id = self._key.monitor_id, self._key.id
            self._connection.execute(_BEGAN_AT, {"its_id": event_id, "at": whole.first_ms})
            self._connection.execute(_NEWEST, {"part": str(monitor_id), "value": whole.last_ms})
        return count

    def _wait_for_face(self, one: WordRecord) -> None:
        word = {
            **self._columns(self._name(one)),
            **sides(one.box),
            "name": one.word.name,
            "negated": int(one.word.negated),
        }
        if self._connection.scalar(select(tag.c.id).filter_by(**word).limit(1)) is None:
            values = {**word, "tagged_at": to_ms(one.word.tagged_at)}
            self._connection.execute(insert(tag), [values])

    def _capture(self, name: Name) -> Capture:
        frame, file_name = name
        return Capture(self._event, file_name, frame)

    def _columns(self, name: Name) -> dict[str, Any]:
        return self._key.columns_of(self._capture(name))

    def _name(self, one: CaptureRecord | FailureRecord | SkippedRecord | WordRecord) -> Name:
        return one.frame, self._file(one, one.frame)

    def _file(self, one: Belonging, frame: int) -> str:
        return one.file or file_name_of(self._of.names, frame)


def _frames_of(one: Belonging) -> int:
    return (one.last - one.first) // one.step + 1 if isinstance(one, RunRecord) else 1


def _detection(one: DetectionRecord) -> Detection:
    faces = tuple(map(_face, one.faces))
    return Detection(one.label, one.class_id, one.score, one.box, faces)


def _face(one: FaceRecord) -> Face:
    """As a worker would have told of it; one whose embedding was pruned, as seen better."""
    said, who, gate = one.said, None, Gate.USABLE
    if said.verdict in set(Identity):
        identity = Identity(said.verdict)
        who = Identification(identity, said.name, said.probability, said.distance)
        gate = Gate.USABLE if one.embedding is not None else Gate.SEEN_BETTER
    else:
        gate = Gate(said.verdict)
    return Face(
        one.box,
        one.score,
        one.sharpness,
        gate,
        one.embedding,
        who,
        one.track,
        mirrored=one.mirrored,
    )


_ORIGIN = "strangers are of import"

# Built once, since building a statement takes longer than running it.


def _frames_in(*tables: Table) -> CompoundSelect[Any]:
    return union_all(
        *(
            select(table.c.frame, table.c.file_name).where(
                table.c.event_id == bindparam("of_event"),
                table.c.frame.between(bindparam("lowest"), bindparam("highest")),
            )
            for table in tables
        )
    )


_ANNOTATED = _frames_in(capture)
_MET_OTHERWISE = _frames_in(failure, skipped, backlog)
_MONITOR = select(monitor.c.name).where(monitor.c.directory == bindparam("its_directory"))
_ANNOTATED_AT = update(capture).where(same_capture(capture)).values(annotated_at=bindparam("at"))
_FAILED_AT = update(failure).where(same_capture(failure)).values(failed_at=bindparam("at"))
_FACES: Select[Any] = (
    select(face.c.id, overruled.c.face_id)
    .select_from(detection.join(face, face.c.detection_id == detection.c.id))
    .outerjoin(overruled, overruled.c.face_id == face.c.id)
    .where(same_capture(detection))
    .order_by(detection.c.id.desc(), face.c.id.desc())
)
_BEGAN_AT = (
    update(event)
    .where(
        event.c.id == bindparam("its_id"),
        func.coalesce(event.c.began_at, bindparam("at") + 1) > bindparam("at"),
    )
    .values(began_at=bindparam("at"))
)
_newest = sqlite_insert(tally).values(
    subject="newest captured_at", part=bindparam("part"), value=bindparam("value")
)
_NEWEST = _newest.on_conflict_do_update(
    index_elements=["subject", "part"],
    set_={"value": func.max(tally.c.value, _newest.excluded.value)},
)
