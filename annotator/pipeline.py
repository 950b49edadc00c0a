"""One capture in, one annotation out: no thread, SQL, path layout or tensor.

The daemon, the backfill command and an ad-hoc `detect` all call `annotate`.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from annotator.config import MonitorSettings
from annotator.domain import Annotation, Capture, CaptureContent, Detection, Event
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
    picture = vision.decode(content.jpeg)
    detections = vision.objects(picture, settings.detection)
    if settings.faces.enabled:
        detections = _with_faces(picture, detections, vision, settings)
    return Annotation(
        capture=capture,
        captured_at=captured_at(capture.event, content.modified_at),
        width=picture.width,
        height=picture.height,
        detections=detections,
        provenance=vision.provenance(settings.detection, settings.faces),
    )


def captured_at(event: Event, modified_at: datetime) -> datetime:
    """When a capture was taken: the file's time where its event makes that plausible."""
    if event.started_at is None:
        return modified_at
    after_start = modified_at - event.started_at
    plausible = EARLIEST_AFTER_START <= after_start <= LATEST_AFTER_START
    return modified_at if plausible else event.started_at


def _with_faces(
    picture: Picture, detections: tuple[Detection, ...], vision: Vision, settings: MonitorSettings
) -> tuple[Detection, ...]:
    persons = [found for found in detections if found.label in settings.faces.person_labels]
    if not persons:
        return detections
    faces = iter(vision.faces(picture, [person.box for person in persons], settings.faces))
    return tuple(
        found.with_faces(next(faces)) if found.label in settings.faces.person_labels else found
        for found in detections
    )
