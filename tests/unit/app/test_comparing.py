from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from annotator.app.comparing import told_apart
from annotator.domain import BoundingBox, Detection

HERE = Path("x.jpg")


def seen(label: str, left: int, score: float = 0.8) -> Detection:
    return Detection(label, 0, score, BoundingBox(left, 0, left + 100, 100))


def test_the_same_place_and_label_is_agreement() -> None:
    a, b = (seen("car", 0), seen("dog", 300)), (seen("car", 10), seen("cat", 300))
    told = told_apart(HERE, a, b)
    assert told.both == (a[0],)
    assert told.only_a == (a[1],)
    assert told.only_b == (b[1],)
    assert told.size == 1.6


def test_what_is_seen_twice_by_one_is_agreed_on_once() -> None:
    told = told_apart(HERE, (seen("car", 0, 0.9), seen("car", 5, 0.6)), (seen("car", 0),))
    assert len(told.both) == 1
    assert len(told.only_a) == 1
    assert told.only_b == ()


DETECTIONS = st.lists(
    st.builds(seen, st.sampled_from(["car", "dog"]), st.integers(0, 400), st.floats(0.1, 1)),
    max_size=6,
).map(tuple)


@given(DETECTIONS, DETECTIONS)
def test_each_detection_is_told_of_once(a: tuple[Detection, ...], b: tuple[Detection, ...]) -> None:
    told = told_apart(HERE, a, b)
    assert len(told.both) + len(told.only_a) == len(a)
    assert len(told.both) + len(told.only_b) == len(b)


@given(DETECTIONS)
def test_nobody_differs_from_itself(a: tuple[Detection, ...]) -> None:
    told = told_apart(HERE, a, a)
    assert (told.only_a, told.only_b, told.size) == ((), (), 0)
