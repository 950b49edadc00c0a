"""What is stationary, found by looking at everything at once, in order of time.

The program has to come to the same answer piece by piece, in whatever order captures come.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from annotator.config import StationarySettings
from annotator.domain import BoundingBox, Stay
from annotator.stillness import MIN_SHARE, MIN_SIGHTINGS


@dataclass(frozen=True, slots=True)
class Look:
    """One capture of a monitor: when it was taken, and the labels and boxes seen in it."""

    at: datetime
    seen: tuple[tuple[str, BoundingBox], ...] = ()


@dataclass(slots=True, eq=False)
class Track:
    """The sightings of one thing in one place, as (number of the look, number of the box)."""

    label: str
    box: BoundingBox
    sightings: list[tuple[int, int]] = field(default_factory=list)

    @property
    def last(self) -> int:
        return self.sightings[-1][0]


def stays(looks: Sequence[Look], settings: StationarySettings) -> list[dict[tuple[int, int], Stay]]:
    """For each stationary object its sightings; looks in order of time."""
    tracks: list[Track] = []
    for n, look in enumerate(looks):
        open_tracks = [one for one in tracks if n - one.last - 1 < settings.gone_after]
        taken: set[Track] = set()
        for k, (label, box) in enumerate(look.seen):
            if label in settings.except_labels:
                continue
            fitting = [
                track
                for track in open_tracks
                if track.label == label
                and track not in taken
                and track.box.iou(box) >= settings.min_iou
            ]
            best = max(fitting, key=lambda track: track.box.iou(box), default=None)
            if best is None:
                best = Track(label, box)
                tracks.append(best)
            best.sightings.append((n, k))
            taken.add(best)
    after = timedelta(seconds=settings.after_s)
    found = []
    for track in tracks:
        first, last = track.sightings[0][0], track.last
        dense = len(track.sightings) >= MIN_SHARE * (last - first + 1)
        long = looks[last].at - looks[first].at >= after
        if settings.enabled and dense and long and len(track.sightings) >= MIN_SIGHTINGS:
            answer = dict.fromkeys(track.sightings, Stay.STILL_THERE)
            answer[track.sightings[0]] = Stay.ARRIVED
            if len(looks) - 1 - last >= settings.gone_after:
                answer[track.sightings[-1]] = Stay.LEFT
            found.append(answer)
    return found
