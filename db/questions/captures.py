"""What was seen in single captures."""

from __future__ import annotations

from itertools import groupby

from sqlalchemy import Connection, bindparam, select

from annotator.domain import Capture, Event, Frame, Sighting
from db.folded import is_in_runs
from db.keys import find_event
from db.questions.sightings import sighting_from, sightings_of
from db.questions.walking import DETECTIONS_FIRST
from db.schema import capture, detection, face, folded
from db.values import file_name_of, from_ms


def seen_in(connection: Connection, one: Capture) -> tuple[Sighting, ...] | None:
    """What was seen in a capture, the best first; None where it was not annotated."""
    key = find_event(connection, one.event)
    if key is None:
        return None
    name = key.stored_name(one)
    its = {"of_event": key.id, "of_frame": one.frame, "called": name}
    if connection.scalar(_IS_ANNOTATED, its) is None:
        return () if is_in_runs(connection, key, one, pruned=False) else None
    return tuple(map(sighting_from, connection.execute(_SEEN_IN, its).all()))


def frames_of(connection: Connection, of: Event) -> list[Frame]:
    """The annotated captures of an event, frames ascending.

    Of what was folded the times are spread evenly; what was pruned is left out, since nobody knows
    any more what was seen in it.
    """
    key = find_event(connection, of)
    if key is None:
        return []
    its = {"of_event": key.id}
    seen = {
        place: tuple(map(sighting_from, rows))
        for place, rows in groupby(
            connection.execute(_SEEN_IN_EVENT, its), key=lambda row: (row.frame, row.file_name)
        )
    }
    frames = [
        Frame(
            Capture(of, row.file_name or file_name_of(key.frame_format, row.frame), row.frame),
            from_ms(row.captured_at),
            row.width,
            row.height,
            seen.get((row.frame, row.file_name), ()),
        )
        for row in connection.execute(_CAPTURES, its)
    ]
    for row in connection.execute(_FOLDED, its):
        step_ms = (row.last_at - row.first_at) / max(1, row.captures - 1)
        for place in range(row.captures):
            frame = row.first_frame + place * row.step
            name = row.file_name or file_name_of(key.frame_format, frame)
            taken_at = from_ms(row.first_at + round(place * step_ms))
            frames.append(Frame(Capture(of, name, frame), taken_at, row.width, row.height, ()))
    return sorted(frames, key=lambda one: (one.capture.frame, one.capture.file_name))


# Built once, since building a statement takes longer than running it.

_ALL = sightings_of(DETECTIONS_FIRST)
_IS_ANNOTATED = select(capture.c.frame).where(
    capture.c.event_id == bindparam("of_event"),
    capture.c.frame == bindparam("of_frame"),
    capture.c.file_name == bindparam("called"),
)
_BEST_FIRST = (detection.c.stay, detection.c.id.desc(), face.c.id.desc())
_SEEN_IN = _ALL.where(
    detection.c.event_id == bindparam("of_event"),
    detection.c.frame == bindparam("of_frame"),
    detection.c.file_name == bindparam("called"),
).order_by(*_BEST_FIRST)
_SEEN_IN_EVENT = _ALL.where(detection.c.event_id == bindparam("of_event")).order_by(
    detection.c.frame, detection.c.file_name, *_BEST_FIRST
)
_CAPTURES = select(
    *(capture.c[name] for name in ("frame", "file_name", "captured_at", "width", "height"))
).where(capture.c.event_id == bindparam("of_event"))
_FOLDED = select(folded).where(folded.c.event_id == bindparam("of_event"), folded.c.seen == 0)
