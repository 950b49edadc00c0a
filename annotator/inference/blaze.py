"""MediaPipe's BlazeFace and BlazePose: one score and one row of offsets per anchor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from annotator.inference.image import Fit
from annotator.inference.raw import DoesNotFit, RawDetections
from annotator.inference.runtime import InputRange

if TYPE_CHECKING:
    from annotator.inference.runtime import Answer, Array, Graph


@dataclass(frozen=True, slots=True)
class BlazeOptions:
    """What MediaPipe's graph files say about one of its detectors.

    Sources: mediapipe/modules/face_detection/face_detection_short_range.pbtxt, ..._full_range.pbtxt
    and mediapipe/modules/pose_detection/pose_detection_cpu.pbtxt. Common to all: anchors of fixed
    size 1 at cell centres, x before y in the output, a sigmoid for the score, weighted suppression
    at an overlap of 0.3, input letterboxed.
    """

    name: str
    input_px: int
    strides: tuple[int, ...]
    anchors_per_layer: int
    keypoints: int


SHORT_RANGE = BlazeOptions("blazeface-short", 128, (8, 16, 16, 16), 2, 6)
FULL_RANGE = BlazeOptions("blazeface-full", 192, (4,), 1, 6)
POSE = BlazeOptions("blazepose", 224, (8, 16, 32, 32, 32), 2, 4)


class BlazeHead:
    """A row is N x K: centre x, centre y, width, height, then keypoints x, y."""

    fit = Fit.LETTERBOX
    input_range = InputRange.SIGNED
    classes = 1

    def __init__(self, options: BlazeOptions, rows: int, scores: int):
        self.name = options.name
        self._centres = _anchor_centres(options)
        self._input_px = options.input_px
        self._rows, self._scores = rows, scores
        self._boxes = _person_boxes if options is POSE else _face_boxes

    def decode(self, outputs: Sequence[Answer], min_score: float) -> RawDetections:
        import numpy as np

        # exp(89) is too large for float32.
        logits = np.clip(outputs[self._scores].real().reshape(-1), -80, 80)
        scores = (1 / (1 + np.exp(-logits))).astype(np.float32)
        keep = np.flatnonzero(scores >= min_score)
        scores = scores[keep]
        rows = outputs[self._rows].real().reshape(len(logits), -1)[keep] / np.float32(
            self._input_px
        )
        centres = self._centres[keep]
        rows[:, 0:2] += centres
        rows[:, 4:] += np.tile(centres, (rows.shape[1] - 4) // 2)
        rows, scores = weighted_suppression(rows, scores, overlap=0.3)
        return RawDetections(self._boxes(rows), scores, np.zeros(len(scores), dtype=np.int64))


def _anchor_centres(options: BlazeOptions) -> Array:
    """N x 2 (x, y): MediaPipe's SsdAnchorsCalculator for anchors of fixed size.

    Layers of the same stride share one grid; each cell has the anchors of all of them in a row.
    """
    import numpy as np

    centres = []
    for stride in dict.fromkeys(options.strides):
        cells = -(-options.input_px // stride)
        middle = (np.arange(cells, dtype=np.float32) + 0.5) / cells
        grid = np.stack(np.meshgrid(middle, middle), axis=-1).reshape(-1, 2)
        per_cell = options.strides.count(stride) * options.anchors_per_layer
        centres.append(np.repeat(grid, per_cell, axis=0))
    return np.concatenate(centres)


def weighted_suppression(rows: Array, scores: Array, overlap: float) -> tuple[Array, Array]:
    """Merge rows (centre x, centre y, width, height, ...) whose boxes overlap more than `overlap`.

    The best of a group keeps its score; all its numbers become the group's mean, weighted by score
    (MediaPipe's NonMaxSuppressionCalculator, algorithm WEIGHTED). Best score first.
    """
    import numpy as np

    order = np.argsort(-scores, kind="stable")
    low, high = rows[:, :2] - rows[:, 2:4] / 2, rows[:, :2] + rows[:, 2:4] / 2
    areas = np.prod(np.maximum(high - low, 0), axis=1)
    merged_rows, merged_scores = [], []
    while len(order):
        best = order[0]
        sides = np.minimum(high[best], high[order]) - np.maximum(low[best], low[order])
        common = np.prod(np.maximum(sides, 0), axis=1)
        with np.errstate(invalid="ignore"):  # 0 / 0 of two empty boxes is no overlap
            together = common / (areas[best] + areas[order] - common) > overlap
        together[0] = True
        group = order[together]
        merged_rows.append(np.average(rows[group], axis=0, weights=scores[group]))
        merged_scores.append(scores[best])
        order = order[~together]
    if not merged_rows:
        return rows[:0], scores[:0]
    return np.stack(merged_rows).astype(np.float32), np.array(merged_scores, dtype=np.float32)


def _face_boxes(rows: Array) -> Array:
    import numpy as np

    x, y, width, height = rows[:, 0], rows[:, 1], rows[:, 2], rows[:, 3]
    return np.stack((y - height / 2, x - width / 2, y + height / 2, x + width / 2), axis=1)


# BlazePose tells the middle of the hips and a point above the head, one body radius away; a person
# reaches from the hips this many radii up, down and to each side. Of 54 people it finds in 125 COCO
# pictures, 42 then meet a human box (IoU > 0.3), with a mean IoU of 0.64; +-0.1 changes it by 0.02.
PERSON_UP, PERSON_DOWN, PERSON_SIDE = 0.95, 1.0, 0.35


def _person_boxes(rows: Array) -> Array:
    """The upright box around the turned rectangle that a body fills, and around its face."""
    import numpy as np

    hips, top = rows[:, 4:6], rows[:, 6:8]
    up = top - hips
    side = np.stack((-up[:, 1], up[:, 0]), axis=1)
    corners = np.stack(
        [
            hips + along * up + across * side
            for along in (PERSON_UP, -PERSON_DOWN)
            for across in (PERSON_SIDE, -PERSON_SIDE)
        ]
        + [rows[:, 0:2] - rows[:, 2:4] / 2, rows[:, 0:2] + rows[:, 2:4] / 2]
    )
    low, high = corners.min(axis=0), corners.max(axis=0)
    return np.stack((low[:, 1], low[:, 0], high[:, 1], high[:, 0]), axis=1)


def blaze_head(options: BlazeOptions, graph: Graph) -> BlazeHead:
    """Raises DoesNotFit."""
    anchors = len(_anchor_centres(options))
    columns = 4 + 2 * options.keypoints
    if (graph.height, graph.width) != (options.input_px, options.input_px):
        raise DoesNotFit(f"its input is {graph.width} x {graph.height}, not {options.input_px}")
    sizes = [output.shape[-2:] for output in graph.outputs]
    if sorted(sizes) != [(anchors, 1), (anchors, columns)]:
        raise DoesNotFit(f"it does not give {columns} offsets and a score for {anchors} anchors")
    rows, scores = sizes.index((anchors, columns)), sizes.index((anchors, 1))
    return BlazeHead(options, rows, scores)
