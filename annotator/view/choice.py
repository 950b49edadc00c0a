"""Which frames of an event a person wants to see."""

from __future__ import annotations

from collections.abc import Sequence

from annotator.domain import UNKNOWN_NAME, CaptureQuery, Frame, Identity, Sighting, Stay

EVERYTHING = CaptureQuery()


def best_frame(
    frames: Sequence[Frame], query: CaptureQuery = EVERYTHING, best: Sighting | None = None
) -> Frame:
    """The one to show of an event: with what was asked for, then with the event's `best` sighting,
    then with a name, then with a face, then by score. There has to be a frame."""
    return max(frames, key=lambda frame: _rank(frame, query, best))


def chosen_frames(
    frames: Sequence[Frame],
    most: int,
    query: CaptureQuery = EVERYTHING,
    best: Sighting | None = None,
) -> tuple[Frame, ...]:
    """At most `most` frames in which something is to be seen: the best, and others spread evenly
    over the event; all are such where nothing was seen. In the order of `frames`."""
    worth = [frame for frame in frames if visible(frame, query)] or list(frames)
    if len(worth) <= most:
        return tuple(worth)
    places = {at * (len(worth) - 1) // max(1, most - 1) for at in range(most)}
    wanted = worth.index(best_frame(worth, query, best))
    if wanted not in places:
        places.remove(min(places, key=lambda place: abs(place - wanted)))
        places.add(wanted)
    return tuple(worth[place] for place in sorted(places))


def visible(frame: Frame, query: CaptureQuery = EVERYTHING) -> tuple[Sighting, ...]:
    """What to draw on a frame: not what is only still there, unless that was asked for."""
    return tuple(one for one in frame.seen if query.stationary or one.stay is not Stay.STILL_THERE)


def _rank(
    frame: Frame, query: CaptureQuery, best: Sighting | None
) -> tuple[bool, bool, bool, bool, float]:
    is_best = best is not None and best.path == frame.capture.path
    ranks = (
        (_is_meant(one, query), is_best, one.name is not None, one.face_box is not None, one.score)
        for one in visible(frame, query)
    )
    return max(ranks, default=(False, is_best, False, False, 0.0))


def _is_meant(one: Sighting, query: CaptureQuery) -> bool:
    called = UNKNOWN_NAME if one.verdict == Identity.UNKNOWN else one.name
    wanted = query.names or query.strangers
    return (
        (not query.labels or one.label in query.labels)
        and (not wanted or called in query.names or one.stranger in query.strangers)
        and (query.min_score is None or one.score >= query.min_score)
        and (query.since is None or one.captured_at >= query.since)
        and (query.until is None or one.captured_at < query.until)
    )
