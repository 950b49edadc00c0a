"""Boxes, names and scores on a capture, for people.

Lines and letters grow with the picture. A label keeps its colour from picture to picture. Who is
known has a solid frame and anyone else's face a dashed one, so nobody needs to tell colours apart.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, assert_never
from zlib import crc32

from annotator.domain import (
    BoundingBox,
    Detection,
    Identification,
    Identity,
    Reason,
    Sighting,
)
from annotator.errors import CaptureUnreadable, StoreError
from annotator.view.letters import Letters, letters_for

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

Colour = tuple[int, int, int]

# Okabe and Ito's palette, made to be told apart with any kind of colour vision. Two of its colours
# are kept for faces.
LABEL_COLOURS: tuple[Colour, ...] = (
    (86, 180, 233),
    (240, 228, 66),
    (230, 159, 0),
    (204, 121, 167),
    (0, 114, 178),
)
KNOWN_COLOUR: Colour = (0, 158, 115)
UNKNOWN_COLOUR: Colour = (213, 94, 0)
UNUSED_COLOUR: Colour = (200, 200, 200)
HALO_COLOUR: Colour = (0, 0, 0)

MIN_FONT_PX = 9
MAX_TEXT = 80
JPEG_QUALITY = 90


@dataclass(frozen=True, slots=True)
class Mark:
    """One frame to draw and the words on its tag."""

    box: BoundingBox
    text: str
    colour: Colour
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Outline:
    """A polygon to draw, in pixels, and its name."""

    points: tuple[tuple[float, float], ...]
    text: str
    colour: Colour


def draw(
    jpeg: bytes, seen: Iterable[Detection | Sighting], *, max_megapixels: float = 50.0
) -> bytes:
    """The capture as a JPEG of the same size with everything seen drawn on it.

    Raises CaptureUnreadable where the bytes are not a whole JPEG or are larger than
    `max_megapixels` million pixels.
    """
    return draw_marks(jpeg, marks_of(seen), max_megapixels=max_megapixels)


def draw_marks(
    jpeg: bytes,
    marks: Sequence[Mark],
    outlines: Sequence[Outline] = (),
    *,
    max_megapixels: float = 50.0,
) -> bytes:
    """As `draw`, with marks of any kind, over outlines."""
    with opened(jpeg, max_megapixels) as coded:
        picture = coded.convert("RGB")
    paint(picture, marks, outlines)
    return encoded(picture, JPEG_QUALITY)


def save_drawing(jpeg: bytes, name: str, output: Path) -> Path:
    """Write a drawn picture under one flat name made from the capture's path."""
    target = output / name.strip("/").replace("/", "_")
    try:
        output.mkdir(parents=True, exist_ok=True)
        target.write_bytes(jpeg)
    except OSError as error:
        raise StoreError(
            f"cannot write {target}: {error.strerror}", "name another folder"
        ) from error
    return target


def marks_of(seen: Iterable[Detection | Sighting]) -> tuple[Mark, ...]:
    """What to draw, objects and their faces, each only once however many rows name it."""
    return tuple(dict.fromkeys(mark for item in seen for mark in _marks(item)))


def label_colour(label: str) -> Colour:
    """The same for a label in every picture, process and year."""
    return LABEL_COLOURS[crc32(label.encode()) % len(LABEL_COLOURS)]


def _marks(item: Detection | Sighting) -> Iterator[Mark]:
    yield Mark(item.box, f"{item.label} {item.score:.2f}", label_colour(item.label))
    match item:
        case Detection():
            for face in item.faces:
                said = face.identification or Identification(Identity.UNKNOWN)
                yield _face_mark(face.box, said.name, said.probability, face.verdict)
        case Sighting():
            if item.face_box is not None:
                verdict = item.verdict or Identity.UNKNOWN
                yield _face_mark(item.face_box, item.name, item.probability, verdict)
        case _:
            assert_never(item)


def _face_mark(box: BoundingBox, name: str | None, probability: float | None, verdict: str) -> Mark:
    if name is not None:
        certainty = "" if probability is None else f" {probability:.2f}"
        return Mark(box, name + certainty, KNOWN_COLOUR)
    if verdict == Identity.UNKNOWN:
        return Mark(box, verdict, UNKNOWN_COLOUR, dashed=True)
    return Mark(box, verdict, UNUSED_COLOUR, dashed=True)


