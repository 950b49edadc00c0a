"""Pictures of somebody who is to be known go to the gallery."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from annotator.domain import Reason
from annotator.errors import CaptureUnreadable, QueryError, StoreError
from annotator.names import person_name
from trainer.crops import write_file
from trainer.extract import picture_bytes, pictures_below
from trainer.gallery import SUFFIXES
from trainer.samples import UNKNOWN_FOLDER

JPEG_MAGIC = b"\xff\xd8\xff"


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that did not become a picture of the gallery, and why."""

    path: Path
    why: str


@dataclass(frozen=True, slots=True)
class Copied:
    """What came of pictures: the folder, those written, how many it had already, those refused."""

    folder: Path
    written: tuple[Path, ...]
    there: int
    refused: tuple[Refused, ...]


def copy_pictures(paths: Sequence[Path], gallery: Path, name: str) -> Copied:
    """Copy pictures, and those below folders, to a person's folder; nothing is overwritten.

    What the folder has already, under whatever name, is not copied again. Raises StoreError.
    """
    folder = gallery / name
    known = _digests(folder)
    written, refused, there = [], [], 0
    for path in (found for one in paths for found in _files_at(one)):
        try:
            content = _content(path)
        except CaptureUnreadable as error:
            refused.append(Refused(path, str(error)))
            continue
        digest = _digest(content)
        if digest in known:
            there += 1
            continue
        target = _free(folder, path)
        write_file(content, target)
        known.add(digest)
        written.append(target)
    return Copied(folder, tuple(written), there, tuple(refused))


def known_names(gallery: Path) -> list[str]:
    """The folders of the gallery; none where it is not there yet. Raises StoreError."""
    if not gallery.exists():
        return []
    try:
        return sorted(path.name for path in gallery.iterdir() if path.is_dir())
    except OSError as error:
        raise _unusable(error) from error


def checked_name(text: str, known: Iterable[str], *, pictures_only: bool) -> str:
    """The name, or `Unknown` for pictures of people who are to stay nobody. Raises QueryError.

    `known` are the names that are used already: of two that differ in capitals only one is meant.
    """
    if pictures_only and text.strip().casefold() == UNKNOWN_FOLDER:
        return next((one for one in known if one.casefold() == UNKNOWN_FOLDER), "Unknown")
    name = person_name(text)
    same = sorted({one for one in known if one.casefold() == name.casefold()})
    if same and name not in same:
        raise QueryError(f"there is {same[0]!r} already, so {name!r} would be confused with it",
                         f"write {same[0]!r}, or give another name")  # fmt: skip
    return name


def _files_at(path: Path) -> list[Path]:
    """The path itself, or every picture below it. Raises StoreError."""
    return [found for found, _ in pictures_below(path)]


def _digests(folder: Path) -> set[bytes]:
    """What the folder has; nothing where it is not there. Raises StoreError."""
    try:
        if not folder.exists():
            return set()
        pictures = [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES]
        return {_digest(path.read_bytes()) for path in pictures}
    except OSError as error:
        raise _unusable(error) from error


def _unusable(error: OSError) -> StoreError:
    return StoreError(
        f"cannot read {error.filename}: {error.strerror}",
        "mend that, or name another `gallery` in [faces]",
    )


def _content(path: Path) -> bytes:
    """Raises CaptureUnreadable, also for what is no JPEG."""
    content = picture_bytes(path)
    if not content.startswith(JPEG_MAGIC):
        raise CaptureUnreadable(Reason.NOT_JPEG, "it is not a JPEG; save it as one")
    return content


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def _free(folder: Path, path: Path) -> Path:
    """A name that is not taken: the picture's own, or with a number."""
    number = 1
    target = folder / f"{path.stem}.jpg"
    while target.exists():
        number += 1
        target = folder / f"{path.stem}-{number}.jpg"
    return target
