from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.domain import BoundingBox, Detection
from annotator.scoring import LabelledBox, Score, Tally, average_precision, match, overall

boxes = st.builds(
    lambda x, y, width, height: BoundingBox(x, y, x + width, y + height),
    *[st.integers(0, 60)] * 2,
    *[st.integers(1, 40)] * 2,
)
detections = st.builds(
    lambda label, score, box: Detection(label, 0, score, box),
    st.sampled_from(["person", "car"]),
    st.sampled_from([0.1, 0.4, 0.5, 0.9]),
    boxes,
)
truths = st.builds(LabelledBox, st.sampled_from(["person", "car"]), boxes, st.booleans())


def person(score: float, *corners: int) -> Detection:
    return Detection("person", 0, score, BoundingBox(*corners))


def there(*corners: int, crowd: bool = False) -> LabelledBox:
    return LabelledBox("person", BoundingBox(*corners), crowd)


def scored(
    found: list[Detection], truth: list[LabelledBox], min_score: float = 0.5
) -> dict[str, Score]:
    tally = Tally(["person", "car"])
    tally.add(found, truth)
    return {score.label: score for score in tally.scores(min_score)}


@given(st.lists(boxes, unique=True, min_size=1, max_size=15))
def test_what_is_exactly_so_is_perfect(truth: list[BoundingBox]) -> None:
    found = [Detection("person", 0, 0.9, box) for box in truth]
    score = scored(found, [LabelledBox("person", box) for box in truth])["person"]
    assert (score.precision, score.recall, score.f1) == (1, 1, 1)
    assert score.ap50 == pytest.approx(1)


@given(st.lists(truths, max_size=15))
def test_nothing_found_is_nothing(truth: list[LabelledBox]) -> None:
    for score in scored([], truth).values():
        assert (score.found, score.right, score.precision) == (0, 0, None)
        assert score.recall == (0 if score.boxes else None)
        assert score.ap50 == (0 if score.boxes else None)


@given(st.lists(detections, max_size=12), st.lists(truths, max_size=8), st.randoms())
def test_order_does_not_matter(
    found: list[Detection], truth: list[LabelledBox], shuffle: random.Random
) -> None:
    before = scored(found, truth)
    shuffle.shuffle(found)
    shuffle.shuffle(truth)
    assert scored(found, truth) == before


@given(st.lists(detections, max_size=12), st.lists(truths, max_size=8))
def test_numbers_stay_in_their_bounds(found: list[Detection], truth: list[LabelledBox]) -> None:
    for score in scored(found, truth).values():
        assert 0 <= score.right <= min(score.found, score.boxes)
        assert score.ap50 is None or 0 <= score.ap50 <= 1 + 1e-9


@given(st.lists(boxes, max_size=12), st.lists(boxes, max_size=12))
def test_partners_are_pairs_that_overlap(a: list[BoundingBox], b: list[BoundingBox]) -> None:
    partners = match(a, b, 0.3)
    taken = [partner for partner in partners if partner is not None]
    assert len(set(taken)) == len(taken)
    for box, partner in zip(a, partners, strict=True):
        if partner is not None:
            assert box.iou(b[partner]) >= 0.3
        else:
            free = set(range(len(b))) - set(taken)
            assert all(box.iou(b[index]) < 0.3 for index in free)


def test_the_best_score_chooses_first_and_a_double_is_wrong() -> None:
    truth = [there(0, 0, 100, 100)]
    score = scored([person(0.6, 0, 0, 100, 90), person(0.9, 0, 0, 100, 80)], truth)["person"]
    assert (score.found, score.right, score.boxes) == (2, 1, 1)
    assert score.ap50 == pytest.approx(1)  # the better one comes first


def test_the_threshold_bounds_all_but_ap50() -> None:
    score = scored([person(0.3, 0, 0, 100, 100)], [there(0, 0, 100, 100)])["person"]
    assert (score.found, score.right, score.recall) == (0, 0, 0)
    assert score.ap50 == pytest.approx(1)


def test_a_crowd_is_neither_right_nor_wrong() -> None:
    truth = [there(0, 0, 200, 200, crowd=True), there(300, 0, 400, 100)]
    found = [
        person(0.9, 10, 10, 50, 90),
        person(0.8, 60, 10, 90, 90),
        person(0.7, 300, 0, 400, 100),
    ]
    score = scored(found, truth)["person"]
    assert (score.boxes, score.found, score.right) == (1, 1, 1)


def test_ap_is_coco_s() -> None:
    """Right, wrong, right of 4: precision 1 up to recall 0.25, 2/3 up to 0.5, then none."""
    ranked = [(0.9, True), (0.8, False), (0.7, True)]
    assert average_precision(ranked, 4) == pytest.approx((26 * 1 + 25 * 2 / 3) / 101)


def test_all_labels_together() -> None:
    every = overall(
        [Score("person", 4, 3, 2, 0.5), Score("car", 0, 1, 0, None), Score("cat", 1, 1, 1, 1)]
    )
    assert (every.boxes, every.found, every.right, every.ap50) == (5, 5, 3, 0.75)
    assert overall([]).ap50 is None