@contextmanager
def opened(jpeg: bytes, max_megapixels: float) -> Iterator[Image.Image]:
    """The picture, not decoded yet.

    What is wrong with it, also where it is decoded inside the `with`, raises CaptureUnreadable.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        picture = Image.open(io.BytesIO(jpeg), formats=("JPEG",))
        if picture.width * picture.height > max_megapixels * 1e6:
            raise CaptureUnreadable(
                Reason.TOO_LARGE,
                f"{picture.width} x {picture.height} pixels are more than "
                f"{max_megapixels:g} million; raise [inference] max_megapixels to allow it",
            )
        yield picture
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise CaptureUnreadable(Reason.TOO_LARGE, str(error)) from error
    except UnidentifiedImageError as error:
        raise CaptureUnreadable(
            Reason.NOT_JPEG, "not a JPEG; nothing can be drawn on it"
        ) from error
    except (OSError, SyntaxError, ValueError) as error:  # Pillow's words for broken contents
        raise CaptureUnreadable(Reason.CORRUPT, f"cannot be decoded: {error}") from error


def encoded(picture: Image.Image, quality: int) -> bytes:
    """As a JPEG."""
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=quality)
    return out.getvalue()


def paint(
    picture: Image.Image,
    marks: Sequence[Mark],
    outlines: Sequence[Outline] = (),
    *,
    min_line_px: int = 1,
    min_font_px: int = MIN_FONT_PX,
) -> None:
    """Draw marks, in pixels of this picture, over outlines."""
    from PIL import ImageDraw

    width, height = picture.size
    line_px = max(min_line_px, round(min(width, height) / 300))
    pen = ImageDraw.Draw(picture)
    for outline in outlines:
        closed = (*outline.points, outline.points[0])
        pen.line(closed, fill=HALO_COLOUR, width=line_px + 2, joint="curve")
        pen.line(closed, fill=outline.colour, width=line_px, joint="curve")
    # Small ones last: a frame inside another stays whole, and its tag has fewer places to go.
    marks = sorted(
        (mark for mark in marks if mark.box.xmin < width and mark.box.ymin < height),
        key=lambda mark: -mark.box.area,
    )
    for mark in marks:
        _frame(pen, mark, line_px, width, height)
    marks.reverse()
    # An outline's name is the last to choose its place, by the first corner.
    marks += [
        Mark(_corner(outline, width, height), outline.text, outline.colour) for outline in outlines
    ]
    writer = _Writer(pen, width, height, letters_for(mark.text for mark in marks), min_font_px)
    tags = [writer.fit(mark.text) for mark in marks]
    places = place_tags(
        [(mark.box, tag.width_px, tag.height_px) for mark, tag in zip(marks, tags, strict=True)],
        width,
        height,
    )
    for mark, tag, place in zip(marks, tags, places, strict=True):
        if place is not None and tag.text:
            # Pillow counts the last pixel in.
            corners = (place.xmin, place.ymin, place.xmax - 1, place.ymax - 1)
            pen.rectangle(corners, fill=mark.colour)
            pen.text(
                (place.xmin + tag.dx_px, place.ymin + tag.dy_px),
                tag.text,
                font=writer.font,
                fill=_readable_on(mark.colour),
            )


def _corner(outline: Outline, width: int, height: int) -> BoundingBox:
    x, y = (round(value) for value in outline.points[0])
    x, y = min(max(x, 0), width - 1), min(max(y, 0), height - 1)
    return BoundingBox(x, y, x + 1, y + 1)


def _readable_on(colour: Colour) -> Colour:
    """Black or white, whichever stands out more (Rec. 709 luma)."""
    red, green, blue = colour
    return (0, 0, 0) if 0.2126 * red + 0.7152 * green + 0.0722 * blue > 120 else (255, 255, 255)


def _frame(pen: ImageDraw.ImageDraw, mark: Mark, line_px: int, width: int, height: int) -> None:
    """A frame around the box with a thin dark rim, to be seen on its own colour too."""
    box = mark.box
    right, bottom = min(box.xmax, width) - 1, min(box.ymax, height) - 1
    rim_px = max(1, line_px // 3)
    for grow_px, colour in ((rim_px, HALO_COLOUR), (0, mark.colour)):
        thick = line_px + 2 * grow_px
        for start, stop in _dashes(box.xmin, right, line_px, mark.dashed):
            for y in (box.ymin, bottom - line_px + 1):
                pen.rectangle((start, y - grow_px, stop, y - grow_px + thick - 1), fill=colour)
        for start, stop in _dashes(box.ymin, bottom, line_px, mark.dashed):
            for x in (box.xmin, right - line_px + 1):
                pen.rectangle((x - grow_px, start, x - grow_px + thick - 1, stop), fill=colour)


def _dashes(start: int, stop: int, line_px: int, dashed: bool) -> Iterator[tuple[int, int]]:
    """The drawn stretches of one side, ends included; the corners are always drawn."""
    length = stop - start + 1
    pieces = max(1, round(length / (4 * line_px) / 2)) if dashed else 0
    if pieces == 0:
        yield start, stop
        return
    step = length / (2 * pieces + 1)
    for piece in range(pieces + 1):
        first = start + round(2 * piece * step)
        yield first, max(first, start + round((2 * piece + 1) * step) - 1)


@dataclass(frozen=True, slots=True)
class _Tag:
    """Words that fit the picture, the tag's size, and where in it the words begin."""

    text: str
    width_px: int
    height_px: int
    dx_px: float
    dy_px: float


