from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.domain import BoundingBox, Face, Gate, Identification, Identity, clipped_box

SIZE = 200


@st.composite
def boxes(draw: st.DrawFn) -> BoundingBox:
    xmin, ymin = draw(st.integers(0, SIZE - 1)), draw(st.integers(0, SIZE - 1))
    return BoundingBox(
        xmin, ymin, draw(st.integers(xmin + 1, SIZE)), draw(st.integers(ymin + 1, SIZE))
    )


@given(boxes(), boxes())
def test_iou_is_symmetric_and_bounded(one: BoundingBox, other: BoundingBox) -> None:
    assert one.iou(other) == other.iou(one)
    assert 0 <= one.iou(other) <= 1
    assert one.iou(one) == 1
    assert (one.iou(other) > 0) == (one.intersection(other) is not None)


@given(boxes(), boxes())
def test_an_intersection_lies_in_both(one: BoundingBox, other: BoundingBox) -> None:
    common = one.intersection(other)
    if common is not None:
        assert common.share_inside(one) == 1
        assert common.share_inside(other) == 1


def test_iou_as_googles_own_tests_expect() -> None:
    assert BoundingBox(0, 0, 200, 200).iou(BoundingBox(100, 100, 300, 300)) == pytest.approx(
        0.14286, abs=1e-4
    )


@pytest.mark.parametrize("bad", [(5, 0, 5, 9), (9, 0, 5, 9), (-1, 0, 5, 9), (0, 9, 5, 9)])
def test_a_reversed_or_empty_box_cannot_be_made(bad: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="not a box"):
        BoundingBox(*bad)


@given(*[st.floats(allow_nan=True, allow_infinity=True)] * 4)
def test_whatever_a_network_answers_becomes_a_box_inside_the_picture_or_none(
    xmin: float, ymin: float, xmax: float, ymax: float
) -> None:
    box = clipped_box(xmin, ymin, xmax, ymax, 640, 480)
    if box is not None:
        assert box.xmax <= 640
        assert box.ymax <= 480
    if any(math.isnan(value) for value in (xmin, ymin, xmax, ymax)):
        assert box is None


def test_a_name_and_an_identity_must_agree() -> None:
    with pytest.raises(ValueError, match="does not go with"):
        Identification(Identity.UNKNOWN, name="anna")
    with pytest.raises(ValueError, match="does not go with"):
        Identification(Identity.KNOWN)


def test_only_a_usable_face_has_an_embedding() -> None:
    box = BoundingBox(0, 0, 9, 9)
    assert Face(box, 0.9, 10, Gate.TOO_SMALL).verdict == "too small"
    with pytest.raises(ValueError, match="do not agree"):
        Face(box, 0.9, 10, Gate.BLURRED, bytes(512), Identification(Identity.UNKNOWN))
    with pytest.raises(ValueError, match="512 bytes"):
        Face(box, 0.9, 10, Gate.USABLE, bytes(12), Identification(Identity.UNKNOWN))
