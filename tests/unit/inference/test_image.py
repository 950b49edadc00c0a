from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from annotator.domain import BoundingBox, Reason
from annotator.errors import CaptureUnreadable
from annotator.inference.image import Fit, Picture, Resize, decode


def jpeg(width: int = 64, height: int = 48, mode: str = "RGB", **options: object) -> bytes:
    noise = np.random.default_rng(7).integers(0, 255, (height, width, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).convert(mode).save(file, "JPEG", **options)
    return file.getvalue()


def opened(content: bytes, least: int = 1, max_megapixels: float = 50) -> Picture:
    return decode(content, max_megapixels=max_megapixels, min_width=least, min_height=least)


def with_size(content: bytes, width: int, height: int) -> bytes:
    """The same JPEG whose header claims another size."""
    at = content.index(b"\xff\xc0") + 5
    return content[:at] + struct.pack(">HH", height, width) + content[at + 4 :]


WHOLE = jpeg()


@pytest.mark.parametrize(
    ("content", "reason", "final"),
    [
        (b"", Reason.EMPTY, False),
        (b"\xff", Reason.TRUNCATED, False),
        (bytes(4096), Reason.TRUNCATED, False),
        (WHOLE[: len(WHOLE) // 2], Reason.TRUNCATED, False),
        (WHOLE[:200], Reason.TRUNCATED, False),
        (WHOLE[:400] + bytes(len(WHOLE) - 400), Reason.TRUNCATED, False),
        (b"GIF89a" + bytes(100), Reason.NOT_JPEG, True),
        (b"hello", Reason.NOT_JPEG, True),
        (WHOLE[:40] + WHOLE[-2:], Reason.CORRUPT, True),
        (jpeg(mode="CMYK"), Reason.UNSUPPORTED, True),
        (with_size(WHOLE, 65500, 65500), Reason.TOO_LARGE, True),
    ],
)
def test_what_cannot_be_looked_at_has_a_reason(content: bytes, reason: Reason, final: bool) -> None:
    with pytest.raises(CaptureUnreadable) as raised:
        opened(content)
    assert (raised.value.reason, raised.value.final) == (reason, final)
    assert str(raised.value)


def test_a_picture_file_of_another_kind_is_no_jpeg() -> None:
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "PNG")
    with pytest.raises(CaptureUnreadable) as raised:
        opened(file.getvalue())
    assert raised.value.reason is Reason.NOT_JPEG


def test_size_is_judged_by_the_setting() -> None:
    assert opened(jpeg(1000, 600), max_megapixels=0.6).width == 1000
    with pytest.raises(CaptureUnreadable, match=r"max_megapixels is 0\.5"):
        opened(jpeg(1000, 600), max_megapixels=0.5)


def test_endless_progressive_scans_are_refused() -> None:
    content = jpeg(1000, 1000, progressive=True)
    assert opened(content).width == 1000
    scan = content.index(b"\xff\xda")
    bomb = content[:scan] + content[scan : scan + 12] * 5000 + content[scan:]
    with pytest.raises(CaptureUnreadable, match="progressive scans"):
        opened(bomb)


@given(cut=st.integers(0, len(WHOLE) - 1))
def test_no_cut_file_is_taken_for_a_whole_one(cut: int) -> None:
    # The last bytes may be missing: the end marker, and bits that only fill up the last byte.
    try:
        opened(WHOLE[:cut])
    except CaptureUnreadable as error:
        assert not error.final
    else:
        assert cut >= len(WHOLE) - 3


@given(at=st.integers(0, len(WHOLE) - 1), value=st.integers(0, 255))
def test_a_damaged_byte_gives_a_picture_or_a_reason(at: int, value: int) -> None:
    damaged = WHOLE[:at] + bytes([value]) + WHOLE[at + 1 :]
    try:
        picture = opened(damaged)
    except CaptureUnreadable as error:
        assert str(error)
    else:
        assert picture.pixels().shape == (picture.height, picture.width, 3)


def test_grey_becomes_rgb_and_orientation_is_ignored() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = opened(jpeg(mode="L", exif=exif))
    assert (picture.width, picture.height) == (64, 48)
    pixels = picture.pixels()
    assert pixels.shape == (48, 64, 3)
    assert (pixels[..., 0] == pixels[..., 2]).all()


@pytest.mark.parametrize(("least", "reduction"), [(300, 1), (150, 2), (75, 4), (30, 8)])
def test_it_is_decoded_no_finer_than_asked_and_fully_when_needed(
    least: int, reduction: int
) -> None:
    picture = opened(jpeg(401, 301), least)
    assert picture.reduction == reduction
    assert picture.pixels().shape == (301, 401, 3)
    assert picture.reduction == 1
    assert picture.pixels() is picture.pixels()


def test_a_small_region_gets_the_full_resolution() -> None:
    picture = opened(jpeg(800, 800), 100)
    assert picture.reduction == 8
    picture.fitted(100, 100, Fit.STRETCH)
    assert picture.reduction == 8
    picture.fitted(100, 100, Fit.STRETCH, BoundingBox(0, 0, 200, 200))
    assert picture.reduction == 1


sides = st.integers(20, 900)


@given(
    width=sides,
    height=sides,
    net=st.tuples(st.sampled_from([128, 192, 300]), st.sampled_from([128, 224, 300])),
    fit=st.sampled_from(list(Fit)),
    data=st.data(),
)
def test_a_box_survives_the_way_to_the_network_and_back(
    width: int, height: int, net: tuple[int, int], fit: Fit, data: st.DataObject
) -> None:
    """Draw white on black, see where the network sees it, map that back."""
    xmin = data.draw(st.integers(0, width - 8))
    ymin = data.draw(st.integers(0, height - 8))
    box = BoundingBox(
        xmin,
        ymin,
        data.draw(st.integers(xmin + 8, width)),
        data.draw(st.integers(ymin + 8, height)),
    )
    drawn = Image.new("RGB", (width, height))
    ImageDraw.Draw(drawn).rectangle((box.xmin, box.ymin, box.xmax - 1, box.ymax - 1), fill="white")
    fed = Picture(b"", width, height, drawn, 1).fitted(*net, fit)
    assert fed.pixels.shape == (net[1], net[0], 3)

    # A pixel at the edge is as bright as the share of it that the box covers.
    seen = fed.pixels[..., 0].astype(float) / 255
    columns, rows = seen.max(axis=0), seen.max(axis=1)
    found = fed.resize.to_capture(
        int(np.argmax(rows > 0.5)) / net[1],
        int(np.argmax(columns > 0.5)) / net[0],
        (net[1] - int(np.argmax(rows[::-1] > 0.5))) / net[1],
        (net[0] - int(np.argmax(columns[::-1] > 0.5))) / net[0],
    )
    resize = fed.resize
    pixel_x, pixel_y = width / (resize.width * net[0]), height / (resize.height * net[1])
    if not (columns > 0.5).any() or box.width < 3 * pixel_x or box.height < 3 * pixel_y:
        return  # thinner than what the network can see
    assert found is not None
    assert abs(found.xmin - box.xmin) <= pixel_x + 1
    assert abs(found.xmax - box.xmax) <= pixel_x + 1
    assert abs(found.ymin - box.ymin) <= pixel_y + 1
    assert abs(found.ymax - box.ymax) <= pixel_y + 1


def test_letterbox_keeps_the_shape_and_centres() -> None:
    fed = opened(jpeg(400, 200)).fitted(100, 100, Fit.LETTERBOX)
    assert fed.resize == Resize(
        BoundingBox(0, 0, 400, 200), 400, 200, left=0, top=0.25, width=1, height=0.5
    )
    assert not fed.pixels[:25].any() and not fed.pixels[75:].any()
    assert fed.resize.to_capture(0.25, 0, 0.75, 1) == BoundingBox(0, 0, 400, 200)


def test_answers_beyond_the_capture_are_cut_or_dropped() -> None:
    resize = Resize(BoundingBox(10, 10, 20, 20), 100, 100)
    assert resize.to_capture(-5, -5, 50, 50) == BoundingBox(0, 0, 100, 100)
    assert resize.to_capture(20, 20, 30, 30) is None
    assert resize.to_capture(0, float("nan"), 1, 1) is None
