"""Faces with names: what a recogniser is trained and judged with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from annotator.domain import FaceEvidence
from trainer.gallery import GalleryPicture, Look, pictures_of, read_gallery

UNKNOWN_FOLDER = "unknown"
"""The folder of people who are to stay nobody, however it is capitalised."""

EVENT_MARK = "--"
"""`gate-4711--00017.jpg` is of the event `gate-4711`, and so is every picture that begins so."""

Progress = Callable[[int, int], None]
"""Told how many pictures are done, and of how many."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One face and whose it is; `person` is None for somebody who is to stay unknown.

    Samples of one `group` may look alike for no better reason than that they are of one moment, so
    they are never on both sides of a test.
    """

    person: str | None
    evidence: FaceEvidence
    group: str
    source: str


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A picture that gives no sample, and why."""

    person: str
    path: Path
    why: str
    unreadable: bool = False


@dataclass(frozen=True, slots=True)
class Samples:
    """What came of a gallery."""

    usable: tuple[Sample, ...]
    left_out: tuple[LeftOut, ...]
    folders: tuple[str, ...]
    """Every person's folder with pictures in it, those without a sample too."""


def read_samples(
    folders: Sequence[Path], look: Look, tell: Progress = lambda done, total: None
) -> Samples:
    """A sample for each picture with one usable face of somebody. Raises StoreError.

    A face that is too small or blurred is left out, as it will never be asked about either.
    """
    total = sum(1 for folder in folders for _ in pictures_of(folder))
    pictures = _told(_pictures(folders, look), total, tell)
    usable, left_out, people = [], [], dict[str, None]()
    for picture in pictures:
        people[picture.person] = None
        face = picture.portrait
        if face is None or face.embedding is None:
            why = f"{picture.verdict}: {picture.problem}" if picture.problem else picture.verdict
            unreadable = picture.problem is not None
            left_out.append(LeftOut(picture.person, picture.path, why, unreadable))
            continue
        size_px = min(face.box.width, face.box.height)
        evidence = FaceEvidence(face.embedding, size_px, face.sharpness, face.mirrored)
        source = str(picture.path)
        usable.append(Sample(person_of(picture.person), evidence, group_of(picture.path), source))
    return Samples(tuple(usable), tuple(left_out), tuple(people))


def person_of(folder: str) -> str | None:
    return None if folder.casefold() == UNKNOWN_FOLDER else folder


def group_of(path: Path) -> str:
    """The event a picture is of, where its name tells; else the picture is its own."""
    event, mark, _ = path.stem.rpartition(EVENT_MARK)
    return event if mark else str(path)


def _pictures(folders: Sequence[Path], look: Look) -> Iterator[GalleryPicture]:
    for folder in folders:
        yield from read_gallery(folder, look)


def _told(
    pictures: Iterable[GalleryPicture], total: int, tell: Progress
) -> Iterator[GalleryPicture]:
    for done, picture in enumerate(pictures, start=1):
        tell(done, total)
        yield picture
