"""Small pictures with what was seen on them, and cut-outs of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from annotator.domain import BoundingBox, Detection, Sighting
from annotator.view.draw import Mark, encoded, marks_of, opened, paint

WIDTH_PX = 320
QUALITY = 80
LINE_PX = 2
FONT_PX = 11
TALLEST = 2
"""A picture's height is at most so many times the width that was asked for."""
CROP_MARGIN = 0.25


def thumbnail(
    jpeg: bytes,
    seen: Iterable[Detection | Sighting] = (),
    *,
    width_px: int = WIDTH_PX,
    max_megapixels: float = 50.0,
) -> bytes:
    """The capture as a JPEG `width_px` wide (never wider than it is) with boxes, names and scores.

    Raises CaptureUnreadable as `draw` does. A capture is decoded at the coarsest scale that will
    do, so a full-HD one takes milliseconds.
    """
    from PIL import Image

    with opened(jpeg, max_megapixels) as coded:
        width, height = coded.size
        scale = min(1.0, width_px / width, TALLEST * width_px / height)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        coded.draft(None, size)
        picture = coded.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    marks = [_scaled(mark, scale) for mark in marks_of(seen)]
    paint(picture, marks, min_line_px=LINE_PX, min_font_px=FONT_PX)
    return encoded(picture, QUALITY)


def cropped_to(
    jpeg: bytes, box: BoundingBox, *, size_px: int = 128, max_megapixels: float = 50.0
) -> bytes:
    """A square around a box of the capture, such as a face, with a margin; a JPEG `size_px` wide
    and high. Raises CaptureUnreadable as `draw` does."""
    from PIL import Image

    with opened(jpeg, max_megapixels) as coded:
        width, height = coded.size
        wanted_px = min(width, height, round(max(box.width, box.height) * (1 + 2 * CROP_MARGIN)))
        shrink = min(1.0, size_px / wanted_px)
        coded.draft(None, (round(width * shrink), round(height * shrink)))
        picture = coded.convert("RGB")
    scale = picture.width / width
    side = max(1, min(round(wanted_px * scale), *picture.size))
    x, y = (round(middle * scale - side / 2) for middle in box.centre)
    left, top = max(0, min(x, picture.width - side)), max(0, min(y, picture.height - side))
    cut = picture.crop((left, top, left + side, top + side))
    return encoded(cut.resize((size_px, size_px), Image.Resampling.LANCZOS), QUALITY)


def _scaled(mark: Mark, scale: float) -> Mark:
    """The mark in pixels of the smaller picture; never empty."""
    box = mark.box
    left, top = int(box.xmin * scale), int(box.ymin * scale)
    right, bottom = round(box.xmax * scale), round(box.ymax * scale)
    return replace(mark, box=BoundingBox(left, top, max(left + 1, right), max(top + 1, bottom)))
