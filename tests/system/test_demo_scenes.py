"""The demo's pictures: found in installed packages, camera-sized, the same every time."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

import pytest
from PIL import Image, ImageChops

from demo.picture import MAX_BYTES, shrunk
from demo.pictures import ASTRONAUT, CAT, GRACE_HOPPER, Figure, carried_file, cut_out
from demo.scenes import DRIVE, FRONT_DOOR, GARDEN, PLAYROOM, film, picture

STARTED = datetime(2026, 4, 4, 4, 30, tzinfo=UTC)


@pytest.mark.parametrize("figure", [ASTRONAUT, GRACE_HOPPER, CAT])
def test_every_outline_fits_its_file(figure: Figure) -> None:
    with Image.open(carried_file(figure.package, figure.file)) as carried:
        width, height = carried.size
    assert all(0 <= x < width and 0 <= y < height for x, y in figure.outline)
    cut = cut_out(figure)
    assert cut.mode == "RGBA"
    assert cut.getchannel("A").getextrema() == (0, 255)


def test_a_missing_package_is_named_with_what_to_do() -> None:
    with pytest.raises(FileNotFoundError, match=r"no_such_package.*make demo"):
        carried_file("no_such_package", "picture.png")


def test_only_the_clock_depends_on_when_it_is() -> None:
    first = picture(GARDEN, 1, STARTED)
    again = picture(GARDEN, 1, STARTED)
    later = picture(GARDEN, 1, STARTED + timedelta(days=200, hours=9))
    assert first.tobytes() == again.tobytes()
    changed = ImageChops.difference(first, later).getbbox()
    assert changed is not None
    left, top, right, bottom = changed
    assert left >= 0 and top >= 0 and right < 700 and bottom < 80


def test_frames_are_numbered_with_gaps_and_dated_accordingly() -> None:
    frames = list(film(GARDEN, STARTED))
    assert [frame.number for frame in frames] == [12, 15, 18, 24, 27]
    assert frames[0].taken_at == STARTED
    assert frames[-1].taken_at == STARTED + timedelta(seconds=3)
    with Image.open(io.BytesIO(frames[0].jpeg)) as opened:
        assert (opened.format, opened.size) == ("JPEG", (1920, 1080))


def test_each_camera_has_its_own_name() -> None:
    scenes = (FRONT_DOOR, PLAYROOM, DRIVE, GARDEN)
    assert len({scene.monitor for scene in scenes}) == len(scenes)


def test_the_readme_picture_is_small() -> None:
    noisy = Image.effect_noise((1920, 1080), 40).convert("RGB")
    with Image.open(io.BytesIO(shrunk(noisy))) as small:
        assert small.size == (1280, 720)
    assert len(shrunk(picture(GARDEN, 0, STARTED))) <= MAX_BYTES
