from __future__ import annotations

import io
import struct
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from annotator.domain import BoundingBox, Reason
from annotator.errors import CaptureUnreadable
from annotator.inference.image import Fit, Picture, Resize, decode


def jpeg(width: int = 64, height: int = 48, mode: str = "RGB", **options: object) -> bytes:
    noise = np.random.default_rng(7).integers(0, 255, (height, width, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).convert(mode).save(file, "JPEG", **options)
    return file.getvalue()


def opened(
    content: bytes, least: int = 1, max_megapixels: float = 50, turbo: bool = True
) -> Picture:
    def need(width: int, height: int) -> tuple[int, int]:
        return least, least

    return decode(content, max_megapixels=max_megapixels, need=need, turbo=turbo)


def with_size(content: bytes, width: int, height: int) -> bytes:
    """The same JPEG whose header claims another size."""
    at = content.index(b"\xff\xc0") + 5
    return content[:at] + struct.pack(">HH", height, width) + content[at + 4 :]


WHOLE = jpeg()


@pytest.mark.parametrize("turbo", [True, False])
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
def test_what_cannot_be_looked_at_has_a_reason(
    content: bytes, reason: Reason, final: bool, turbo: bool
) -> None:
    with pytest.raises(CaptureUnreadable) as raised:
        opened(content, turbo=turbo)
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


@pytest.mark.parametrize("whole", [WHOLE, jpeg(progressive=True)], ids=["plain", "progressive"])
@given(data=st.data())
def test_a_damaged_byte_gives_a_picture_or_a_reason_whoever_decodes(
    whole: bytes, data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(whole) - 1))
    damaged = whole[:at] + bytes([data.draw(st.integers(0, 255))]) + whole[at + 1 :]
    verdicts = []
    for turbo in (True, False):
        try:
            picture = opened(damaged, turbo=turbo)
        except CaptureUnreadable as error:
            assert str(error)
            verdicts.append((error.reason, error.final))
        else:
            assert picture.pixels().shape == (picture.height, picture.width, 3)
            verdicts.append((picture.width, picture.height))
    assert verdicts[0] == verdicts[1]


def test_colours_that_are_sampled_oddly_are_decoded_all_the_same() -> None:
    """One row of blue and red for four of brightness, a way for which simplejpeg has no name."""
    at = WHOLE.index(b"\xff\xc0") + 11
    odd = WHOLE[:at] + b"\x14" + WHOLE[at + 1 :]
    shapes = [opened(odd, turbo=turbo).pixels().shape for turbo in (True, False)]
    assert shapes == [(48, 64, 3)] * 2


@pytest.mark.parametrize("turbo", [True, False])
def test_grey_becomes_rgb_and_orientation_is_ignored(turbo: bool) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = opened(jpeg(mode="L", exif=exif), turbo=turbo)
    assert (picture.width, picture.height) == (64, 48)
    pixels = picture.pixels()
    assert pixels.shape == (48, 64, 3)
    assert (pixels[..., 0] == pixels[..., 2]).all()


@pytest.mark.parametrize("turbo", [True, False])
@pytest.mark.parametrize(
    ("least", "reduction"), [(301, 1), (300, 1), (168, 1), (167, 2), (83, 4), (41, 8), (1, 8)]
)
def test_it_is_decoded_no_finer_than_asked_and_fully_when_needed(
    least: int, reduction: int, turbo: bool
) -> None:
    """301 rows, of which nine tenths of what is asked for must be there."""
    picture = opened(jpeg(401, 301), least, turbo=turbo)
    assert picture.reduction == reduction
    assert picture.decoded.shape == (-(-301 // reduction), -(-401 // reduction), 3)
    whole = picture.pixels()
    assert whole.shape == (301, 401, 3)
    assert picture.reduction == 1
    assert picture.pixels() is whole


def test_without_a_need_the_full_resolution_is_there_at_once() -> None:
    assert decode(jpeg(401, 301), max_megapixels=1).decoded.shape == (301, 401, 3)


@given(
    width=st.integers(1, 130),
    height=st.integers(1, 130),
    least=st.integers(1, 60),
    mode=st.sampled_from(["RGB", "L"]),
    progressive=st.booleans(),
)
def test_both_decoders_give_the_same_pixels(
    width: int, height: int, least: int, mode: str, progressive: bool
) -> None:
    content = jpeg(width, height, mode, progressive=progressive)
    pictures = [opened(content, least, turbo=turbo) for turbo in (True, False)]
    assert pictures[0].reduction == pictures[1].reduction
    one, other = (picture.decoded.astype(int) for picture in pictures)
    assert one.shape == other.shape
    assert abs(one - other).max() <= 2  # two releases of libjpeg-turbo may round differently


def test_the_need_is_asked_about_the_captures_size() -> None:
    asked = []

    def need(width: int, height: int) -> tuple[int, int]:
        asked.append((width, height))
        return 30, 90

    assert decode(jpeg(401, 301), max_megapixels=1, need=need).reduction == 2
    assert asked == [(401, 301)]


@pytest.mark.parametrize(
    ("side", "reduction"), [(100, 8), (111, 8), (112, 1), (300, 1)], ids=["", "short", "", ""]
)
def test_what_is_too_coarse_for_a_network_is_decoded_in_full(side: int, reduction: int) -> None:
    picture = opened(jpeg(800, 800), 100)
    assert picture.reduction == 8
    assert picture.fitted(side, side, Fit.STRETCH).pixels.shape == (side, side, 3)
    assert picture.reduction == reduction


def test_a_small_region_gets_the_full_resolution() -> None:
    picture = opened(jpeg(800, 800), 100)
    picture.fitted(90, 90, Fit.STRETCH, BoundingBox(80, 80, 799, 799))
    assert picture.reduction == 8
    picture.fitted(100, 100, Fit.STRETCH, BoundingBox(0, 0, 200, 200))
    assert picture.reduction == 1


def box_reduced(drawn: Image.Image, reduction: int) -> NDArray[np.uint8]:
    """As libjpeg does it: blocks at the right and lower edge may be incomplete."""
    whole = np.asarray(drawn)
    rows, columns = -whole.shape[0] % reduction, -whole.shape[1] % reduction
    blocks = np.pad(whole, ((0, rows), (0, columns), (0, 0)), mode="edge")
    height, width = blocks.shape[0] // reduction, blocks.shape[1] // reduction
    return blocks.reshape(height, reduction, width, reduction, 3).mean(axis=(1, 3)).astype(np.uint8)


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
    reduction = data.draw(st.sampled_from([1, 2]))
    fed = Picture(partial(box_reduced, drawn), width, height, reduction).fitted(*net, fit)
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
