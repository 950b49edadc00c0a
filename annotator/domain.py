"""The words of the project, as frozen values; standard library only.

Boxes are whole pixels of the original capture: origin top left, maxima exclusive. Scores and
probabilities are in [0, 1]. Times are aware and in UTC. Nothing here reads, writes or waits.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import Literal

EMBEDDING_BYTES = 128 * 4
"""A face embedding is 128 little-endian float32 values."""


@dataclass(frozen=True, slots=True)
class BoundingBox:
    """A rectangle in pixels of the capture; never empty, reversed, or left of or above 0."""

    xmin: int
    ymin: int
    xmax: int
    ymax: int

    def __post_init__(self) -> None:
        if not (0 <= self.xmin < self.xmax and 0 <= self.ymin < self.ymax):
            raise ValueError(
                f"not a box: xmin={self.xmin} ymin={self.ymin} xmax={self.xmax} ymax={self.ymax}"
            )

    @property
    def width(self) -> int:
        return self.xmax - self.xmin

    @property
    def height(self) -> int:
        return self.ymax - self.ymin

    @property
    def area(self) -> int:
        return self.width * self.height

    @property
    def centre(self) -> tuple[float, float]:
        """The middle, as (x, y) in pixels."""
        return (self.xmin + self.xmax) / 2, (self.ymin + self.ymax) / 2

    def intersection(self, other: BoundingBox) -> BoundingBox | None:
        """What both cover, or None where they do not meet."""
        xmin, ymin = max(self.xmin, other.xmin), max(self.ymin, other.ymin)
        xmax, ymax = min(self.xmax, other.xmax), min(self.ymax, other.ymax)
        return BoundingBox(xmin, ymin, xmax, ymax) if xmin < xmax and ymin < ymax else None

    def iou(self, other: BoundingBox) -> float:
        """Intersection over union, 0 to 1."""
        common = self.intersection(other)
        if common is None:
            return 0.0
        return common.area / (self.area + other.area - common.area)

    def share_inside(self, other: BoundingBox) -> float:
        """The fraction of this box's area that lies inside `other`."""
        common = self.intersection(other)
        return common.area / self.area if common else 0.0

    def translate(self, dx: int, dy: int) -> BoundingBox:
        return BoundingBox(self.xmin + dx, self.ymin + dy, self.xmax + dx, self.ymax + dy)


def clipped_box(
    xmin: float, ymin: float, xmax: float, ymax: float, width: int, height: int
) -> BoundingBox | None:
    """Round to whole pixels and cut at a picture of `width` x `height`.

    None where less than a pixel is left, or where a coordinate is not finite (a network may
    answer with both); so nobody ever has to construct a box that is not one.
    """
    if not all(-1e9 < value < 1e9 for value in (xmin, ymin, xmax, ymax)):
        return None
    left, top = max(0, round(xmin)), max(0, round(ymin))
    right, bottom = min(width, round(xmax)), min(height, round(ymax))
    return BoundingBox(left, top, right, bottom) if left < right and top < bottom else None


@dataclass(frozen=True, slots=True)
class Event:
    """One event directory of the store.

    `path` is relative to the monitor's directory, which is relative to the store's root; both are
    POSIX paths, and "" stands for the directory itself. `started_at` is what the path tells, None
    where it tells nothing; a path that only names the day gives midnight.
    """

    monitor: str
    monitor_directory: str
    path: str
    started_at: datetime | None = None

    @property
    def directory(self) -> str:
        """The event's directory, relative to the store's root."""
        return "/".join(part for part in (self.monitor_directory, self.path) if part)


@dataclass(frozen=True, slots=True)
class Capture:
    """One picture of an event. Its path, relative to the store's root, is its identity."""

    event: Event
    file_name: str
    frame: int

    @property
    def path(self) -> str:
        directory = self.event.directory
        return f"{directory}/{self.file_name}" if directory else self.file_name

    @property
    def monitor(self) -> str:
        return self.event.monitor


@dataclass(frozen=True, slots=True)
class CaptureContent:
    """What reading a capture gave: the JPEG's bytes and the file's modification time."""

    jpeg: bytes
    modified_at: datetime


class Gate(StrEnum):
    """Why a face was used, or was not."""

    USABLE = "usable"
    TOO_SMALL = "too small"
    BLURRED = "blurred"
    TURNED_AWAY = "turned away"
    SEEN_BETTER = "seen better"
    """The same person's face was embedded in another capture of the event, as well or better seen;
    the identification is that one's."""


class Identity(StrEnum):
    """The open-set answer to "who is it?"."""

    KNOWN = "known"
    UNKNOWN = "unknown"
    NO_GALLERY = "no gallery"


