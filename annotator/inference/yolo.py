"""YOLO as it is exported to TFLite: one output with every cell's box and class scores.

v5 (also v3 and v7) has three boxes per cell and says of each how sure it is that there is anything;
v8 (also v9 and v11) has one and does not. Sources: `Detect.forward` and `AutoBackend` of
ultralytics, `models/tf.py` and `DetectMultiBackend` of ultralytics/yolov5.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from annotator.inference.image import Fit
from annotator.inference.raw import DoesNotFit, RawDetections, suppressed
from annotator.inference.runtime import InputRange

if TYPE_CHECKING:
    from annotator.inference.runtime import Answer, Array, Graph

STRIDES = ((8, 16, 32), (8, 16, 32, 64), (4, 8, 16, 32), (16, 32))
"""Pixels per cell in each layer: the usual networks, those for large pictures (-p6), for small
objects (-p2), and the tiny ones."""
MAX_OVERLAP = 0.5
MAX_CANDIDATES, MAX_DETECTIONS = 1000, 300
"""Of the best so many candidates, at most so many are kept."""
COARSEST_SCORE = 0.1
"""A score that is stored in larger steps says nothing: the output was quantised together with boxes
in pixels."""


@dataclass(frozen=True, slots=True)
class YoloOptions:
    name: str
    boxes_per_cell: int
    objectness: bool

    @property
    def before_classes(self) -> int:
        """Centre x, centre y, width, height, and the objectness."""
        return 5 if self.objectness else 4


V5 = YoloOptions("yolov5", boxes_per_cell=3, objectness=True)
V8 = YoloOptions("yolov8", boxes_per_cell=1, objectness=False)


@dataclass(frozen=True, slots=True)
class YoloHead:
    """`box_per_row` is v5's order, [1, boxes, numbers]; v8's is [1, numbers, boxes]."""

    options: YoloOptions
    classes: int
    width: int
    height: int
    box_per_row: bool
    fit: Fit = Fit.LETTERBOX
    input_range: InputRange = InputRange.UNIT

    @property
    def name(self) -> str:
        return self.options.name

    def decode(self, outputs: Sequence[Answer], min_score: float) -> RawDetections:
        import numpy as np

        quantisation = outputs[0].quantisation
        table = outputs[0].values[0].T if self.box_per_row else outputs[0].values[0]
        # As it is stored: of 84 x 8400 numbers only the columns that matter are made real ones.
        at_most = table[4] if self.options.objectness else table[4:].max(axis=0)
        likely = np.flatnonzero(at_most >= math.floor(quantisation.stored(min_score)))
        real = quantisation.real(table[:, likely])
        by_class = real[self.options.before_classes :]
        scores = by_class.max(axis=0)
        if self.options.objectness:
            scores = scores * real[4]
        best = np.argsort(-scores, kind="stable")[:MAX_CANDIDATES]
        best = best[scores[best] >= min_score]
        scores, class_ids = scores[best], by_class[:, best].argmax(axis=0)
        boxes = _corners(real[:4, best])
        # Cells lie all over the picture, so their centres tell fractions from pixels.
        if quantisation.real(table[:2].max()) > 2:
            boxes /= np.array([self.height, self.width] * 2, dtype=np.float32)
        kept = suppressed(boxes, scores, class_ids, MAX_OVERLAP, MAX_DETECTIONS)
        return RawDetections(boxes[kept], scores[kept], class_ids[kept])


def _corners(rows: Array) -> Array:
    """4 x N, centre x, centre y, width, height -> N x 4, ymin, xmin, ymax, xmax."""
    import numpy as np

    x, y, width, height = rows
    return np.stack((y - height / 2, x - width / 2, y + height / 2, x + width / 2), axis=1)


def yolo_head(options: YoloOptions, graph: Graph) -> YoloHead:
    """Raises DoesNotFit."""
    counts = _box_counts(options, graph.width, graph.height)
    before = options.before_classes
    numbers, boxes = f"{before} + classes", str(counts[0])
    expected = f"[1, {', '.join((boxes, numbers) if options is V5 else (numbers, boxes))}]"
    shapes = [output.shape for output in graph.outputs]
    if len(shapes) != 1 or len(shapes[0]) != 3 or shapes[0][0] != 1:
        raise DoesNotFit(f"it has not the one output {expected}")
    _, rows, columns = shapes[0]
    if rows not in counts and columns not in counts:
        raise DoesNotFit(f"its output is not {expected}")
    classes = (columns if rows in counts else rows) - before
    if classes < 1:
        raise DoesNotFit(f"its output is not {expected}: there is no class in it")
    scale = graph.outputs[0].quantisation.scale
    if scale > COARSEST_SCORE:
        raise DoesNotFit(
            f"its scores are stored in steps of {scale:.2g}; "
            "boxes must be fractions of the input before it is quantised"
        )
    return YoloHead(options, classes, graph.width, graph.height, box_per_row=rows in counts)


def _box_counts(options: YoloOptions, width: int, height: int) -> tuple[int, ...]:
    """How many boxes a network with such an input gives, for each of `STRIDES`."""
    return tuple(
        options.boxes_per_cell
        * sum(math.ceil(width / stride) * math.ceil(height / stride) for stride in strides)
        for strides in STRIDES
    )
