"""Output tensors -> boxes, scores and class ids, in coordinates of the network's input.

A head is chosen once per graph, by the name that the catalogue or the user gives or else by the
shapes of the outputs. It knows how its networks want a picture fitted (`fit`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

from annotator.errors import ModelError
from annotator.inference.image import Fit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from annotator.inference.runtime import Array, Graph, OutputTensor


@dataclass(frozen=True, slots=True, eq=False)
class RawDetections:
    """N candidates, best score first; `boxes` is N x 4: ymin, xmin, ymax, xmax as fractions of the
    network's input, and may reach beyond it."""

    boxes: Array
    scores: Array
    class_ids: NDArray[np.int64]


class Head(Protocol):
    @property
    def name(self) -> str:
        """Its key in `HEADS`."""

    @property
    def fit(self) -> Fit: ...

    def decode(self, outputs: Sequence[Array], min_score: float) -> RawDetections:
        """The candidates with at least `min_score`."""


def head_for(graph: Graph, model: str, name: str | None = None) -> Head:
    """The head that fits `graph`; `name` (see `HEADS`) insists on one.

    Raises ModelError that says what does not fit.
    """
    if name is not None and name not in HEADS:
        raise ModelError(f"{model}: there is no head {name!r}", f"the heads are {', '.join(HEADS)}")
    complaints = []
    for candidate in (name,) if name else tuple(HEADS):
        try:
            return HEADS[candidate](graph)
        except _DoesNotFit as mismatch:
            complaints.append(f"{candidate}: {mismatch}")
    shapes = ", ".join(str(list(output.shape)) for output in graph.outputs)
    raise ModelError(
        f"{model} has the outputs {shapes}, which no head can read ({'; '.join(complaints)})",
        "use a detector with TensorFlow's SSD post-processing, or one that "
        "`annotator models list` names",
    )


class _DoesNotFit(Exception):
    """Why one head cannot read a graph."""


@dataclass(frozen=True, slots=True)
class SsdHead:
    """`TFLite_Detection_PostProcess`: suppressed and sorted inside the graph.

    The four numbers say which output is which. Stretching finds more people than letterboxing with
    these networks: recall 0.80 against 0.77 on 16:9 pictures; 0.52 against 0.50 and 0.56 against
    0.46 on two sets in which people are half as large.
    """

    boxes: int
    class_ids: int
    scores: int
    count: int
    name: str = "ssd"
    fit: Fit = Fit.STRETCH

    def decode(self, outputs: Sequence[Array], min_score: float) -> RawDetections:
        import numpy as np

        count = int(outputs[self.count].reshape(-1)[0])
        boxes = outputs[self.boxes].reshape(-1, 4)[:count]
        scores = outputs[self.scores].reshape(-1)[:count]
        class_ids = outputs[self.class_ids].reshape(-1)[:count]
        keep = np.flatnonzero(scores >= min_score)
        keep = keep[np.argsort(-scores[keep], kind="stable")]
        return RawDetections(boxes[keep], scores[keep], np.rint(class_ids[keep]).astype(np.int64))


def _ssd_head(graph: Graph) -> Head:
    """The orders in the wild, told apart as pycoral's `get_objects` does.

    With a signature the names say it: output_0 count, _1 scores, _2 class ids, _3 boxes. Without,
    TensorFlow 1's converter writes boxes, class ids, scores, count; TensorFlow 2's scores, boxes,
    count, class ids.
    """
    if len(graph.outputs) != 4:
        raise _DoesNotFit(f"it has {len(graph.outputs)} outputs, not 4")
    names = [output.signature for output in graph.outputs]
    if sorted(names) == [f"output_{i}" for i in range(4)]:
        count, scores, class_ids, boxes = (names.index(f"output_{i}") for i in range(4))
        head = SsdHead(boxes=boxes, class_ids=class_ids, scores=scores, count=count)
    elif _is_boxes(graph.outputs[0]) and _size(graph.outputs[3]) == 1:
        head = SsdHead(boxes=0, class_ids=1, scores=2, count=3)
    elif _is_boxes(graph.outputs[1]) and _size(graph.outputs[2]) == 1:
        head = SsdHead(scores=0, boxes=1, count=2, class_ids=3)
    else:
        raise _DoesNotFit("its four outputs are in none of the three known orders")
    sizes = [_size(graph.outputs[index]) for index in (head.boxes, head.scores, head.class_ids)]
    if sizes != [sizes[0], sizes[0] // 4, sizes[0] // 4]:
        raise _DoesNotFit("it does not give one score and one class id per box")
    return head


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
    """BlazeFace and BlazePose: one score and one row of offsets per anchor.

    A row is N x K: centre x, centre y, width, height, then keypoints x, y.
    """

    fit = Fit.LETTERBOX

    def __init__(self, options: BlazeOptions, rows: int, scores: int):
        self.name = options.name
        self._centres = _anchor_centres(options)
        self._input_px = options.input_px
        self._rows, self._scores = rows, scores
        self._boxes = _person_boxes if options is POSE else _face_boxes

    def decode(self, outputs: Sequence[Array], min_score: float) -> RawDetections:
        import numpy as np

        logits = np.clip(
            outputs[self._scores].reshape(-1), -80, 80
        )  # exp(89) is too large for float32
        scores = (1 / (1 + np.exp(-logits))).astype(np.float32)
        keep = np.flatnonzero(scores >= min_score)
        scores = scores[keep]
        rows = outputs[self._rows].reshape(len(logits), -1)[keep] / np.float32(self._input_px)
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


def _blaze_head(options: BlazeOptions, graph: Graph) -> Head:
    anchors = len(_anchor_centres(options))
    columns = 4 + 2 * options.keypoints
    if (graph.height, graph.width) != (options.input_px, options.input_px):
        raise _DoesNotFit(f"its input is {graph.width} x {graph.height}, not {options.input_px}")
    sizes = [output.shape[-2:] for output in graph.outputs]
    if sorted(sizes) != [(anchors, 1), (anchors, columns)]:
        raise _DoesNotFit(f"it does not give {columns} offsets and a score for {anchors} anchors")
    rows, scores = sizes.index((anchors, columns)), sizes.index((anchors, 1))
    return BlazeHead(options, rows, scores)


def _is_boxes(output: OutputTensor) -> bool:
    return len(output.shape) == 3 and output.shape[-1] == 4


def _size(output: OutputTensor) -> int:
    import math

    return math.prod(output.shape)


HEADS: dict[str, Callable[[Graph], Head]] = {
    "ssd": _ssd_head,
    **{options.name: partial(_blaze_head, options) for options in (SHORT_RANGE, FULL_RANGE, POSE)},
}
"""Every head, by the name that the catalogue uses."""
