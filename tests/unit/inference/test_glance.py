from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from annotator.config import SimilarSettings
from annotator.inference.glance import CELLS, Glance, glance
from annotator.inference.image import Picture, decode

Pixels = NDArray[np.uint8]
WIDTH, HEIGHT = 1920, 1080
LIMIT = SimilarSettings().max_changed


def scene(seed: int, width: int = WIDTH, height: int = HEIGHT) -> Image.Image:
    """Soft shapes in middling light, as in a yard."""
    coarse = np.random.default_rng(seed).integers(60, 180, (7, 12, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def seen(picture: Image.Image, *, noise: float = 0.0, gain: float = 1.0, seed: int = 1) -> Glance:
    """As a camera delivers it, decoded as a 300 x 300 network needs it."""
    exact = np.asarray(picture).astype(np.float32) * gain
    if noise:
        exact += np.random.default_rng(seed).normal(0, noise, (*exact.shape[:2], 1))
    file = io.BytesIO()
    Image.fromarray(exact.clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=75)
    return glance(decode(file.getvalue(), max_megapixels=50, need=lambda *_: (300, 300)))


def with_person(picture: Image.Image, left: int, top: int) -> Image.Image:
    """Dark, 20 x 50 pixels."""
    there = picture.copy()
    ImageDraw.Draw(there).ellipse((left, top, left + 19, top + 49), fill=(20, 25, 30))
    return there


def grey_glance(grey: Pixels, width: int = WIDTH, height: int = HEIGHT) -> Glance:
    return Glance(grey, width, height)


def test_it_is_small_and_knows_the_captures_size() -> None:
    taken = seen(scene(1))
    assert taken.grey.shape == (72, CELLS)
    assert (taken.width, taken.height) == (WIDTH, HEIGHT)


@pytest.mark.parametrize("size", [(1, 1), (3, 2000), (2000, 3), (50, 40)])
def test_any_size_will_do(size: tuple[int, int]) -> None:
    taken = seen(scene(1, *size))
    assert taken.changed(taken) == 0
    assert max(taken.grey.shape) == CELLS


def test_noise_jpeg_and_exposure_are_no_movement() -> None:
    before = seen(scene(1), noise=4, seed=1)
    assert seen(scene(1), noise=4, seed=2).changed(before) <= LIMIT
    assert seen(scene(1), noise=4, gain=1.25, seed=3).changed(before) <= LIMIT
    assert seen(scene(1), noise=4, gain=0.8, seed=4).changed(before) <= LIMIT


def test_someone_small_and_far_away_is_noticed_coming_walking_and_going() -> None:
    empty = seen(scene(1), noise=4, seed=1)
    there = seen(with_person(scene(1), 700, 400), noise=4, gain=1.1, seed=2)
    further = seen(with_person(scene(1), 712, 400), noise=4, seed=3)
    assert LIMIT < there.changed(empty) < 0.01
    assert LIMIT < further.changed(there) < 0.01
    assert LIMIT < empty.changed(further) < 0.01


def test_another_scene_is_no_noise() -> None:
    assert seen(scene(2)).changed(seen(scene(1))) > 0.2


def test_a_change_of_half_the_picture_is_about_a_half() -> None:
    half = scene(1)
    half.paste(scene(2).crop((0, 0, WIDTH // 2, HEIGHT)), (0, 0))
    assert 0.25 < seen(half).changed(seen(scene(1))) < 0.55


def test_another_size_is_another_picture() -> None:
    """Boxes are pixels of the capture: they cannot be taken over."""
    assert seen(scene(1, 1280, 720)).changed(seen(scene(1))) == 1


def test_a_glance_of_another_kind_is_refused() -> None:
    class Other:
        def changed(self, before: object) -> float:
            return 0.0

    with pytest.raises(TypeError, match="Other"):
        seen(scene(1)).changed(Other())


greys = st.builds(
    lambda seed, low, high: (
        np.random.default_rng(seed)
        .integers(min(low, high), max(low, high) + 1, (9, 16))
        .astype(np.uint8)
    ),
    st.integers(0, 1000),
    st.integers(0, 255),
    st.integers(0, 255),
)


@given(one=greys, other=greys)
def test_it_is_a_share_and_nothing_differs_from_itself(one: Pixels, other: Pixels) -> None:
    assert 0 <= grey_glance(one).changed(grey_glance(other)) <= 1
    assert grey_glance(one).changed(grey_glance(one)) == 0


@given(
    x=st.integers(0, CELLS - 12),
    y=st.integers(0, 60),
    width=st.integers(1, 12),
    height=st.integers(1, 12),
    step=st.sampled_from([-40, -20, 20, 40]),
)
def test_it_counts_the_cells_that_changed_whichever_came_first(
    x: int, y: int, width: int, height: int, step: int
) -> None:
    before = np.random.default_rng(3).integers(60, 190, (72, CELLS), dtype=np.uint8)
    after = before.copy()
    after[y : y + height, x : x + width] += np.uint8(step % 256)
    share = width * height / before.size
    assert grey_glance(after).changed(grey_glance(before)) == pytest.approx(share)
    assert grey_glance(before).changed(grey_glance(after)) == pytest.approx(share)


@given(gain=st.floats(0.6, 1.3), offset=st.floats(-20, 20))
def test_light_is_taken_out(gain: float, offset: float) -> None:
    before = np.random.default_rng(3).integers(60, 140, (72, CELLS), dtype=np.uint8)
    after = (before * gain + offset).clip(0, 255).astype(np.uint8)
    assert grey_glance(after).changed(grey_glance(before)) == 0


@pytest.mark.parametrize("reduction", [1, 2, 4])
def test_it_does_not_decode_for_itself(reduction: int) -> None:
    def decode_at(asked: int) -> Pixels:
        assert asked == reduction
        return np.asarray(scene(1).reduce(asked) if asked > 1 else scene(1))

    assert glance(Picture(decode_at, WIDTH, HEIGHT, reduction)).changed(seen(scene(1))) == 0