@dataclass(frozen=True, slots=True)
class Identification:
    """Who a face is said to be. A name is there exactly where the identity is known."""

    identity: Identity
    name: str | None = None
    probability: float | None = None
    distance: float | None = None

    def __post_init__(self) -> None:
        if (self.name is not None) != (self.identity is Identity.KNOWN):
            raise ValueError(f"{self.identity} does not go with the name {self.name!r}")


def _check_embeddings(*embeddings: bytes | None) -> None:
    for one in embeddings:
        if one is not None and len(one) != EMBEDDING_BYTES:
            raise ValueError(f"an embedding has {EMBEDDING_BYTES} bytes, not {len(one)}")


@dataclass(frozen=True, slots=True)
class FaceEvidence:
    """What a recogniser is told of a face: its embedding and its mirror image's, its shorter side
    in pixels of the capture, and its sharpness (see `Face`). Small and blurred faces are recognised
    less surely."""

    embedding: bytes
    size_px: int
    sharpness: float
    mirrored: bytes | None = None

    def __post_init__(self) -> None:
        _check_embeddings(self.embedding, self.mirrored)


@dataclass(frozen=True, slots=True)
class Face:
    """A face, mostly inside a person's box. Only a usable face has an embedding; it has an
    identification, as has one that was seen better.

    `track` tells the faces of one person in one event from those of others; it is a number that
    means nothing else, None where nobody follows faces. `sharpness` is the variance of the
    Laplacian of the grey face at a fixed size (see `inference.faces`); larger is sharper. `turn` is
    how far the face is turned away (see `inference.embedder`), None where that was not measured; it
    is for `explain` and nowhere kept. `mirrored` is the embedding of the face's mirror image, where
    that was asked for.
    """

    box: BoundingBox
    score: float
    sharpness: float
    gate: Gate
    embedding: bytes | None = None
    identification: Identification | None = None
    track: int | None = None
    turn: float | None = None
    mirrored: bytes | None = None

    # How an embedding looks in JSON; read by `annotator.wire`.
    __pydantic_config__ = {"ser_json_bytes": "base64", "val_json_bytes": "base64"}  # noqa: RUF012

    def __post_init__(self) -> None:
        usable = self.gate is Gate.USABLE
        named = usable or self.gate is Gate.SEEN_BETTER
        if (self.embedding is not None) != usable or (self.identification is not None) != named:
            raise ValueError(f"a face that is {self.gate} and its embedding do not agree")
        if self.mirrored is not None and not usable:
            raise ValueError("a face without an embedding has no mirrored one")
        _check_embeddings(self.embedding, self.mirrored)

    @property
    def verdict(self) -> str:
        """One word for people: the identity of a usable face, else the gate that stopped it."""
        return str(self.identification.identity if self.identification else self.gate)


@dataclass(frozen=True, slots=True)
class FaceMoment:
    """When and where faces are looked for, so that they can be followed through an event: `event`
    is its directory."""

    event: str
    frame: int
    captured_at: datetime


@dataclass(frozen=True, slots=True)
class Detection:
    """One object that the detector found, with the faces that belong to it."""

    label: str
    class_id: int
    score: float
    box: BoundingBox
    faces: tuple[Face, ...] = ()

    def with_faces(self, faces: tuple[Face, ...]) -> Detection:
        return replace(self, faces=faces)


@dataclass(frozen=True, slots=True)
class Station:
    """What runs a worker's networks.

    `device` says which Edge TPU, as in "usb:0" or "pci:1"; it is "" on the CPU. `fallback` is True
    on the CPU where an Edge TPU should have done the work.
    """

    delegate: Literal["cpu", "edgetpu"] = "cpu"
    device: str = ""
    fallback: bool = False

    def __str__(self) -> str:
        return f"Edge TPU {self.device}".rstrip() if self.delegate == "edgetpu" else "CPU"


@dataclass(frozen=True, slots=True)
class Provenance:
    """What made an annotation; models are named `name@sha256[:12]`, None where none was used.

    `fallback` is True where the CPU stood in for an Edge TPU that was away.
    """

    detector: str
    delegate: str
    fallback: bool = False
    face_detector: str | None = None
    embedder: str | None = None
    recogniser: str | None = None


@dataclass(frozen=True, slots=True)
class FaceModels:
    """What faces were found, embedded and identified with."""

    face_detector: str
    embedder: str
    recogniser: str | None = None


@dataclass(frozen=True, slots=True)
class Annotation:
    """What the program saw in one capture; without detections it looked and saw nothing.

    `inherited_from` is the capture of the same event that was looked at in its place, since nothing
    had moved in between; the detections are that one's, without faces.
    """

    capture: Capture
    captured_at: datetime
    width: int
    height: int
    detections: tuple[Detection, ...]
    provenance: Provenance
    inherited_from: Capture | None = None


class Stay(StrEnum):
    """What a detection says of a stationary object, such as a parked car."""

    ARRIVED = "arrived"
    STILL_THERE = "still there"
    LEFT = "left"


