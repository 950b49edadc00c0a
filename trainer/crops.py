"""Faces and people cut out of captures, and what such a picture is called.

The name tells the event by the convention of `trainer.samples`, and the place in the capture, so
that cutting again gives the same name:

FrontDoor-2024-05-01-4711--00012-310x92.jpg
"""

from __future__ import annotations

import io
import os
import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from zlib import crc32

from annotator.domain import BoundingBox, Capture, clipped_box
from annotator.errors import StoreError
from trainer.samples import EVENT_MARK

if TYPE_CHECKING:
    from PIL import Image

    from annotator.inference.image import Picture

FACE_MARGIN = 0.4
"""So much of its side is left around a face. Of 67 faces of office workers and groups BlazeFace
finds 65 again in such a crop and HOG 66, and in 65 it is the only one; with 0.25 it is 64 and 65,
with 0.8 another person is in every eighth crop."""
PERSON_MARGIN = 0.05
JPEG_QUALITY = 95
MAX_GROUP_BYTES, MAX_PICTURE_BYTES = 140, 60
"""File systems take names of 255 bytes."""

_CAPTURE = re.compile(r"-capture$", re.IGNORECASE)
_UNFIT = re.compile(r"[^\w.+@ -]+")
_MARKS = re.compile(r"-{2,}")


def cut(picture: Picture, box: BoundingBox, margin: float) -> Image.Image:
    """The box and `margin` of its longer side around it, as far as the picture goes."""
    from PIL import Image

    around = margin * max(box.width, box.height)
    edges = (box.xmin - around, box.ymin - around, box.xmax + around, box.ymax + around)
    place = clipped_box(*edges, picture.width, picture.height) or picture.whole
    return Image.fromarray(picture.pixels()[place.ymin : place.ymax, place.xmin : place.xmax])


def crop_name(capture: Capture, box: BoundingBox) -> str:
    """The file name of what is cut out of a capture of the store."""
    if not capture.event.path:  # a plain folder: each picture is a moment of its own
        return _named(capture.monitor, _stem(capture.file_name), EVENT_MARK, box)
    return _named(capture.monitor, capture.event.path, EVENT_MARK + _stem(capture.file_name), box)


def crop_name_of(picture: PurePosixPath, box: BoundingBox) -> str:
    """The same for any picture, by its path; of one event are captures of one folder, and pictures
    whose own names say so."""
    event, mark, rest = picture.stem.rpartition(EVENT_MARK)
    if mark:
        return _named(str(picture.parent), event, EVENT_MARK + rest, box)
    if _CAPTURE.search(picture.stem):
        return _named(str(picture.parent), "", EVENT_MARK + _stem(picture.name), box)
    return _named(str(picture.parent), picture.stem, EVENT_MARK, box)


def write_crop(crop: Image.Image, target: Path) -> None:
    """As a JPEG of a quality that embeddings hardly notice. Raises StoreError."""
    out = io.BytesIO()
    crop.save(out, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    write_file(out.getvalue(), target)


def write_file(content: bytes, target: Path) -> None:
    """A file that is there whole or not at all. Raises StoreError."""
    part = target.with_name(f".{os.getpid()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(content)
        part.replace(target)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise StoreError(
            f"cannot write {target}: {error.strerror}", "name another folder, or make room"
        ) from error


def _named(place: str, event: str, mark_and_picture: str, box: BoundingBox) -> str:
    parts = [part for part in (place, event) if part not in ("", ".")]
    group = _UNFIT.sub("-", "-".join(parts).replace("/", "-")).lstrip(".-")
    if len(group.encode()) > MAX_GROUP_BYTES:
        group = f"{_shortened(group, MAX_GROUP_BYTES)}-{crc32(group.encode()):08x}"
    picture = _UNFIT.sub("-", mark_and_picture.removeprefix(EVENT_MARK))
    # Stripped last: what is cut off may have begun a mark.
    picture = _shortened(_MARKS.sub("-", picture), MAX_PICTURE_BYTES).strip("-")
    tail = f"{picture}-" if picture else ""
    return f"{group}{EVENT_MARK}{tail}{box.xmin}x{box.ymin}.jpg"


def _shortened(text: str, most_bytes: int) -> str:
    return text.encode()[:most_bytes].decode(errors="ignore")


def _stem(file_name: str) -> str:
    return _CAPTURE.sub("", PurePosixPath(file_name).stem)
