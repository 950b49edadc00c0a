"""The gallery: a folder per person, as the seed project and everybody else keeps it.

gallery/anna/1.jpg
gallery/ben/holiday.jpg
gallery/Unknown/…         people who are to stay nobody
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from annotator.config import FaceSettings
from annotator.domain import BoundingBox, Face
from annotator.errors import CaptureUnreadable, StoreError
from annotator.ports import Vision

SUFFIXES = (".jpg", ".jpeg")


@dataclass(frozen=True, slots=True)
class GalleryPicture:
    """One picture of a person; `problem` says why it could not be looked at."""

    person: str
    path: Path
    faces: tuple[Face, ...] = ()
    problem: str | None = None


def read_gallery(folder: Path, vision: Vision, settings: FaceSettings) -> Iterator[GalleryPicture]:
    """Every picture of every person, by name, with the faces in it. Raises StoreError."""
    for person in _entries(folder):
        if not person.is_dir() or person.name.startswith("."):
            continue
        for path in _entries(person):
            if path.suffix.lower() in SUFFIXES:
                yield _look(person.name, path, vision, settings)


def _look(person: str, path: Path, vision: Vision, settings: FaceSettings) -> GalleryPicture:
    try:
        picture = vision.decode(path.read_bytes(), None)
    except (OSError, CaptureUnreadable) as error:
        return GalleryPicture(person, path, problem=str(error))
    whole = BoundingBox(0, 0, picture.width, picture.height)
    return GalleryPicture(person, path, vision.faces(picture, [whole], settings)[0])


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise StoreError(
            f"cannot list {folder}: {error.strerror}", "name a folder with a folder per person"
        ) from error
