"""Runtime and heads together, on the tiny detector."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from annotator.errors import ModelError
from annotator.inference import blaze, heads
from annotator.inference.runtime import Graph, load_graph
from tests.fakes.tiny_ssd import Order, write_tiny_ssd


def tiny(path: Path, **options: object) -> Graph:
    write_tiny_ssd(path, **options)  # type: ignore[arg-type]
    return load_graph(path.read_bytes(), path.name, threads=1)


def pixels() -> np.ndarray:
    seen = np.full((64, 64, 3), 100, dtype=np.uint8)
    seen[10:30, 20:50] = (220, 20, 30)
    return seen


@pytest.mark.parametrize("order", get_args(Order))
@pytest.mark.parametrize("dtype", ["uint8", "int8", "float32"])
def test_every_order_of_outputs_is_read(tmp_path: Path, order: Order, dtype: str) -> None:
    graph = tiny(tmp_path / "tiny.tflite", order=order, dtype=dtype)
    head = heads.head_for(graph, "tiny")
    raw = head.decode(graph.invoke(pixels()), min_score=0.5)
    np.testing.assert_allclose(raw.boxes * 64, [[10, 20, 30, 50]], atol=0.01)
    assert raw.class_ids.tolist() == [0]
    assert raw.scores[0] > 0.99


def test_the_input_may_be_oblong(tmp_path: Path) -> None:
    graph = tiny(tmp_path / "tiny.tflite", width=96, height=32)
    assert (graph.width, graph.height) == (96, 32)


def test_what_is_no_model_says_so(tmp_path: Path) -> None:
    write_tiny_ssd(tmp_path / "tiny.tflite")
    whole = (tmp_path / "tiny.tflite").read_bytes()
    for content in (b"", b"not a model", whole[: len(whole) // 2]):
        with pytest.raises(ModelError, match=r"broken\.tflite is not a TFLite model"):
            load_graph(content, "broken.tflite")


def test_a_head_that_does_not_fit_says_why(tmp_path: Path) -> None:
    graph = tiny(tmp_path / "tiny.tflite")
    with pytest.raises(ModelError, match="its input is 64 x 64, not 224"):
        heads.head_for(graph, "tiny", "blazepose")
    with pytest.raises(ModelError, match="no head 'yolo'"):
        heads.head_for(graph, "tiny", "yolo")


@pytest.mark.parametrize(
    ("options", "count"), [(blaze.SHORT_RANGE, 896), (blaze.FULL_RANGE, 2304), (blaze.POSE, 2254)]
)
def test_anchors_are_as_many_as_mediapipe_says(options: blaze.BlazeOptions, count: int) -> None:
    centres = blaze._anchor_centres(options)
    assert centres.shape == (count, 2)
    assert centres.min() > 0
    assert centres.max() < 1
    first_stride = options.strides[0] / options.input_px
    np.testing.assert_allclose(centres[0], first_stride / 2)  # x varies first, then y
    step = options.strides.count(options.strides[0]) * options.anchors_per_layer
    np.testing.assert_allclose(centres[step], (1.5 * first_stride, first_stride / 2))


def test_the_boxes_of_one_face_become_their_weighted_mean() -> None:
    rows = np.float32([[0.50, 0.5, 0.2, 0.2], [0.52, 0.5, 0.2, 0.2], [0.9, 0.9, 0.1, 0.1]])
    merged, scores = blaze.weighted_suppression(rows, np.float32([0.9, 0.6, 0.7]), overlap=0.3)
    np.testing.assert_allclose(scores, [0.9, 0.7])
    np.testing.assert_allclose(merged[0], [0.508, 0.5, 0.2, 0.2], atol=1e-6)
    np.testing.assert_allclose(merged[1], rows[2])


boxes = arrays.arrays(
    np.float32, st.tuples(st.integers(0, 30), st.just(6)), elements=st.floats(0, 1, width=32)
)


@given(boxes, st.randoms())
def test_suppression_keeps_the_best_and_no_overlap_with_it(rows: np.ndarray, random) -> None:
    scores = np.float32([random.random() + 0.01 for _ in rows])
    merged, kept = blaze.weighted_suppression(rows, scores, overlap=0.3)
    assert len(merged) == len(kept) <= len(rows)
    assert (np.diff(kept) <= 0).all()
    assert set(kept.tolist()) <= set(scores.tolist())
    if len(rows):
        assert kept[0] == scores.max()
        assert (merged >= rows.min(axis=0) - 1e-5).all()
        assert (merged <= rows.max(axis=0) + 1e-5).all()


def test_a_person_is_around_hips_and_head_also_when_lying() -> None:
    # centre and size of the face, hips, the point above the head
    standing = np.float32([[0.5, 0.3, 0.1, 0.1, 0.5, 0.5, 0.5, 0.2, 0, 0, 0, 0]])
    lying = np.float32([[0.3, 0.5, 0.1, 0.1, 0.5, 0.5, 0.2, 0.5, 0, 0, 0, 0]])
    ymin, xmin, ymax, xmax = blaze._person_boxes(standing)[0]
    np.testing.assert_allclose([ymin, xmin, ymax, xmax], [0.215, 0.395, 0.8, 0.605], atol=1e-6)
    np.testing.assert_allclose(blaze._person_boxes(lying)[0], [xmin, ymin, xmax, ymax], atol=1e-6)
