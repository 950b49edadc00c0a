"""The gallery: a folder per person, as the seed project and everybody else keeps it.

gallery/anna/1.jpg
gallery/ben/holiday.jpg
gallery/Unknown/…         people who are to stay nobody
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from annotator.config import FaceSettings
from annotator.domain import BoundingBox, Face, Gate
from annotator.errors import CaptureUnreadable, StoreError
from annotator.ports import Vision

SUFFIXES = (".jpg", ".jpeg")

BACKGROUND = 0.5
"""A face whose side is shorter than this share of the largest one's is in the background."""

Look = Callable[[bytes], tuple[Face, ...]]
"""The faces of a JPEG. Raises CaptureUnreadable."""


@dataclass(frozen=True, slots=True)
class GalleryPicture:
    """One picture of a person; `problem` says why it could not be looked at."""

    person: str
    path: Path
    faces: tuple[Face, ...] = ()
    problem: str | None = None

    @property
    def portrait(self) -> Face | None:
        """The face that is the person's: the usable one that no other comes near in size."""
        usable = self._usable()
        return usable[0] if len(usable) == 1 else None

    @property
    def verdict(self) -> str:
        """In a few words for people, whether the picture can be used."""
        if self.problem is not None:
            return "not readable"
        usable = self._usable()
        if len(usable) > 1:
            return "several people"
        if usable:
            return str(Gate.USABLE)
        return str(self.faces[0].gate) if self.faces else "no face found"

    def _usable(self) -> list[Face]:
        """The usable faces, without those in the background."""
        usable = [face for face in self.faces if face.gate is Gate.USABLE]
        largest = max((face.box.width for face in usable), default=0)
        return [face for face in usable if face.box.width >= BACKGROUND * largest]


def whole_picture(vision: Vision, settings: FaceSettings) -> Look:
    """Looks for faces everywhere in a picture, not only in people's boxes."""

    def look(jpeg: bytes) -> tuple[Face, ...]:
        picture = vision.decode(jpeg, None)
        whole = BoundingBox(0, 0, picture.width, picture.height)
        return vision.faces(picture, [whole], settings)[0]

    return look


def read_gallery(folder: Path, look: Look) -> Iterator[GalleryPicture]:
    """Every picture of every person, by name, with the faces in it. Raises StoreError."""
    for person, path in pictures_of(folder):
        try:
            yield GalleryPicture(person, path, look(path.read_bytes()))
        except (OSError, CaptureUnreadable) as error:
            yield GalleryPicture(person, path, problem=str(error))


def pictures_of(folder: Path) -> Iterator[tuple[str, Path]]:
    """Every picture with the folder, that is the person, it is in. Raises StoreError."""
    for person in _entries(folder):
        if not person.is_dir() or person.name.startswith("."):
            continue
        for path in _entries(person):
            if path.suffix.lower() in SUFFIXES:
                yield person.name, path


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise StoreError(
            f"cannot list {folder}: {error.strerror}", "name a folder with a folder per person"
        ) from error
