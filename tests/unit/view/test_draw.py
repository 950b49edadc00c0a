"""What `annotator.view.draw` promises: same size, readable tags inside the picture, no two on top
of each other, and faces that differ by more than colour."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from annotator.domain import (
    EMBEDDING_BYTES,
    BoundingBox,
    Detection,
    Face,
    Gate,
    Identification,
    Identity,
    Reason,
    Sighting,
)
from annotator.errors import CaptureUnreadable
from annotator.view.draw import (
    KNOWN_COLOUR,
    UNKNOWN_COLOUR,
    UNUSED_COLOUR,
    draw,
    label_colour,
    marks_of,
    place_tags,
)

GREY = (128, 128, 128)
PERSON = Detection("person", 0, 0.75, BoundingBox(40, 40, 300, 400))


def jpeg(width: int = 640, height: int = 480, mode: str = "RGB") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), GREY).convert(mode).save(out, "JPEG")
    return out.getvalue()


def opened(data: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(data))
    picture.load()
    assert picture.format == "JPEG"
    return picture


def face(identity: Identity | None, name: str | None = None) -> Face:
    box = BoundingBox(100, 100, 200, 220)
    if identity is None:
        return Face(box, 0.9, 5.0, Gate.BLURRED)
    said = Identification(identity, name, 0.93 if name else None)
    return Face(box, 0.9, 90.0, Gate.USABLE, bytes(EMBEDDING_BYTES), said)


def sighting(**changes: object) -> Sighting:
    row = Sighting(
        captured_at=datetime(2026, 5, 1, tzinfo=UTC),
        monitor="FrontDoor",
        event="1",
        frame=1,
        label=PERSON.label,
        class_id=PERSON.class_id,
        score=PERSON.score,
        box=PERSON.box,
        path="FrontDoor/1/00001-capture.jpg",
    )
    return replace(row, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [(640, 480), (3840, 2160), (80, 45), (3, 2), (1, 1)])
def test_the_picture_keeps_its_size(size: tuple[int, int]) -> None:
    assert opened(draw(jpeg(*size), [PERSON])).size == size


def test_without_detections_the_picture_stays_as_it_is() -> None:
    assert opened(draw(jpeg(), [])).getextrema() == ((128, 128),) * 3


def test_frame_and_tag_have_the_labels_colour() -> None:
    picture = opened(draw(jpeg(), [PERSON]))
    box = PERSON.box
    for where in ((box.xmin, 200), (box.xmax - 1, 200), (170, box.ymax - 1), (42, box.ymin - 3)):
        assert near(picture, where, label_colour("person")), where


def near(picture: Image.Image, where: tuple[int, int], colour: tuple[int, int, int]) -> bool:
    """JPEG smears thin lines."""
    pixel = picture.getpixel(where)
    assert isinstance(pixel, tuple)
    return all(abs(got - wanted) < 70 for got, wanted in zip(pixel, colour, strict=True))


@pytest.mark.parametrize(
    ("seen", "text", "colour", "dashed"),
    [
        (face(Identity.KNOWN, "Ada"), "Ada 0.93", KNOWN_COLOUR, False),
        (face(Identity.UNKNOWN), "unknown", UNKNOWN_COLOUR, True),
        (face(Identity.NO_GALLERY), "no gallery", UNUSED_COLOUR, True),
        (face(None), "blurred", UNUSED_COLOUR, True),
    ],
)
def test_a_face_says_who_it_is_and_only_a_known_one_has_a_solid_frame(
    seen: Face, text: str, colour: tuple[int, int, int], dashed: bool
) -> None:
    mark = marks_of([PERSON.with_faces((seen,))])[-1]
    assert (mark.box, mark.text, mark.colour, mark.dashed) == (seen.box, text, colour, dashed)


def test_rows_of_an_answer_give_the_same_marks_as_the_detection() -> None:
    known, unknown = face(Identity.KNOWN, "Ada"), face(Identity.UNKNOWN)
    unknown = replace(unknown, box=unknown.box.translate(60, 0))
    rows = [
        sighting(face_box=known.box, name="Ada", probability=0.93, verdict=known.verdict),
        sighting(face_box=unknown.box, verdict=unknown.verdict),
    ]
    assert marks_of(rows) == marks_of([PERSON.with_faces((known, unknown))])
    assert marks_of([sighting()]) == marks_of([PERSON])


def test_dashes_leave_gaps_where_a_solid_frame_has_none() -> None:
    def row(identity: Identity, name: str | None) -> set[bool]:
        seen = face(identity, name)
        person = replace(PERSON, box=BoundingBox(0, 0, 640, 480), faces=(seen,))
        picture = opened(draw(jpeg(), [person]))
        x = seen.box.xmin
        return {near(picture, (x, y), GREY) for y in range(seen.box.ymin, seen.box.ymax)}

    assert row(Identity.KNOWN, "Ada") == {False}
    assert row(Identity.UNKNOWN, None) == {True, False}


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_other_kinds_of_jpeg_are_drawn_in_colour(mode: str) -> None:
    assert opened(draw(jpeg(mode=mode), [PERSON])).mode == "RGB"


def test_boxes_that_reach_beyond_the_picture_are_drawn_as_far_as_it_goes() -> None:
    beyond = replace(PERSON, box=BoundingBox(600, 100, 5000, 5000))
    outside = replace(PERSON, box=BoundingBox(900, 900, 950, 950))
    assert draw(jpeg(), [beyond, outside]) == draw(jpeg(), [beyond])


def test_a_long_name_is_cut_to_the_picture() -> None:
    seen = face(Identity.KNOWN, "Somebody with a very long name indeed " * 20)
    assert opened(draw(jpeg(), [PERSON.with_faces((seen,))])).size == (640, 480)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (lambda: b"", Reason.NOT_JPEG),
        (lambda: b"GIF89a" + bytes(100), Reason.NOT_JPEG),
        (lambda: jpeg()[:-900], Reason.CORRUPT),
        (lambda: jpeg(8000, 7000, "L"), Reason.TOO_LARGE),
    ],
)
def test_what_cannot_be_drawn_on_says_why(data: Callable[[], bytes], reason: Reason) -> None:
    with pytest.raises(CaptureUnreadable) as caught:
        draw(data(), [PERSON])
    assert caught.value.reason is reason


def boxes(limit: int) -> st.SearchStrategy[BoundingBox]:
    start, length = st.integers(0, limit), st.integers(1, limit)
    return st.builds(
        lambda x, y, width, height: BoundingBox(x, y, x + width, y + height),
        *(start, start, length, length),
    )


wishes = st.lists(st.tuples(boxes(400), st.integers(1, 150), st.integers(1, 30)), max_size=12)


@given(wishes, st.integers(1, 400), st.integers(1, 300))
def test_tags_are_inside_the_picture_and_never_overlap(
    wanted: list[tuple[BoundingBox, int, int]], width: int, height: int
) -> None:
    places = place_tags(wanted, width, height)
    assert len(places) == len(wanted)
    placed = [place for place in places if place is not None]
    for (_, tag_width, tag_height), place in zip(wanted, places, strict=True):
        if place is not None:
            assert (place.width, place.height) == (tag_width, tag_height)
            assert place.xmax <= width and place.ymax <= height
    for index, place in enumerate(placed):
        assert not any(place.intersection(other) for other in placed[:index])


def test_a_tag_is_above_its_box_or_inside_where_there_is_no_room() -> None:
    high, low = BoundingBox(10, 0, 90, 50), BoundingBox(200, 60, 290, 90)
    assert place_tags([(high, 40, 10), (low, 40, 10)], 300, 100) == (
        BoundingBox(10, 0, 50, 10),
        BoundingBox(200, 50, 240, 60),
    )