class Reason(StrEnum):
    """Why a capture could not be looked at."""

    EMPTY = "empty"
    TRUNCATED = "truncated"
    NOT_JPEG = "not a jpeg"
    UNSUPPORTED = "unsupported"
    TOO_LARGE = "too large"
    CORRUPT = "corrupt"
    VANISHED = "vanished"
    UNREADABLE = "unreadable"
    CRASHED = "crashed the worker"
    TIMED_OUT = "timed out"
    INTERNAL = "internal error"


@dataclass(frozen=True, slots=True)
class FileStamp:
    """What tells one state of a file from another."""

    size: int
    modified_at: datetime


@dataclass(frozen=True, slots=True)
class Failure:
    """A capture, or a whole directory (`capture` is None), that could not be looked at.

    `stamp` is the file as it was read, where that is known: a failure that may only have been
    unfinished is taken up again when the file changes.
    """

    path: str
    reason: Reason
    message: str
    capture: Capture | None = None
    attempts: int = 1
    stamp: FileStamp | None = None


class SkipReason(StrEnum):
    """Why a capture was left out on purpose; never silently."""

    NOT_NTH_FRAME = "not every nth frame"
    TOO_OLD = "waited too long"


class Origin(StrEnum):
    """Where a waiting capture came from; in the order in which they are served."""

    LIVE = "live"
    RECONCILE = "reconcile"
    BACKFILL = "backfill"


@dataclass(frozen=True, slots=True)
class Lease:
    """A capture handed out for work; `attempts` counts this one."""

    id: int
    capture: Capture
    origin: Origin
    attempts: int
    added_at: datetime


class MountState(StrEnum):
    """How the store stands."""

    ONLINE = "online"
    STALLED = "stalled"
    OFFLINE = "offline"
    WRONG_STORE = "wrong store"


@dataclass(frozen=True, slots=True)
class Window:
    """Which part of the store is meant: monitors by name, events by start, paths below the root.

    Empty tuples and None mean "all". `since` is inclusive, `until` exclusive.
    """

    monitors: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Hours:
    """A part of every day by the clock on the wall, such as 22:00 to 06:00.

    `since` is inclusive, `until` exclusive; one that is not later than `since` is on the next day.
    """

    since: time
    until: time


class Order(StrEnum):
    """What comes first in an answer."""

    NEWEST = "newest"
    OLDEST = "oldest"
    BEST = "best"
    """The highest score first."""


@dataclass(frozen=True, slots=True)
class CaptureQuery:
    """A question about past sightings; empty tuples and None filter nothing.

    `names` may hold `UNKNOWN_NAME` for faces that are nobody in the gallery, and `strangers` are
    numbers of unknown people: a face has to be one of either. `no_face` asks for detections without
    any face instead. `events` are paths, below their monitor's directory or below the store's root.
    `since` is inclusive, `until` exclusive; `hours` and `weekdays` (0 is Monday, the day on which
    the hours begin) are by the local clock, see `annotator.calendar`. `min_box_px` and `max_box_px`
    are for the shorter side of a detection's box, both inclusive. What is only still there (`Stay`)
    is left out, unless `stationary`.
    """

    monitors: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    strangers: tuple[int, ...] = ()
    no_face: bool = False
    events: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    hours: Hours | None = None
    weekdays: tuple[int, ...] = ()
    min_score: float | None = None
    min_probability: float | None = None
    min_box_px: int | None = None
    max_box_px: int | None = None
    stationary: bool = False
    order: Order = Order.NEWEST
    limit: int | None = None


