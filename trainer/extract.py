"""Faces and people out of what was annotated, or out of any pictures, as files to be sorted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import heappush, heappushpop
from pathlib import Path, PurePosixPath

from annotator.config import MonitorSettings
from annotator.domain import (
    BoundingBox,
    Capture,
    CaptureQuery,
    FaceQuestion,
    Gate,
    Identity,
)
from annotator.errors import CaptureUnreadable, StoreError
from annotator.filters import passing
from annotator.nvr.picture import read_picture
from annotator.ports import CaptureStore, SightingQueries, Vision
from trainer.crops import crop_name, crop_name_of, cut, write_crop
from trainer.gallery import SUFFIXES, Look

MAX_PICTURE_BYTES = 64 * 10**6
NOBODY_KNOWN = (Identity.UNKNOWN, Identity.NO_GALLERY)
PER_EVENT = 5
"""So many of an event's best: more of one moment hardly add to what is learned."""

Tell = Callable[[int, int], None]
"""Told how many pictures are done, and of how many."""
Locate = Callable[[str], Capture | None]
"""The capture with a path relative to the store."""
Find = Callable[[bytes], Sequence[BoundingBox]]
"""What is to be cut out of a JPEG. Raises CaptureUnreadable."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A place in a capture that is to be cut out; `quality` ranks those of an event."""

    capture: Capture
    box: BoundingBox
    quality: float


@dataclass(frozen=True, slots=True)
class Missing:
    """A picture that could not be read, and why."""

    path: str
    why: str


@dataclass(frozen=True, slots=True)
class Extracted:
    """How many crops were written, and how many had been before."""

    written: int
    there: int
    missing: tuple[Missing, ...] = ()


def wanted_faces(
    queries: SightingQueries,
    question: FaceQuestion,
    *,
    unknown: bool = False,
    min_size_px: int = 0,
    per_event: int = PER_EVENT,
    limit: int | None = None,
) -> list[Wanted]:
    """Of each event its best faces, those in a capture that came first. Raises QueryError.

    `unknown` wants only those of nobody known.
    """
    from annotator.inference.tracks import quality

    def fitting() -> Iterator[Wanted]:
        for face in queries.stored_faces(question):
            evidence = face.evidence
            known = face.identification.identity is Identity.KNOWN
            if evidence.size_px >= min_size_px and not (unknown and known):
                seen = quality(evidence.size_px, evidence.sharpness, 0.0)
                yield Wanted(face.capture, face.box, seen)

    return _best(fitting(), per_event, limit)


def wanted_people(
    queries: SightingQueries,
    question: CaptureQuery,
    locate: Locate,
    *,
    unknown: bool = False,
    min_size_px: int = 0,
    per_event: int = PER_EVENT,
    limit: int | None = None,
) -> list[Wanted]:
    """As `wanted_faces`, for whole people; large and sure ones are best. Raises QueryError."""

    def fitting() -> Iterator[Wanted]:
        for one in queries.sightings(question):
            size_px = min(one.box.width, one.box.height)
            fits = size_px >= min_size_px and (not unknown or one.verdict in NOBODY_KNOWN)
            capture = locate(one.path) if fits else None
            if capture is not None:
                yield Wanted(capture, one.box, size_px * one.score)

    return _best(fitting(), per_event, limit)


def extract(
    wanted: Sequence[Wanted],
    store: CaptureStore,
    folder: Path,
    *,
    margin: float,
    max_megapixels: float,
    tell: Tell = lambda done, total: None,
) -> Extracted:
    """Cut out what is not in the folder yet; each capture is read once. Raises StoreError."""
    from annotator.inference.image import decode

    by_capture: dict[Capture, list[Wanted]] = defaultdict(list)
    for one in wanted:
        by_capture[one.capture].append(one)
    written = there = 0
    missing = []
    for done, (capture, places) in enumerate(by_capture.items(), start=1):
        targets = {folder / crop_name(capture, one.box): one.box for one in places}
        new = {target: box for target, box in targets.items() if not target.exists()}
        there += len(targets) - len(new)
        try:
            if new:
                picture = decode(store.read(capture).jpeg, max_megapixels=max_megapixels)
                for target, box in new.items():
                    write_crop(cut(picture, box, margin), target)
                written += len(new)
        except CaptureUnreadable as error:
            missing.append(Missing(capture.path, str(error)))
        tell(done, len(by_capture))
    return Extracted(written, there, tuple(missing))


