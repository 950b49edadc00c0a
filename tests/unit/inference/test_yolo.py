"""YOLO's head on a tiny network that really looks, and on tables of numbers."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.errors import ModelError
from annotator.inference import heads, yolo
from annotator.inference.raw import suppressed
from annotator.inference.runtime import Answer, Graph, Quantisation, load_graph
from tests.fakes.tiny_ssd import write_tiny_ssd
from tests.fakes.tiny_yolo import Version, write_tiny_yolo

RED_AND_GREEN = np.full((64, 64, 3), 100, dtype=np.uint8)
RED_AND_GREEN[10:30, 20:50] = (220, 20, 30)
RED_AND_GREEN[40:60, 4:16] = (20, 200, 30)
HEADS: dict[Version, str] = {"v5": "yolov5", "v8": "yolov8"}


def tiny(path: Path, **options: object) -> Graph:
    write_tiny_yolo(path, **options)  # type: ignore[arg-type]
    return load_graph(path.read_bytes(), path.name, threads=1)


def seen(graph: Graph, name: str | None = None, min_score: float = 0.5) -> heads.RawDetections:
    head = heads.head_for(graph, "tiny", name)
    return head.decode(graph.invoke(RED_AND_GREEN, head.input_range), min_score)


@pytest.mark.parametrize("version", get_args(Version))
@pytest.mark.parametrize("dtype", ["uint8", "int8", "float32"])
def test_the_head_is_found_and_reads_stored_numbers(
    tmp_path: Path, version: Version, dtype: str
) -> None:
    graph = tiny(tmp_path / "tiny.tflite", version=version, dtype=dtype)
    head = heads.head_for(graph, "tiny")
    assert (head.name, head.classes) == (HEADS[version], 2)
    raw = seen(graph)
    in_order = np.argsort(raw.class_ids)
    # Stored in steps of 1/255 of the input, that is a quarter of a pixel.
    np.testing.assert_allclose(
        raw.boxes[in_order] * 64, [[10, 20, 30, 50], [40, 4, 60, 16]], atol=0.3
    )
    assert sorted(raw.class_ids.tolist()) == [0, 1]
    assert raw.scores.min() > 0.99


@pytest.mark.parametrize("version", get_args(Version))
def test_boxes_in_pixels_are_told_from_fractions(tmp_path: Path, version: Version) -> None:
    fractions = seen(tiny(tmp_path / "a.tflite", version=version))
    pixels = seen(tiny(tmp_path / "b.tflite", version=version, in_pixels=True))
    np.testing.assert_allclose(pixels.boxes, fractions.boxes, atol=1e-5)


def test_scores_that_were_quantised_away_are_an_error(tmp_path: Path) -> None:
    graph = tiny(tmp_path / "tiny.tflite", dtype="int8", in_pixels=True)
    with pytest.raises(ModelError, match=r"scores are stored in steps of 0\.25"):
        heads.head_for(graph, "tiny")


def test_what_does_not_fit_says_what_was_expected_and_found(tmp_path: Path) -> None:
    graph = tiny(tmp_path / "tiny.tflite", version="v8")
    with pytest.raises(ModelError) as raised:
        heads.head_for(graph, "mine.tflite", "yolov5")
    for word in ("mine.tflite", "64 x 64", "[1, 6, 84]", "[1, 252, 5 + classes]"):
        assert word in str(raised.value)
    with pytest.raises(ModelError, match="it has 1 outputs, not 4"):
        heads.head_for(graph, "mine.tflite", "ssd")
    with pytest.raises(ModelError, match="no head 'yolo8'") as raised:
        heads.head_for(graph, "mine.tflite", "yolo8")
    assert "ssd, yolov5, yolov8" in raised.value.next_step
    write_tiny_ssd(tmp_path / "ssd.tflite")
    ssd = load_graph((tmp_path / "ssd.tflite").read_bytes(), "ssd", threads=1)
    with pytest.raises(ModelError, match=r"not the one output \[1, 4 \+ classes, 84\]"):
        heads.head_for(ssd, "ssd", "yolov8")


def table(rows: np.ndarray) -> yolo.YoloHead:
    """A v8 head for rows of N boxes: centre x, centre y, width, height, scores of the classes."""
    return yolo.YoloHead(yolo.V8, rows.shape[1] - 4, 640, 640, box_per_row=True)


scores = st.integers(0, 255)


@given(st.lists(st.tuples(*[scores] * 7), min_size=1, max_size=60), st.floats(0, 1))
def test_thresholds_on_stored_numbers_lose_nothing(
    rows: list[tuple[int, ...]], least: float
) -> None:
    """int8 with a scale and the same numbers as floats give the same boxes."""
    stored = (np.array(rows) - 128).astype(np.int8)
    quantisation = Quantisation(1 / 255, -128)
    real = quantisation.real(stored)
    head = table(stored)
    small = head.decode([Answer(stored[None], quantisation)], least)
    large = head.decode([Answer(real[None])], least)
    np.testing.assert_array_equal(small.boxes, large.boxes)
    np.testing.assert_array_equal(small.scores, large.scores)
    np.testing.assert_array_equal(small.class_ids, large.class_ids)
    assert (small.scores >= np.float32(least)).all()
    assert (np.diff(small.scores) <= 0).all()


def test_v5_multiplies_the_class_with_the_objectness() -> None:
    rows = np.float32([[[0.5, 0.5, 0.2, 0.2, 0.6, 0.1, 0.9], [0.1, 0.1, 0.1, 0.1, 0.4, 0.9, 0]]])
    head = yolo.YoloHead(yolo.V5, 2, 640, 640, box_per_row=True)
    raw = head.decode([Answer(rows)], 0.5)
    np.testing.assert_allclose(raw.scores, [0.54])
    assert raw.class_ids.tolist() == [1]


def test_the_number_of_candidates_is_bounded() -> None:
    places = np.stack(np.meshgrid(*[np.linspace(0.01, 0.99, 60)] * 2), axis=-1).reshape(-1, 2)
    rows = np.zeros((3600, 5), dtype=np.float32)
    rows[:, :2], rows[:, 2:4], rows[:, 4] = places, 0.001, 0.9
    raw = table(rows).decode([Answer(rows[None])], 0.0)
    assert len(raw.scores) == yolo.MAX_DETECTIONS


def test_suppression_is_class_by_class() -> None:
    boxes = np.float32([[0, 0, 10, 10], [0, 0, 10, 9], [0, 0, 10, 9], [20, 20, 30, 30]])
    kept = suppressed(boxes, np.float32([0.5, 0.9, 0.6, 0.7]), np.array([0, 0, 1, 0]), 0.5, 9)
    assert kept.tolist() == [1, 3, 2]


rectangles = st.lists(st.tuples(*[st.floats(0, 1, width=32)] * 4), max_size=40)


@given(rectangles, st.randoms())
def test_what_is_kept_does_not_overlap_and_explains_the_rest(
    corners: list[tuple[float, ...]], random
) -> None:
    two = np.float32(corners).reshape(-1, 2, 2)
    boxes = np.concatenate((two.min(axis=1), two.max(axis=1)), axis=1)
    points = np.float32([random.random() for _ in boxes])
    ids = np.array([random.randrange(2) for _ in boxes], dtype=np.int64)
    kept = suppressed(boxes, points, ids, 0.5, 1000)
    assert len(set(kept.tolist())) == len(kept)
    assert (np.diff(points[kept]) <= 0).all()
    for one in set(range(len(boxes))) - set(kept.tolist()):
        better = [k for k in kept if ids[k] == ids[one] and points[k] >= points[one]]
        assert any(iou(boxes[k], boxes[one]) > 0.5 - 1e-4 for k in better)
    for index, one in enumerate(kept):
        for other in kept[index + 1 :]:
            assert ids[one] != ids[other] or iou(boxes[one], boxes[other]) <= 0.5 + 1e-4


def iou(a: np.ndarray, b: np.ndarray) -> float:
    sides = np.maximum(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0)
    common = sides.prod()
    union = (a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - common
    return common / union if union > 0 else 0.0
