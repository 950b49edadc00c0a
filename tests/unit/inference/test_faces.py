from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from annotator.domain import BoundingBox
from annotator.inference.faces import (
    Calibration,
    FoundFace,
    distinct,
    share_out,
    sharpness,
)


def face(xmin: int, ymin: int, side: int = 20, score: float = 0.9) -> FoundFace:
    return FoundFace(BoundingBox(xmin, ymin, xmin + side, ymin + side), score)


LEFT, RIGHT = BoundingBox(0, 0, 100, 300), BoundingBox(80, 0, 180, 300)


def test_each_face_goes_to_the_person_it_fits() -> None:
    left, right = face(40, 10), face(120, 10)
    assert share_out([left, right], [LEFT, RIGHT]) == ((left,), (right,))


def test_of_two_people_who_overlap_neither_takes_the_others_face() -> None:
    # The child stands before the adult; both faces lie in the adult's box.
    adult, child = BoundingBox(0, 0, 200, 600), BoundingBox(60, 300, 160, 600)
    adults, childs = face(90, 20, 50), face(95, 315, 35)
    assert share_out([childs, adults], [adult, child]) == ((adults,), (childs,))
    assert share_out([adults, childs], [child, adult]) == ((childs,), (adults,))


def test_a_person_may_have_two_faces_where_nobody_else_is() -> None:
    # One box around two people.
    assert share_out([face(10, 10), face(60, 12)], [LEFT]) == ((face(10, 10), face(60, 12)),)


def test_a_face_in_nobodys_box_is_nobodys() -> None:
    assert share_out([face(300, 10)], [LEFT, RIGHT]) == ((), ())
    assert share_out([face(300, 10)], []) == ()


boxes = st.builds(
    lambda x, y, w, h: BoundingBox(x, y, x + w, y + h),
    *[st.integers(0, 300)] * 2,
    *[st.integers(5, 300)] * 2,
)
faces = st.lists(
    st.builds(face, *[st.integers(0, 500)] * 2, st.integers(5, 60), st.floats(0, 1)), unique=True
)


@given(faces, st.lists(boxes, max_size=6))
def test_no_face_is_shared_out_twice(found: list[FoundFace], persons: list[BoundingBox]) -> None:
    shares = share_out(found, persons)
    assert len(shares) == len(persons)
    given_away = [one for share in shares for one in share]
    assert len(given_away) == len(set(given_away))
    for one in found:
        inside = any(one.box.share_inside(person) >= 0.5 for person in persons)
        assert (one in given_away) == inside


@given(faces)
def test_repetitions_are_dropped_and_the_best_stay(found: list[FoundFace]) -> None:
    kept = distinct(found)
    assert [one.score for one in kept] == sorted((one.score for one in kept), reverse=True)
    for one in found:
        assert any(one.box.iou(other.box) >= 0.4 and other.score >= one.score for other in kept)


def test_a_calibrated_box_is_a_square_below() -> None:
    box = Calibration(down=0.25, side=0.5).apply(BoundingBox(100, 100, 200, 200), 1000, 1000)
    assert box == BoundingBox(125, 150, 175, 200)
    assert Calibration(down=0.25, side=0.5).apply(
        BoundingBox(100, 100, 200, 200), 1000, 160
    ) == BoundingBox(125, 150, 175, 160)


@pytest.mark.parametrize("side", [40, 80, 200])
def test_sharpness_falls_with_blur_and_hardly_depends_on_size(side: int) -> None:
    coarse = np.random.default_rng(3).integers(0, 255, (16, 16, 3), dtype=np.uint8)
    sharp = Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)
    values = [
        sharpness(np.asarray(sharp.filter(ImageFilter.GaussianBlur(share * side))))
        for share in (0, 0.02, 0.04, 0.08)
    ]
    assert values == sorted(values, reverse=True)
    reference = Image.fromarray(coarse).resize((400, 400), Image.Resampling.BICUBIC)
    assert values[0] == pytest.approx(sharpness(np.asarray(reference)), rel=0.25)
    assert sharpness(np.full((side, side, 3), 90, dtype=np.uint8)) == 0