def extract_from(
    paths: Sequence[Path],
    find: Find,
    folder: Path,
    *,
    margin: float,
    max_megapixels: float,
    min_size_px: int = 0,
    limit: int | None = None,
    tell: Tell = lambda done, total: None,
) -> Extracted:
    """The same for pictures, and every picture below a folder: nobody has looked at them before.

    Raises StoreError.
    """
    from annotator.inference.image import decode

    pictures = [one for path in paths for one in pictures_below(path)]
    written = there = 0
    missing = []
    for done, (path, name) in enumerate(pictures, start=1):
        try:
            jpeg = picture_bytes(path)
            boxes = [box for box in find(jpeg) if min(box.width, box.height) >= min_size_px]
            targets = {folder / crop_name_of(name, box): box for box in boxes}
            new = {target: box for target, box in targets.items() if not target.exists()}
            there += len(targets) - len(new)
            if new:
                picture = decode(jpeg, max_megapixels=max_megapixels)
                for target, box in new.items():
                    write_crop(cut(picture, box, margin), target)
                written += len(new)
        except CaptureUnreadable as error:
            missing.append(Missing(str(path), str(error)))
        tell(done, len(pictures))
        if limit is not None and written + there >= limit:
            break
    return Extracted(written, there, tuple(missing))


def faces_found(look: Look) -> Find:
    """The faces that could be learned from."""

    def find(jpeg: bytes) -> list[BoundingBox]:
        return [face.box for face in look(jpeg) if face.gate is Gate.USABLE]

    return find


def people_found(vision: Vision, settings: MonitorSettings) -> Find:
    """What the detector takes for people, within the limits of [detection]."""

    def find(jpeg: bytes) -> list[BoundingBox]:
        picture = vision.decode(jpeg, settings.detection)
        found = vision.objects(picture, settings.detection)
        kept = passing(found, picture.width, picture.height, settings.detection)
        return [one.box for one in kept if one.label in settings.faces.person_labels]

    return find


def pictures_below(path: Path) -> list[tuple[Path, PurePosixPath]]:
    """Each picture with its path relative to what was named; a picture named itself is its name.

    Raises StoreError.
    """
    if not path.is_dir():
        # A file that is no picture is told of when it is read.
        return [(path, PurePosixPath(path.name))]
    try:
        found = sorted(one for one in path.rglob("*") if one.suffix.lower() in SUFFIXES)
    except OSError as error:
        raise StoreError(
            f"cannot list {path}: {error.strerror}", "name a folder of pictures"
        ) from error
    return [(one, PurePosixPath(one.relative_to(path))) for one in found if one.is_file()]


def picture_bytes(path: Path) -> bytes:
    """What is in a file that a person named. Raises CaptureUnreadable."""
    return read_picture(path, MAX_PICTURE_BYTES)


def _best(found: Iterable[Wanted], per_event: int, limit: int | None) -> list[Wanted]:
    """Of each event the best `per_event`; of these the `limit` best, event by event, best first."""
    events: dict[str, list[tuple[float, int, Wanted]]] = defaultdict(list)
    for order, one in enumerate(found):
        kept = events[one.capture.event.directory]
        # What came first stays where two are equally good: the next run wants the same.
        entry = (one.quality, -order, one)
        (heappush if len(kept) < per_event else heappushpop)(kept, entry)
    ranked = [
        [entry[-1] for entry in sorted(kept, key=lambda entry: entry[:2], reverse=True)]
        for kept in events.values()
    ]
    # Every event's best before any event's second best.
    rounds = sorted(
        ((place, -one.quality, event, one) for event, row in enumerate(ranked)
         for place, one in enumerate(row)),
        key=lambda entry: entry[:3],
    )  # fmt: skip
    return [entry[-1] for entry in rounds[:limit]]
