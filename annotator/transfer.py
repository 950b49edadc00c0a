"""The lines of `annotator export`, version 1; docs/transfer.md tells them to people.

Each line is one record as JSON. A header comes first; what follows a record of an event belongs to
it, and names what made it by the number of a record of provenance that came before.
"""

from __future__ import annotations

import math
import re
import struct
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, Field, ValidationError

from annotator.domain import (
    EMBEDDING_BYTES,
    BoundingBox,
    FileStamp,
    Gate,
    Identity,
    Reason,
    SkipReason,
)
from annotator.errors import InputError
from annotator.names import MAX_CHARACTERS

if TYPE_CHECKING:
    from pydantic import TypeAdapter

VERSION = 1
MAX_LINE_BYTES = 8 * 2**20
"""Of a capture with a thousand faces a few MB."""
MAX_ITEMS = 10_000
"""Detections of a capture, and faces of a detection."""
MAX_RUN = 100_000
"""Frames of a run."""
MAX_STRANGER = 100_000_000
"""What people can type has nine digits; so there is room for those found later."""
EARLIEST, LATEST = datetime(1969, 12, 31, tzinfo=UTC), datetime(9999, 1, 2, tzinfo=UTC)
"""No store tells other times, and these can be had in any time zone."""

_FLOATS = struct.Struct(f"<{EMBEDDING_BYTES // 4}f")
_NAMES = re.compile(r"((?:[^%]|%%)*%0[0-9]{1,3}d(?:[^%]|%%)*)?")
_VERDICTS = frozenset({*map(str, Identity), *map(str, Gate)} - {Gate.USABLE, Gate.SEEN_BETTER})


def _below_the_root(path: str) -> str:
    parts = path.split("/") if path else ()
    if "\0" in path or {"", ".", ".."}.intersection(parts):
        raise ValueError("must be a path below the store's root")
    return path


def _file_name(name: str) -> str:
    if "/" in name or not _below_the_root(name):
        raise ValueError("must be the name of a file")
    return name


def _file_names(names: str) -> str:
    if not _NAMES.fullmatch(names) or len(names % 0 if names else "") > 255:
        raise ValueError("must be such as %05d-capture.jpg")
    return names


def _told_by_a_store(moment: datetime) -> datetime:
    if not EARLIEST <= moment < LATEST:
        raise ValueError("must be from 1970 to 9998")
    return moment


def _person(name: str) -> str:
    if not name.isprintable() or name == "unknown":
        raise ValueError("must be a person's name")
    return name


def _embedding(vector: bytes) -> bytes:
    if len(vector) != EMBEDDING_BYTES:
        raise ValueError(f"must have {EMBEDDING_BYTES} bytes")
    if not all(map(math.isfinite, _FLOATS.unpack(vector))):
        raise ValueError("must be finite numbers")
    return vector


def _verdict(word: str) -> str:
    if word not in _VERDICTS:
        raise ValueError(f"must be one of {', '.join(sorted(_VERDICTS))}")
    return word


def _drawn(box: BoundingBox) -> BoundingBox:
    if max(box.xmax, box.ymax) >= 2**31:
        raise ValueError("no picture is so large")
    return box


def _stored(stamp: FileStamp) -> FileStamp:
    if not 0 <= stamp.size < 2**63:
        raise ValueError("no file is so large")
    if stamp.modified_at.tzinfo is None:
        raise ValueError("must have a time zone")
    _told_by_a_store(stamp.modified_at)
    return stamp


