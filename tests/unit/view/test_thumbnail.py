"""Small pictures: as wide as asked for, with boxes where they belong, cheap for large captures."""

from __future__ import annotations

import io

import pytest
from PIL import Image, ImageDraw

from annotator.domain import BoundingBox, Detection, Reason
from annotator.errors import CaptureUnreadable
from annotator.view.draw import label_colour
from annotator.view.thumbnail import cropped_to, thumbnail
from tests.fakes.seen import jpeg, opened

CAT = Detection("cat", 16, 0.75, BoundingBox(640, 360, 1280, 1070))


@pytest.mark.parametrize(
    ("size", "width_px", "expected"),
    [
        ((1920, 1080), 320, (320, 180)),
        ((640, 480), 1280, (640, 480)),  # never larger than it is
        ((300, 4000), 320, (48, 640)),  # nor very tall
        ((1, 1), 320, (1, 1)),
        ((4000, 1), 320, (320, 1)),
    ],
)
def test_the_size(size: tuple[int, int], width_px: int, expected: tuple[int, int]) -> None:
    assert opened(thumbnail(jpeg(size=size), [CAT], width_px=width_px)).size == expected


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_boxes_are_where_they_were(mode: str) -> None:
    small = opened(thumbnail(jpeg(size=(1920, 1080), mode=mode), [CAT], width_px=320))
    assert small.mode == "RGB"
    wanted = label_colour("cat")
    # The box's left, right and lower edges at a sixth of the size, by the colour in the middle.
    for place in ((107, 150), (212, 150), (160, 177)):
        found = small.getpixel(place)
        assert isinstance(found, tuple)
        assert max(abs(a - b) for a, b in zip(found, wanted, strict=True)) < 90, (place, found)
    assert small.getpixel((50, 100)) == pytest.approx((128, 128, 128), abs=12)


def test_a_box_of_a_pixel_stays_one() -> None:
    tiny = Detection("bird", 15, 0.5, BoundingBox(1919, 1079, 1920, 1080))
    assert opened(thumbnail(jpeg(size=(1920, 1080)), [tiny])).size == (320, 180)


@pytest.mark.parametrize("make", [thumbnail, lambda data: cropped_to(data, CAT.box)])
def test_what_is_no_picture_is_said(make) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(CaptureUnreadable) as caught:
        make(b"not a picture")
    assert caught.value.reason is Reason.NOT_JPEG
    with pytest.raises(CaptureUnreadable):
        make(jpeg(size=(1920, 1080))[:900])


def test_a_picture_that_is_too_large_is_not_decoded() -> None:
    with pytest.raises(CaptureUnreadable) as caught:
        thumbnail(jpeg(size=(1000, 1000)), max_megapixels=0.5)
    assert caught.value.reason is Reason.TOO_LARGE


@pytest.mark.parametrize(
    "box",
    [
        BoundingBox(900, 500, 1000, 620),
        BoundingBox(0, 0, 120, 80),  # in a corner there is no room for a margin
        BoundingBox(0, 0, 1920, 1080),
        BoundingBox(1919, 1079, 1920, 1080),
    ],
)
def test_a_cut_out_is_square_and_of_the_box(box: BoundingBox) -> None:
    picture = Image.new("RGB", (1920, 1080), "black")
    ImageDraw.Draw(picture).rectangle((box.xmin, box.ymin, box.xmax, box.ymax), fill="white")
    out = io.BytesIO()
    picture.save(out, "JPEG")
    cut = opened(cropped_to(out.getvalue(), box, size_px=96))
    assert cut.size == (96, 96)
    mean = sum(cut.convert("L").tobytes()) / 96**2
    assert mean > 50, "the box is on it"