class _Writer:
    """Measures words in letters of a size that suits the picture."""

    def __init__(
        self,
        pen: ImageDraw.ImageDraw,
        width: int,
        height: int,
        letters: Letters,
        min_font_px: int,
    ) -> None:
        self._pen = pen
        self._most_px = width
        self._letters = letters
        size_px = max(min_font_px, round(min(width, height) / 40))
        self.font = letters.font(size_px)
        self._pad_px = max(1, size_px // 5)
        _, top, _, bottom = pen.textbbox((0, 0), "Äg", font=self.font)
        self._top_px, self._height_px = top, round(bottom - top) + 2 * self._pad_px

    def fit(self, text: str) -> _Tag:
        """The words, shortened where the picture is too narrow for them."""
        text = self._letters.written(" ".join(text.split())[:MAX_TEXT])
        while text and self._width(text) > self._most_px:
            text = text.rstrip("…")[:-1] + "…" if len(text) > 2 else ""
        return _Tag(
            text,
            max(1, self._width(text)),
            self._height_px,
            self._pad_px,
            self._pad_px - self._top_px,
        )

    def _width(self, text: str) -> int:
        return round(self._pen.textlength(text, font=self.font) + 0.5) + 2 * self._pad_px


def place_tags(
    wanted: Sequence[tuple[BoundingBox, int, int]], width: int, height: int
) -> tuple[BoundingBox | None, ...]:
    """Where each tag goes: inside the picture, by its box or near it, never over another tag.

    `wanted` holds each box with its tag's width and height in pixels; the first choose first.
    None where no room is left, so that a tiny or crowded picture shows fewer tags, all readable.
    """
    placed: list[BoundingBox] = []
    places: list[BoundingBox | None] = []
    for box, tag_width, tag_height in wanted:
        free = (
            place
            for place in _candidates(box, tag_width, tag_height, width, height)
            if not any(place.intersection(other) for other in placed)
        )
        place = next(free, None)
        places.append(place)
        if place is not None:
            placed.append(place)
    return tuple(places)


def _candidates(
    box: BoundingBox, tag_width: int, tag_height: int, width: int, height: int
) -> Iterator[BoundingBox]:
    """Places for one tag, best first: above the box, below, inside, then farther and farther."""
    if tag_width > width or tag_height > height:
        return
    aligned = (box.xmin, box.xmax - tag_width)
    beside = (box.xmin - tag_width, box.xmax)
    near = (box.ymin - tag_height, box.ymax, box.ymin, box.ymax - tag_height)
    steps = range(1, height // tag_height + 1)
    far = tuple(box.ymin + way * step * tag_height for step in steps for way in (1, -1))
    for lefts, tops in ((aligned, near), (beside, near), (aligned + beside, far)):
        for top in tops:
            for left in lefts:
                x = max(0, min(left, width - tag_width))
                y = max(0, min(top, height - tag_height))
                yield BoundingBox(x, y, x + tag_width, y + tag_height)