Text = Annotated[str, Field(max_length=10_000)]
Directory = Annotated[str, Field(max_length=4096), AfterValidator(_below_the_root)]
FileName = Annotated[str, Field(max_length=255), AfterValidator(_file_name)]
Names = Annotated[str, Field(max_length=255), AfterValidator(_file_names)]
Person = Annotated[str, Field(min_length=1, max_length=MAX_CHARACTERS), AfterValidator(_person)]
Moment = Annotated[AwareDatetime, AfterValidator(_told_by_a_store)]
Embedding = Annotated[bytes, AfterValidator(_embedding)]
Frame = Annotated[int, Field(ge=0, lt=2**63)]
Id = Annotated[int, Field(ge=0, lt=2**63)]
Stranger = Annotated[int, Field(ge=0, le=MAX_STRANGER)]
Pixels = Annotated[int, Field(ge=1, lt=2**31)]
Score = Annotated[float, Field(ge=0, le=1)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Verdict = Annotated[str, AfterValidator(_verdict)]
Box = Annotated[BoundingBox, AfterValidator(_drawn)]
Stamp = Annotated[FileStamp, AfterValidator(_stored)]


@dataclass(frozen=True, slots=True)
class Header:
    """The first line. `last_stranger` is the highest number that a stranger ever had."""

    kind: Literal["annotator export"] = field(default="annotator export", kw_only=True)
    version: int
    last_stranger: Stranger = 0


@dataclass(frozen=True, slots=True)
class EventRecord:
    """An event. `names` is a printf format that gives the usual file names of its captures from
    their frames, "" where they have none; `first_frame` is the first that was met."""

    kind: Literal["event"] = field(default="event", kw_only=True)
    monitor: Text
    monitor_directory: Directory
    path: Directory
    names: Names
    first_frame: Frame
    started_at: Moment | None = None
    gone_at: Moment | None = None


@dataclass(frozen=True, slots=True)
class ProvenanceRecord:
    """What made annotations; `id` is what they call it, in this file alone."""

    kind: Literal["provenance"] = field(default="provenance", kw_only=True)
    id: Id
    detector: Text
    delegate: Text
    fallback: bool = False
    face_detector: Text | None = None
    embedder: Text | None = None
    recogniser: Text | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """What is said of a face: by a recogniser, or, where that is None, by a person or nobody."""

    verdict: Verdict
    name: Person | None = None
    probability: Number | None = None
    distance: Number | None = None
    recogniser: Text | None = None

    def __post_init__(self) -> None:
        if (self.name is not None) != (self.verdict == Identity.KNOWN):
            raise ValueError("a name goes with the verdict known, and with no other")


@dataclass(frozen=True, slots=True)
class Word:
    """What a person said of a face: it is `name`, or, `negated`, it is not."""

    name: Person
    negated: bool
    tagged_at: Moment


@dataclass(frozen=True, slots=True)
class FaceRecord:
    """A face. `before` is what was said of it before a person's `words`, there with any of them."""

    box: Box
    score: Score
    sharpness: Number
    said: Said
    embedding: Embedding | None = None
    mirrored: Embedding | None = None
    track: Id | None = None
    seen_better: bool = False
    stranger: Annotated[Stranger, Field(ge=1)] | None = None
    before: Said | None = None
    words: Annotated[tuple[Word, ...], Field(max_length=MAX_ITEMS)] = ()

    # How an embedding looks in JSON.
    __pydantic_config__ = {"ser_json_bytes": "base64", "val_json_bytes": "base64"}  # noqa: RUF012

    def __post_init__(self) -> None:
        has_a_say = self.said.verdict in set(Identity)
        if (self.embedding is not None or self.seen_better) and not has_a_say:
            raise ValueError(f"a face that is {self.said.verdict} is neither embedded nor followed")
        if self.mirrored is not None and self.embedding is None:
            raise ValueError("a face without an embedding has no mirrored one")
        if (self.before is not None) != bool(self.words):
            raise ValueError("a person's words and what was said before go together")
        if self.words and not has_a_say:
            raise ValueError(f"nobody can say who a face is that is {self.said.verdict}")


@dataclass(frozen=True, slots=True)
class DetectionRecord:
    """An object, with the faces that belong to it."""

    label: Annotated[str, Field(min_length=1, max_length=1000)]
    class_id: Annotated[int, Field(ge=-(2**31), lt=2**31)]
    score: Score
    box: Box
    faces: Annotated[tuple[FaceRecord, ...], Field(max_length=MAX_ITEMS)] = ()


@dataclass(frozen=True, slots=True)
class CaptureRecord:
    """A capture that was annotated; without detections nothing was seen in it. `file` is its name
    where that is not the usual one."""

    kind: Literal["capture"] = field(default="capture", kw_only=True)
    frame: Frame
    captured_at: Moment
    annotated_at: Moment
    width: Pixels
    height: Pixels
    made_by: Id
    detections: Annotated[tuple[DetectionRecord, ...], Field(max_length=MAX_ITEMS)] = ()
    file: FileName | None = None
    inherited_from: FileName | None = None


@dataclass(frozen=True, slots=True)
class RunRecord:
    """Captures of which only is kept that they were looked at: frames from `first` to `last`,
    `step` apart. `seen`: something was seen in each, and was pruned; else nothing was."""

    kind: Literal["run"] = field(default="run", kw_only=True)
    first: Frame
    last: Frame
    step: Annotated[int, Field(ge=1, lt=2**63)]
    seen: bool
    first_at: Moment
    last_at: Moment
    width: Pixels
    height: Pixels
    made_by: Id
    file: FileName | None = None

    def __post_init__(self) -> None:
        if self.first > self.last or (self.last - self.first) % self.step:
            raise ValueError("no run of frames leads from first to last")
        if (self.last - self.first) // self.step >= MAX_RUN:
            raise ValueError(f"a run has at most {MAX_RUN} frames")
        if self.file is not None and self.first != self.last:
            raise ValueError("a file is a run by itself")
        if self.first_at > self.last_at:
            raise ValueError("a run ends before it begins")


@dataclass(frozen=True, slots=True)
class FailureRecord:
    """A capture that could not be looked at."""

    kind: Literal["failure"] = field(default="failure", kw_only=True)
    frame: Frame
    reason: Reason
    message: Text
    attempts: Id
    failed_at: Moment
    file: FileName | None = None
    stamp: Stamp | None = None


@dataclass(frozen=True, slots=True)
class SkippedRecord:
    """A capture that was left out on purpose."""

    kind: Literal["skipped"] = field(default="skipped", kw_only=True)
    frame: Frame
    reason: SkipReason
    file: FileName | None = None


@dataclass(frozen=True, slots=True)
class WordRecord:
    """A person's word about a place where no face is by now."""

    kind: Literal["word"] = field(default="word", kw_only=True)
    frame: Frame
    box: Box
    word: Word
    file: FileName | None = None


Record = (
    Header
    | EventRecord
    | ProvenanceRecord
    | CaptureRecord
    | RunRecord
    | FailureRecord
    | SkippedRecord
    | WordRecord
)


def encode_record(record: Record) -> bytes:
    """One line, without its end. What is not known is left out."""
    return _records().dump_json(record, exclude_none=True)


def decode_record(line: bytes, number: int) -> Record:
    """Raises InputError, which names the line."""
    try:
        return _records().validate_json(line)
    except ValidationError as error:
        raise InputError(f"line {number}: {_first_of(error)}", NEXT_STEP) from error


NEXT_STEP = "what came before it is in the database; mend the file, and import it again"


def _first_of(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}" if place else str(first["msg"])


@cache
def _records() -> TypeAdapter[Record]:
    from pydantic import TypeAdapter

    return TypeAdapter(Annotated[Record, Field(discriminator="kind")])
