"""A picture with what two detectors see in it: what both see in its label's colour, what only one
sees in that one's."""

from __future__ import annotations

from collections.abc import Sequence

from annotator.domain import Detection
from annotator.view.draw import Colour, Mark, draw_marks, label_colour

SIDES: tuple[Colour, Colour] = ((0, 158, 115), (213, 94, 0))
"""Green and vermilion: told apart with any kind of colour vision, and one of them is dashed."""


def draw_comparison(
    jpeg: bytes,
    *,
    both: Sequence[Detection],
    only: tuple[Sequence[Detection], Sequence[Detection]],
    max_megapixels: float,
) -> bytes:
    """The picture as a JPEG; the detectors are A and B. Raises CaptureUnreadable."""
    marks = [Mark(one.box, f"{one.label} {one.score:.2f}", label_colour(one.label)) for one in both]
    for side, name, seen in zip(SIDES, "AB", only, strict=True):
        marks += [
            Mark(one.box, f"only {name}: {one.label} {one.score:.2f}", side, dashed=name == "B")
            for one in seen
        ]
    return draw_marks(jpeg, marks, max_megapixels=max_megapixels)
