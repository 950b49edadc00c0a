"""A picture is complete when its bytes say so: real JPEGs, cut anywhere."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from annotator.domain import Reason
from annotator.errors import CaptureUnreadable
from annotator.nvr.jpeg import is_complete_jpeg, require_whole


def picture(width: int, height: int) -> Image.Image:
    return Image.effect_noise((width, height), 80).convert("RGB")


def encoded(image: Image.Image, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "JPEG", **options)
    return stream.getvalue()


def with_thumbnail() -> bytes:
    """A JPEG that holds another, complete one in its EXIF segment."""
    thumbnail = encoded(picture(16, 16))
    return encoded(picture(64, 48), exif=b"Exif\0\0" + thumbnail)


JPEGS = {
    "baseline": encoded(picture(64, 48)),
    "grey": encoded(picture(40, 40).convert("L")),
    "progressive": encoded(picture(64, 48), progressive=True),
    "restart markers": encoded(picture(64, 64), restart_marker_blocks=1),
    "thumbnail": with_thumbnail(),
    "comment with an end marker": encoded(picture(32, 32), comment=b"\xff\xd9\xff\xda\0\2"),
}


def test_the_samples_are_what_they_are_called() -> None:
    assert JPEGS["thumbnail"].count(b"\xff\xd9") > 1
    assert JPEGS["progressive"].count(b"\xff\xda") > 1
    assert b"\xff\xd0" in JPEGS["restart markers"]


@pytest.mark.parametrize("name", JPEGS)
def test_cut_at_any_byte_it_is_not_complete(name: str) -> None:
    whole = JPEGS[name]
    assert is_complete_jpeg(whole)
    assert [at for at in range(len(whole)) if is_complete_jpeg(whole[:at])] == []


@given(st.sampled_from(sorted(JPEGS)), st.binary(max_size=200))
def test_what_follows_the_picture_does_not_matter(name: str, trailer: bytes) -> None:
    assert is_complete_jpeg(JPEGS[name] + trailer)


@given(st.binary(max_size=200))
def test_junk_is_never_an_error(junk: bytes) -> None:
    is_complete_jpeg(junk)
    is_complete_jpeg(b"\xff\xd8" + junk)


def test_tables_alone_are_not_a_picture() -> None:
    assert not is_complete_jpeg(b"\xff\xd8\xff\xd9")


@pytest.mark.parametrize(
    ("data", "reason", "final"),
    [
        (b"", Reason.EMPTY, False),
        (b"\xff", Reason.TRUNCATED, False),
        (b"\xff\xd8", Reason.TRUNCATED, False),
        (JPEGS["baseline"][:-1], Reason.TRUNCATED, False),
        (b"GIF89a" + bytes(100), Reason.NOT_JPEG, True),
        (b"\0\0\1\0 an icon's beginning", Reason.NOT_JPEG, True),
        (bytes(4096), Reason.NOT_JPEG, False),  # set aside, still to be filled
        (bytes(4096) + JPEGS["baseline"], Reason.NOT_JPEG, False),
        (bytes(100_001), Reason.TOO_LARGE, True),
    ],
)
def test_what_is_wrong_with_bytes(data: bytes, reason: Reason, final: bool) -> None:
    with pytest.raises(CaptureUnreadable) as caught:
        require_whole(data, 100_000)
    assert (caught.value.reason, caught.value.final) == (reason, final)


def test_a_whole_picture_passes() -> None:
    check: Callable[[bytes, int], None] = require_whole
    check(JPEGS["baseline"], 100_000)