UNKNOWN_NAME = "unknown"
"""The word for a face that is nobody in the gallery; no person can be called so."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """One row of an answer: a detection, or a detection with one of its faces."""

    captured_at: datetime
    monitor: str
    event: str
    frame: int
    label: str
    class_id: int
    score: float
    box: BoundingBox
    path: str
    face_box: BoundingBox | None = None
    name: str | None = None
    probability: float | None = None
    verdict: str | None = None
    stay: Stay | None = None
    stranger: int | None = None
    face_id: int | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Frame:
    """One annotated capture of an event, with what was seen in it (the best first).

    `width` and `height` are the capture's, in pixels.
    """

    capture: Capture
    captured_at: datetime
    width: int
    height: int
    seen: tuple[Sighting, ...]


@dataclass(frozen=True, slots=True)
class LabelCount:
    """How often a label was seen, and how surely at best."""

    label: str
    detections: int
    best_score: float


@dataclass(frozen=True, slots=True)
class EventName:
    """A person of an event by the vote of its faces (see `EventPerson`)."""

    name: str
    share: float
    faces: int


@dataclass(frozen=True, slots=True)
class EventSummary:
    """What is known of one event.

    `began_at` and `ended_at` are its first and last annotated capture's times. `captures` were
    annotated, `unseen` are those that wait or could not be looked at. `labels` and `people` come
    best first; `best` is the sighting to show, None where nothing was seen. `gone` says that the
    recorder has deleted the event.
    """

    event: Event
    began_at: datetime
    ended_at: datetime
    captures: int
    unseen: int
    labels: tuple[LabelCount, ...] = ()
    people: tuple[EventName, ...] = ()
    best: Sighting | None = None
    gone: bool = False

    @property
    def duration(self) -> timedelta:
        return self.ended_at - self.began_at


@dataclass(frozen=True, slots=True)
class MonitorCount:
    """How often, and when last, a person was seen by one monitor."""

    monitor: str
    events: int
    faces: int
    last_at: datetime


@dataclass(frozen=True, slots=True)
class PersonSummary:
    """One person (or `UNKNOWN_NAME`): how often, when first and last, and where, most often first.

    These are faces as they are named now, not the vote of each event.
    """

    name: str
    events: int
    faces: int
    first: Sighting
    last: Sighting
    monitors: tuple[MonitorCount, ...]


class By(StrEnum):
    """What sightings are counted by; times by the local clock."""

    HOUR = "hour"
    DAY = "day"
    WEEKDAY = "weekday"
    MONITOR = "monitor"
    LABEL = "label"
    NAME = "name"


@dataclass(frozen=True, slots=True)
class Count:
    """How often, for one value of each key that was counted by.

    Keys are as people read them: the hour as "00" to "23", the day as "2026-11-22", the weekday as
    "Monday". `events` are those with such a sighting, by hour and weekday once for each day with
    one; `sightings` are detections, or faces where names or probabilities are asked for.
    """

    keys: tuple[str, ...]
    events: int
    sightings: int


@dataclass(frozen=True, slots=True)
class StoredFace:
    """A face of the database with an embedding, and what is said of it now.

    `id` holds until its capture is annotated anew; no other face ever has it. `stranger` is the
    number of the unknown person it was grouped with. `by_hand` is True where a person named it, or
    said who it is not: those names are `denied`. `track` is as `Face` has it.
    """

    id: int
    capture: Capture
    captured_at: datetime
    box: BoundingBox
    evidence: FaceEvidence
    identification: Identification
    recogniser: str | None
    stranger: int | None = None
    by_hand: bool = False
    denied: tuple[str, ...] = ()
    track: int | None = None

    @property
    def named_by_hand(self) -> bool:
        """A person named it, and did not only say who it is not."""
        return self.by_hand and self.recogniser is None and self.identification.name is not None


@dataclass(frozen=True, slots=True)
class FaceQuestion:
    """Which stored faces are meant; empty tuples and None mean all.

    `names` may hold `UNKNOWN_NAME`; `paths` are captures or events relative to the store's root;
    `by_hand` asks for faces that people spoke about, or for the others.
    """

    names: tuple[str, ...] = ()
    strangers: tuple[int, ...] = ()
    monitors: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    ids: tuple[int, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    by_hand: bool | None = None


@dataclass(frozen=True, slots=True)
class Tag:
    """A person's word about a face: it is `name`, or, `negated`, it is not."""

    name: str
    tagged_at: datetime
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Renaming:
    """One face's new identification."""

    face_id: int
    before: Identification
    after: Identification


@dataclass(frozen=True, slots=True)
class Relabelling:
    """What a relabelling changed, for people: how many faces went from one name to another, those
    with most first; `UNKNOWN_NAME` stands for nobody known. `run` is what undoes it, None where
    nothing was written."""

    faces: int
    changes: tuple[tuple[str, str, int], ...]
    run: int | None = None

    @property
    def changed(self) -> int:
        return sum(count for _, _, count in self.changes)


@dataclass(frozen=True, slots=True)
class EventPerson:
    """Who an event's faces say was there: a vote weighted by each face's size and sharpness.

    `share` is the person's part of all weight of the event's faces that have an identification,
    `best` the face that says it most clearly.
    """

    event: Event
    name: str
    share: float
    faces: int
    first_at: datetime
    last_at: datetime
    best: StoredFace


@dataclass(frozen=True, slots=True)
class Totals:
    """How much there is in the database, for `annotator status`.

    `pruned` were annotated, but what was seen in them was let go; `annotated` are the others.
    """

    annotated: int
    failed: int
    detections: int
    faces: int
    pruned: int = 0
    waiting: dict[Origin, int] = field(default_factory=dict)
    oldest_waiting: dict[Origin, datetime] = field(default_factory=dict)
    skipped: dict[SkipReason, int] = field(default_factory=dict)
    failures: dict[Reason, int] = field(default_factory=dict)
    newest_captured_at: datetime | None = None
    newest_by_monitor: dict[str, datetime] = field(default_factory=dict)
