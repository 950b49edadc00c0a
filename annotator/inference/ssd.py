"""TensorFlow's SSDs that end in `TFLite_Detection_PostProcess`, as Coral's detectors do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from annotator.inference.image import Fit
from annotator.inference.raw import DoesNotFit, RawDetections
from annotator.inference.runtime import InputRange

if TYPE_CHECKING:
    from annotator.inference.runtime import Answer, Graph, OutputTensor


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
    input_range: InputRange = InputRange.SIGNED
    classes: int | None = None

    def decode(self, outputs: Sequence[Answer], min_score: float) -> RawDetections:
        import numpy as np

        count = int(outputs[self.count].real().reshape(-1)[0])
        boxes = outputs[self.boxes].real().reshape(-1, 4)[:count]
        scores = outputs[self.scores].real().reshape(-1)[:count]
        class_ids = outputs[self.class_ids].real().reshape(-1)[:count]
        keep = np.flatnonzero(scores >= min_score)
        keep = keep[np.argsort(-scores[keep], kind="stable")]
        return RawDetections(boxes[keep], scores[keep], np.rint(class_ids[keep]).astype(np.int64))


def ssd_head(graph: Graph) -> SsdHead:
    """The orders in the wild, told apart as pycoral's `get_objects` does.

    With a signature the names say it: output_0 count, _1 scores, _2 class ids, _3 boxes. Without,
    TensorFlow 1's converter writes boxes, class ids, scores, count; TensorFlow 2's scores, boxes,
    count, class ids.
    """
    if len(graph.outputs) != 4:
        raise DoesNotFit(f"it has {len(graph.outputs)} outputs, not 4")
    names = [output.signature for output in graph.outputs]
    if sorted(names) == [f"output_{i}" for i in range(4)]:
        count, scores, class_ids, boxes = (names.index(f"output_{i}") for i in range(4))
        head = SsdHead(boxes=boxes, class_ids=class_ids, scores=scores, count=count)
    elif _is_boxes(graph.outputs[0]) and _size(graph.outputs[3]) == 1:
        head = SsdHead(boxes=0, class_ids=1, scores=2, count=3)
    elif _is_boxes(graph.outputs[1]) and _size(graph.outputs[2]) == 1:
        head = SsdHead(scores=0, boxes=1, count=2, class_ids=3)
    else:
        raise DoesNotFit("its four outputs are in none of the three known orders")
    sizes = [_size(graph.outputs[index]) for index in (head.boxes, head.scores, head.class_ids)]
    if sizes != [sizes[0], sizes[0] // 4, sizes[0] // 4]:
        raise DoesNotFit("it does not give one score and one class id per box")
    return head


def _is_boxes(output: OutputTensor) -> bool:
    return len(output.shape) == 3 and output.shape[-1] == 4


def _size(output: OutputTensor) -> int:
    import math

    return math.prod(output.shape)
