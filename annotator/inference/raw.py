"""What heads make of output tensors, and how doubles among them are suppressed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from annotator.inference.runtime import Array


@dataclass(frozen=True, slots=True, eq=False)
class RawDetections:
    """N candidates, best score first; `boxes` is N x 4: ymin, xmin, ymax, xmax as fractions of the
    network's input, and may reach beyond it."""

    boxes: Array
    scores: Array
    class_ids: NDArray[np.int64]


class DoesNotFit(Exception):
    """Why one head cannot read a graph: what it expected and what it found."""


def suppressed(
    boxes: Array, scores: Array, class_ids: NDArray[np.int64], overlap: float, at_most: int
) -> NDArray[np.intp]:
    """The indices that non-maximum suppression keeps, best score first, `at_most` so many.

    Greedy, class by class: a box goes where one of its class with a better score overlaps it by
    more than `overlap` (intersection over union). `boxes` is N x 4, low corner before high.
    """
    import numpy as np

    order = np.argsort(-scores, kind="stable")
    low, high = boxes[:, :2], boxes[:, 2:]
    areas = np.prod(np.maximum(high - low, 0), axis=1)
    kept: list[int] = []
    while len(order) and len(kept) < at_most:
        best, order = order[0], order[1:]
        kept.append(int(best))
        sides = np.minimum(high[best], high[order]) - np.maximum(low[best], low[order])
        common = np.prod(np.maximum(sides, 0), axis=1)
        # Multiplied out, so that two empty boxes do not divide by 0.
        doubled = common > overlap * (areas[best] + areas[order] - common)
        order = order[~(doubled & (class_ids[order] == class_ids[best]))]
    return np.array(kept, dtype=np.intp)
