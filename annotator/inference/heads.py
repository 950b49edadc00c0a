"""Output tensors -> boxes, scores and class ids, in coordinates of the network's input.

A head is chosen once per graph, by the name that the catalogue or the user gives or else by the
shapes of the outputs. It knows how its networks want a picture fitted (`fit`) and what they read a
pixel as (`input_range`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Protocol

from annotator.errors import ModelError
from annotator.inference import blaze, yolo
from annotator.inference.image import Fit
from annotator.inference.raw import DoesNotFit, RawDetections
from annotator.inference.runtime import InputRange
from annotator.inference.ssd import ssd_head

if TYPE_CHECKING:
    from annotator.inference.runtime import Answer, Graph


class Head(Protocol):
    @property
    def name(self) -> str:
        """Its key in `HEADS`."""

    @property
    def fit(self) -> Fit: ...

    @property
    def input_range(self) -> InputRange: ...

    @property
    def classes(self) -> int | None:
        """How many classes the network tells apart; None where its tensors do not say."""

    def decode(self, outputs: Sequence[Answer], min_score: float) -> RawDetections:
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
        except DoesNotFit as mismatch:
            if name or candidate in FOR_ANY_NETWORK:
                complaints.append(f"{candidate}: {mismatch}")
    shapes = ", ".join(str(list(output.shape)) for output in graph.outputs)
    raise ModelError(
        f"{model} takes {graph.width} x {graph.height} pixels and gives {shapes}, "
        f"which {'this' if name else 'no'} head can read ({'; '.join(complaints)})",
        "use a detector with TensorFlow's SSD post-processing, a YOLO v5, v8 or v11 without "
        "post-processing, or one that `annotator models list` names",
    )


HEADS: dict[str, Callable[[Graph], Head]] = {
    "ssd": ssd_head,
    **{options.name: partial(yolo.yolo_head, options) for options in (yolo.V5, yolo.V8)},
    **{
        options.name: partial(blaze.blaze_head, options)
        for options in (blaze.SHORT_RANGE, blaze.FULL_RANGE, blaze.POSE)
    },
}
"""Every head, by the name that the catalogue and `[detection] head` use."""
FOR_ANY_NETWORK = ("ssd", "yolov5", "yolov8")
"""The others are for MediaPipe's networks alone."""
