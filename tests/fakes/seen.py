"""Events, frames and sightings as the database would tell them, and JPEGs to go with them."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from PIL import Image

from annotator.domain import (
    EMBEDDING_BYTES,
    Annotation,
    BoundingBox,
    Capture,
    Detection,
    Event,
    EventName,
    EventSummary,
    Face,
    Frame,
    Gate,
    Identification,
    Identity,
    LabelCount,
    Provenance,
    Sighting,
)

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
SIZE = (640, 360)
BOX, FACE_BOX = BoundingBox(160, 60, 400, 340), BoundingBox(240, 80, 300, 150)


def jpeg(colour: str = "grey", size: tuple[int, int] = SIZE, mode: str = "RGB") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, colour).convert(mode).save(out, "JPEG")
    return out.getvalue()


def opened(data: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(data))
    picture.load()
    return picture


def event(minute: int = 0, monitor: str = "Door") -> Event:
    began = NOON + timedelta(minutes=minute)
    return Event(monitor, monitor, began.strftime("%y/%m/%d/%H/%M/%S"), began)


def sighting(
    of: Event,
    frame: int = 1,
    label: str = "person",
    score: float = 0.75,
    *,
    name: str | None = None,
    verdict: str | None = None,
    stranger: int | None = None,
) -> Sighting:
    assert of.started_at is not None
    verdict = str(Identity.KNOWN) if name else verdict
    return Sighting(
        captured_at=of.started_at + timedelta(seconds=frame),
        monitor=of.monitor,
        event=of.path,
        frame=frame,
        label=label,
        class_id=0,
        score=score,
        box=BOX,
        path=f"{of.directory}/{frame:05d}-capture.jpg",
        face_box=FACE_BOX if verdict else None,
        name=name,
        probability=0.9 if name else None,
        verdict=verdict,
        stranger=stranger,
    )


def frame(of: Event, number: int, *seen: Sighting) -> Frame:
    assert of.started_at is not None
    capture = Capture(of, f"{number:05d}-capture.jpg", number)
    return Frame(capture, of.started_at + timedelta(seconds=number), *SIZE, seen)


def summary(of: Event, frames: Sequence[Frame], *, gone: bool = False) -> EventSummary:
    seen = [one for each in frames for one in each.seen]
    labels = {one.label: one.score for one in sorted(seen, key=lambda one: one.score)}
    return EventSummary(
        of,
        frames[0].captured_at,
        frames[-1].captured_at,
        len(frames),
        0,
        tuple(LabelCount(label, 1, score) for label, score in labels.items()),
        tuple(EventName(name, 1.0, 1) for name in {one.name: 0 for one in seen} if name),
        max(seen, key=lambda one: one.score, default=None),
        gone,
    )


def recorded(of: Event, frames: int, label: str, name: str | None) -> Iterator[Annotation]:
    """Each of an event's captures with one thing on it; a person with a face."""
    who = Identification(Identity.KNOWN, name, 0.9) if name else Identification(Identity.UNKNOWN)
    face = Face(FACE_BOX, 0.9, 100.0, Gate.USABLE, bytes(EMBEDDING_BYTES), who)
    faces = (face,) if label == "person" else ()
    for number in range(1, frames + 1):
        one = frame(of, number)
        seen = Detection(label, 0, 0.5 + number / 100, BOX, faces)
        yield Annotation(one.capture, one.captured_at, *SIZE, (seen,), Provenance("d@0", "cpu"))
