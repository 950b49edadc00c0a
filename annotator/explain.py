"""Why a picture gave the detections that it gave: every candidate against every limit."""

from __future__ import annotations

from dataclasses import dataclass

from annotator.config import MonitorSettings
from annotator.domain import Detection, Face, Provenance
from annotator.filters import Check, checks, face_checks
from annotator.ports import Vision


@dataclass(frozen=True, slots=True)
class ExplainedFace:
    face: Face
    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True)
class Explained:
    """A candidate with its checks; only who passes them all has its faces looked for."""

    candidate: Detection
    checks: tuple[Check, ...]
    faces: tuple[ExplainedFace, ...] = ()

    @property
    def passed(self) -> bool:
        return all(check.passed for check in self.checks)


@dataclass(frozen=True, slots=True)
class Explanation:
    """One picture, width x height px, under the `settings`."""

    width: int
    height: int
    settings: MonitorSettings
    provenance: Provenance
    candidates: tuple[Explained, ...]


def explain(
    jpeg: bytes, vision: Vision, settings: MonitorSettings, from_score: float
) -> Explanation:
    """Look at one picture and keep every candidate of at least `from_score`, or of the lowest score
    that could pass. Raises CaptureUnreadable."""
    least = min(from_score, settings.detection.lowest_score)
    lowered = settings.detection.model_copy(update={"min_score": least, "by_label": {}})
    picture = vision.decode(jpeg, lowered)
    candidates = tuple(
        Explained(one, checks(one, picture.width, picture.height, settings.detection))
        for one in vision.objects(picture, lowered)
    )
    persons = [one for one in candidates if one.passed and _has_faces(one, settings)]
    if persons:
        faces = vision.faces(
            picture,
            [one.candidate.box for one in persons],
            settings.faces.model_copy(
                update={"min_score": min(from_score, settings.faces.min_score)}
            ),
        )
        of = dict(zip(persons, faces, strict=True))
        candidates = tuple(
            Explained(
                one.candidate,
                one.checks,
                tuple(
                    ExplainedFace(face, face_checks(face, settings.faces))
                    for face in of.get(one, ())
                ),
            )
            for one in candidates
        )
    return Explanation(
        picture.width,
        picture.height,
        settings,
        vision.provenance(settings.detection),
        candidates,
    )


def _has_faces(one: Explained, settings: MonitorSettings) -> bool:
    return settings.faces.enabled and one.candidate.label in settings.faces.person_labels
