"""Which candidates become detections: the limits of [detection], each as a check that can be shown.

A box is where its foot is, the middle of its lower edge: that is the spot on which a person or a
car stands, however tall the camera draws it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from annotator.config import DetectionSettings, FaceSettings, LabelLimits, Zone
from annotator.domain import BoundingBox, Detection, Face, Gate

_NO_LIMITS = LabelLimits()

FACE_LABEL, FACE_CLASS_ID = "face", -1
"""What a face in nobody's box becomes; no network knows that class."""


@dataclass(frozen=True, slots=True)
class Check:
    """One limit, what was held against it, and how that went."""

    name: str
    value: str
    limit: str
    passed: bool


def passing(
    candidates: Sequence[Detection], width: int, height: int, settings: DetectionSettings
) -> tuple[Detection, ...]:
    """The candidates that pass every check, in their order; for a capture of width x height px."""
    return tuple(
        one
        for one in candidates
        if all(check.passed for check in _checks(one, width, height, settings))
    )


def checks(
    candidate: Detection, width: int, height: int, settings: DetectionSettings
) -> tuple[Check, ...]:
    """Every limit that holds for the candidate."""
    return tuple(_checks(candidate, width, height, settings))


def _checks(
    candidate: Detection, width: int, height: int, settings: DetectionSettings
) -> Iterator[Check]:
    label = candidate.label
    own = settings.by_label.get(label, _NO_LIMITS)
    if settings.labels:
        yield Check("label", label, ", ".join(settings.labels), label in settings.labels)
    yield _at_least("score", candidate.score, _first(own.min_score, settings.min_score))
    area = candidate.box.area / (width * height)
    min_area = _first(own.min_area, settings.min_area)
    max_area = _first(own.max_area, settings.max_area)
    if min_area > 0:
        yield _at_least("area", area, min_area)
    if max_area < 1:
        yield Check("area", f"{area:.4f}", f"at most {max_area:g}", area <= max_area)
    spot = foot(candidate.box, width, height)
    where = f"{spot[0]:.2f}, {spot[1]:.2f}"
    for zone in settings.ignore:
        if _is_for(zone, label):
            yield Check("place", where, f"outside {zone.name}", not inside(spot, zone))
    included = [zone for zone in settings.include if _is_for(zone, label)]
    if included:
        names = " or ".join(zone.name for zone in included)
        yield Check("place", where, f"inside {names}", any(inside(spot, z) for z in included))


def alone_faces(faces: Sequence[Face]) -> tuple[Detection, ...]:
    """Faces that are in nobody's box, each as a detection of its own."""
    return tuple(
        Detection(FACE_LABEL, FACE_CLASS_ID, face.score, face.box, (face,)) for face in faces
    )


def limits_of_alone(settings: DetectionSettings) -> DetectionSettings:
    """What holds for them: all but the choice of labels, as they were asked for by another key."""
    return settings.model_copy(update={"labels": ()})


def gate_of(box: BoundingBox, sharpness: float, turn: float | None, settings: FaceSettings) -> Gate:
    """Whether a face is good enough to be embedded; `sharpness` and `turn` as `Face` has them."""
    if min(box.width, box.height) < settings.min_face_px:
        return Gate.TOO_SMALL
    if sharpness < settings.min_sharpness:
        return Gate.BLURRED
    if turn is not None and turn > settings.max_turn:
        return Gate.TURNED_AWAY
    return Gate.USABLE


def face_checks(face: Face, settings: FaceSettings) -> tuple[Check, ...]:
    """Every limit that holds for a face."""
    return tuple(_face_checks(face, settings))


def _face_checks(face: Face, settings: FaceSettings) -> Iterator[Check]:
    side_px = min(face.box.width, face.box.height)
    yield _at_least("score", face.score, settings.min_score)
    yield Check(
        "size",
        f"{side_px} px",
        f"at least {settings.min_face_px} px",
        side_px >= settings.min_face_px,
    )
    yield Check(
        "sharpness",
        f"{face.sharpness:.0f}",
        f"at least {settings.min_sharpness:g}",
        face.sharpness >= settings.min_sharpness,
    )
    if face.turn is not None:
        limit = settings.max_turn
        yield Check("turn", f"{face.turn:.2f}", f"at most {limit:g}", face.turn <= limit)


def foot(box: BoundingBox, width: int, height: int) -> tuple[float, float]:
    """The middle of the lower edge, in shares of a picture of width x height px."""
    return (box.xmin + box.xmax) / 2 / width, box.ymax / height


def inside(spot: tuple[float, float], zone: Zone) -> bool:
    """Whether a spot lies in a polygon, by the even-odd rule: a ray to the right crosses its edges
    an odd number of times. A spot on the picture's own border counts as just inside it."""
    x, y = (min(max(value, 1e-6), 1 - 1e-6) for value in spot)
    odd = False
    points = zone.points
    for (x1, y1), (x2, y2) in zip(points, (*points[1:], points[0]), strict=True):
        if (y1 > y) != (y2 > y) and x < x1 + (y - y1) / (y2 - y1) * (x2 - x1):
            odd = not odd
    return odd


def _is_for(zone: Zone, label: str) -> bool:
    return not zone.labels or label in zone.labels


def _at_least(name: str, value: float, limit: float) -> Check:
    return Check(
        name,
        f"{value:.4f}" if name == "area" else f"{value:.2f}",
        f"at least {limit:g}",
        value >= limit,
    )


def _first(own: float | None, common: float) -> float:
    return common if own is None else own
