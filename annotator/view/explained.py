"""A picture with every candidate on it: what passed as it is drawn always, what failed in grey with
the limit that it failed, and the zones."""

from __future__ import annotations

from collections.abc import Iterator

from annotator.config import Zone
from annotator.explain import Explained, Explanation
from annotator.filters import Check
from annotator.view.draw import (
    KNOWN_COLOUR,
    UNKNOWN_COLOUR,
    UNUSED_COLOUR,
    Colour,
    Mark,
    Outline,
    draw_marks,
    label_colour,
)


def draw_explanation(jpeg: bytes, explanation: Explanation, *, max_megapixels: float) -> bytes:
    """The picture as a JPEG. Raises CaptureUnreadable."""
    marks = [mark for one in explanation.candidates for mark in _marks(one)]
    detection = explanation.settings.detection
    outlines = [
        *(_outline(zone, "ignore", UNKNOWN_COLOUR, explanation) for zone in detection.ignore),
        *(_outline(zone, "include", KNOWN_COLOUR, explanation) for zone in detection.include),
    ]
    return draw_marks(jpeg, marks, outlines, max_megapixels=max_megapixels)


def _marks(one: Explained) -> Iterator[Mark]:
    found = one.candidate
    text = f"{found.label} {found.score:.2f}"
    if one.passed:
        yield Mark(found.box, text, label_colour(found.label))
    else:
        yield Mark(found.box, f"{text}: {_reason(one.checks)}", UNUSED_COLOUR, dashed=True)
    for seen in one.faces:
        face = seen.face
        if all(check.passed for check in seen.checks):
            yield Mark(face.box, f"face {face.score:.2f}", KNOWN_COLOUR)
        else:
            yield Mark(face.box, f"face: {_reason(seen.checks)}", UNUSED_COLOUR, dashed=True)


def _reason(checks: tuple[Check, ...]) -> str:
    """The first failed check, in few words: the score is on the tag already."""
    failed = next(check for check in checks if not check.passed)
    match failed.name:
        case "label":
            return "not wanted"
        case "place":
            return f"not {failed.limit}"
        case _:
            return f"{failed.name} not {failed.limit}"


def _outline(zone: Zone, kind: str, colour: Colour, explanation: Explanation) -> Outline:
    points = tuple((x * explanation.width, y * explanation.height) for x, y in zone.points)
    return Outline(points, f"{kind}: {zone.name}", colour)
