"""One capture in, one annotation out: no thread, SQL, path layout or tensor.

The daemon, the backfill command and an ad-hoc `detect` all call `annotate`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from annotator.config import MonitorSettings
from annotator.domain import (
    Annotation,
    BoundingBox,
    Capture,
    CaptureContent,
    Event,
    Face,
    FaceModels,
    FaceMoment,
)
from annotator.filters import alone_faces, limits_of_alone, passing
from annotator.ports import Picture, Vision

# A file's time is believed from a little before its event began (clocks differ) to two days after
# (an event may run over midnight, and some paths tell only the day). Outside of that the tree was
# copied, and the copy's time says nothing about the picture.
EARLIEST_AFTER_START = timedelta(minutes=-1)
LATEST_AFTER_START = timedelta(days=2)


def annotate(
    capture: Capture, content: CaptureContent, vision: Vision, settings: MonitorSettings
) -> Annotation:
    """Look at one capture. Raises CaptureUnreadable where it cannot be looked at."""
    picture = vision.decode(content.jpeg, settings.detection)
    annotation = see(capture, content, picture, vision, settings)
    persons = persons_of(annotation, settings)
    if persons is None:
        return annotation
    faces = vision.faces(picture, persons, settings.faces)
    return with_faces(annotation, settings, faces, vision.face_models(settings.faces))


# The same in two halves, for two processes: dlib holds Python's lock while it embeds a face, which
# takes as long as several detections.


def see(
    capture: Capture,
    content: CaptureContent,
    picture: Picture,
    vision: Vision,
    settings: MonitorSettings,
) -> Annotation:
    """The first half: objects, without faces."""
    return Annotation(
        capture=capture,
        captured_at=captured_at(capture.event, content.modified_at),
        width=picture.width,
        height=picture.height,
        detections=passing(
            vision.objects(picture, settings.detection),
            picture.width,
            picture.height,
            settings.detection,
        ),
        provenance=vision.provenance(settings.detection),
    )


def persons_of(annotation: Annotation, settings: MonitorSettings) -> tuple[BoundingBox, ...] | None:
    """In whose boxes the second half is to look for faces; None, as often, where it has nothing to
    do."""
    if not settings.faces.enabled:
        return None
    persons = tuple(
        found.box for found in annotation.detections if found.label in settings.faces.person_labels
    )
    return persons if persons or settings.faces.outside_persons else None


def moment_of(annotation: Annotation) -> FaceMoment:
    """To follow faces through the event with."""
    capture = annotation.capture
    return FaceMoment(capture.event.directory, capture.frame, annotation.captured_at)


def with_faces(
    annotation: Annotation,
    settings: MonitorSettings,
    faces: Sequence[tuple[Face, ...]],
    models: FaceModels,
) -> Annotation:
    """The halves together; `faces` are for `persons_of`, in its order, and then nobody's."""
    answers = iter(faces)
    people = tuple(
        found.with_faces(next(answers)) if found.label in settings.faces.person_labels else found
        for found in annotation.detections
    )
    alone = passing(
        alone_faces(next(answers, ())),
        annotation.width,
        annotation.height,
        limits_of_alone(settings.detection),
    )
    return replace(
        annotation,
        detections=people + alone,
        provenance=replace(
            annotation.provenance,
            face_detector=models.face_detector,
            embedder=models.embedder,
            recogniser=models.recogniser,
        ),
    )


def captured_at(event: Event, modified_at: datetime) -> datetime:
    """When a capture was taken: the file's time where its event makes that plausible."""
    if event.started_at is None:
        return modified_at
    after_start = modified_at - event.started_at
    plausible = EARLIEST_AFTER_START <= after_start <= LATEST_AFTER_START
    return modified_at if plausible else event.started_at
