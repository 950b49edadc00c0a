"""Why a picture gave the detections that it gave: every candidate against every limit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from annotator.config import MonitorSettings
from annotator.domain import Detection, Face, Provenance
from annotator.filters import Check, alone_faces, checks, face_checks, limits_of_alone
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
    candidates = [
        Explained(one, checks(one, picture.width, picture.height, settings.detection))
        for one in vision.objects(picture, lowered)
    ]
    persons = [at for at, one in enumerate(candidates) if one.passed and _has_faces(one, settings)]
    if persons or (settings.faces.enabled and settings.faces.outside_persons):
        found = iter(
            vision.faces(
                picture,
                [candidates[at].candidate.box for at in persons],
                settings.faces.model_copy(
                    update={"min_score": min(from_score, settings.faces.min_score)}
                ),
            )
        )
        for at in persons:
            candidates[at] = replace(candidates[at], faces=_explained(next(found), settings))
        limits = limits_of_alone(settings.detection)
        candidates += [
            Explained(
                one,
                checks(one, picture.width, picture.height, limits),
                _explained(one.faces, settings),
            )
            for one in alone_faces(next(found, ()))
        ]
    return Explanation(
        picture.width,
        picture.height,
        settings,
        vision.provenance(settings.detection),
        tuple(candidates),
    )


def _explained(faces: Sequence[Face], settings: MonitorSettings) -> tuple[ExplainedFace, ...]:
    return tuple(ExplainedFace(face, face_checks(face, settings.faces)) for face in faces)


def _has_faces(one: Explained, settings: MonitorSettings) -> bool:
    return settings.faces.enabled and one.candidate.label in settings.faces.person_labels
