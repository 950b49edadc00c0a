"""Which faces of an event are one person's, so that nobody is embedded again and again.

An embedding costs as much as six to eight detections, and a person before a camera is in dozens of
captures. Where a face is in a capture, and when, tells whose it is: near in time, in place and in
size to a face whose person is known, nearer to that one than to any other, and with about the same
colours. Such a face is embedded only where it is seen clearly better. Wherever there is doubt it
is embedded, and its embedding tells whose it is: a wrong name is worse than an embedding.

Captures may come in any order (under overload the first of an event, its middle, its quarters ...),
and an event's captures may be spread over processes that know nothing of each other. Nothing here
looks at pixels.
"""

from __future__ import annotations

import math
import struct
from collections import OrderedDict
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime

from annotator.domain import BoundingBox, FaceMoment, Identification, Identity

MAX_GAP_S = 3.0
"""A face is followed over so much time; after that somebody else may stand in the same place."""
MOST_PER_S = 10
"""Captures so many frames apart are a second apart at least: times may be those of a copied tree,
all the same, or whole seconds, as over sshfs."""
MAX_SHIFT = 1.0
"""How far a face's middle may have moved, in sides of the face; whose has moved further may be the
next one in a queue."""
MAX_GROWTH = 1.5
"""How many times larger or smaller a face may have become."""
CLEARLY = 2.0
NO_RIVAL = 0.5
"""A face is somebody's where everybody else is so many times as far away, and at least this far."""

NO_TIME_S = 1.0
MAX_CHANGE = 12.0
"""Nobody can take another's place in so short a time. After a longer one head and shoulders must
look as before, but for so many grey levels: a third of a second on they differ by 5 in the median,
by less than 12 for 93 % of people who make signs before a camera, and between different people by
no less than 14 (three people, seven clips)."""

BETTER = 1.3
"""So many times the quality of what a person was embedded with is clearly better."""
WORTH_A_TRY = 0.8
"""While nobody knows a person, so much of the quality is worth another embedding."""

SAME_PERSON = 0.5
SURELY_SAME_PERSON = 0.4
"""Embeddings nearer than the first are of one person where the faces are in one place, nearer than
the second wherever in the event they are. Of 255,735 pairs of pictures of different people 0.02 %
and 0.005 % are that near; of pairs of faces of one clip with one person 96 % and 88 %."""

MAX_EVENTS = 16
MAX_TRACKS = 24
MAX_SIGHTINGS = 64
"""What is remembered: more events than run at once, and of each the people and where they were
last: 13 MB at the very most."""

CHIP_PX = 150
"""The face network is fed so many pixels; a larger face is seen no better."""


def quality(size_px: int, sharpness: float, turn: float) -> float:
    """How well a face is seen: its shorter side in pixels times how large the steps in brightness
    are (sharpness is their square), less where it is turned away."""
    return min(size_px, CHIP_PX) * math.sqrt(sharpness) * (1 - min(turn, 1.0))


@dataclass(frozen=True, slots=True)
class Seen:
    """A face that could be embedded; `quality` as the function of that name tells, `look` what is
    seen of head and shoulders from afar, as so many bytes of brightness."""

    box: BoundingBox
    quality: float
    look: bytes


@dataclass(frozen=True, slots=True)
class Embedded:
    """What embedding a face gave."""

    embedding: bytes
    identification: Identification
    mirrored: bytes | None = None


@dataclass(frozen=True, slots=True)
class Followed:
    """Whose face it is: the `track`, None where nobody follows faces, and who that is; no embedding
    where it was seen better."""

    track: int | None
    identification: Identification
    embedded: Embedded | None = None


Embed = Callable[[int], Embedded]
"""Embeds the face with that index."""


class Tracks:
    """The faces of the events that are being looked at, by one process."""

    def __init__(self) -> None:
        self._events: OrderedDict[str, _Event] = OrderedDict()

    def follow(
        self, moment: FaceMoment, faces: Sequence[Seen], most: int, embed: Embed
    ) -> list[Followed]:
        """Whose the faces of one capture are; embeds those of whom that is not known, and those
        that are seen better than before, of one track at most `most`.

        No two faces of a capture are one person's.
        """
        event = self._events.get(moment.event)
        if event is None or event.has(moment.frame):
            # Looked at anew, a capture's old embeddings are gone, and what rested on them.
            event = self._events[moment.event] = _Event()
        self._events.move_to_end(moment.event)
        while len(self._events) > MAX_EVENTS:
            self._events.popitem(last=False)
        return event.follow(moment, faces, most, embed)


@dataclass(frozen=True, slots=True)
class _Sighting:
    frame: int
    at: datetime
    seen: Seen

    def gap_s(self, moment: FaceMoment) -> float:
        """How long before or after, at least."""
        told_s = abs((self.at - moment.captured_at).total_seconds())
        return max(told_s, abs(self.frame - moment.frame) / MOST_PER_S)


@dataclass(slots=True)
class _Track:
    number: int
    sightings: list[_Sighting] = field(default_factory=list)
    embedded: list[tuple[float, Embedded]] = field(default_factory=list)

    @property
    def best(self) -> tuple[float, Embedded]:
        """The quality and the embedding that say most clearly who it is: that they say it comes
        first."""
        return max(self.embedded, key=lambda one: (_is_known(one[1]), one[0]))

    @property
    def person(self) -> str | int:
        """Two tracks of one name are one person's."""
        return self.best[1].identification.name or self.number

    def wants(self, seen: Seen, most: int) -> bool:
        """Whether embedding the face could tell more of the person."""
        if len(self.embedded) >= most:
            return False
        best_quality, best = self.best
        stranger = best.identification.identity is Identity.UNKNOWN
        return seen.quality > best_quality * (WORTH_A_TRY if stranger else BETTER)

    def about(self, moment: FaceMoment) -> _Sighting | None:
        """The sighting that is nearest in time; None where that is too far away."""
        nearest = min(self.sightings, key=lambda one: (one.gap_s(moment), -one.frame))
        return nearest if nearest.gap_s(moment) <= MAX_GAP_S else None

    def unlike(self, embedded: Embedded) -> float:
        """How far the embedding is from the nearest one of the person."""
        return min(_distance(embedded, one) for _, one in self.embedded)

    def add(self, seen: Seen, moment: FaceMoment, embedded: Embedded | None, most: int) -> None:
        self.sightings.append(_Sighting(moment.frame, moment.captured_at, seen))
        del self.sightings[:-MAX_SIGHTINGS]
        if embedded is not None:
            self.embedded.append((seen.quality, embedded))
            if len(self.embedded) > most:
                self.embedded.remove(min(self.embedded, key=lambda one: one[0]))


class _Event:
    """The people of one event, those seen last at the end."""

    def __init__(self) -> None:
        self._tracks: list[_Track] = []

    def has(self, frame: int) -> bool:
        return any(one.frame == frame for track in self._tracks for one in track.sightings)

    def follow(
        self, moment: FaceMoment, faces: Sequence[Seen], most: int, embed: Embed
    ) -> list[Followed]:
        before = [track.about(moment) for track in self._tracks]
        apart = [[_apart(seen, one) for one in before] for seen in faces]
        owners = self._owners(moment, faces, before, apart)
        taken = {id(track) for track in owners.values()}
        answers = []
        for at, seen in enumerate(faces):
            track = owners.get(at)
            if track is not None and not track.wants(seen, most):
                track.add(seen, moment, None, most)
                answers.append(Followed(track.number, track.best[1].identification))
                continue
            embedded = embed(at)
            if track is None or track.unlike(embedded) > SAME_PERSON:
                track = self._alike(embedded, apart[at], taken) or self._new(moment, seen)
            taken.add(id(track))
            track.add(seen, moment, embedded, most)
            answers.append(Followed(track.number, embedded.identification, embedded))
        seen_now = [track for track in self._tracks if id(track) in taken]
        others = [track for track in self._tracks if id(track) not in taken]
        self._tracks = [*others, *seen_now][-max(MAX_TRACKS, len(seen_now)) :]
        return answers

    def _owners(
        self,
        moment: FaceMoment,
        faces: Sequence[Seen],
        before: Sequence[_Sighting | None],
        apart: Sequence[Sequence[float]],
    ) -> dict[int, _Track]:
        """Whose each face is by its place and look, where there is no doubt; `apart` has a row for
        each face and a column for each track."""
        owners: dict[int, int] = {}
        doubtful: set[int] = set()
        for at, row in enumerate(apart):
            near = [index for index, shift in enumerate(row) if shift <= MAX_SHIFT]
            nearest = min(near, key=row.__getitem__, default=None)
            if nearest is None:
                continue
            still = _is_still(faces[at], before[nearest], moment)
            if self._has_rivals(apart, at, nearest) or not still:
                # Whoever this is may be one of these, and another face so not be theirs.
                doubtful.update(near)
            else:
                owners[at] = nearest
        return {at: self._tracks[it] for at, it in owners.items() if it not in doubtful}

    def _has_rivals(self, apart: Sequence[Sequence[float]], face: int, track: int) -> bool:
        """Whether the face could be another person's, or the track another face's."""
        doubtful = max(CLEARLY * apart[face][track], NO_RIVAL)
        person = self._tracks[track].person
        others = [
            shift
            for other, shift in zip(self._tracks, apart[face], strict=True)
            if other.person != person
        ]
        others += [row[track] for at, row in enumerate(apart) if at != face]
        return any(shift <= doubtful for shift in others)

    def _alike(self, embedded: Embedded, apart: Sequence[float], taken: Set[int]) -> _Track | None:
        """The track, not `taken`, whose embeddings say that it is the face's."""
        best, least = None, math.inf
        # Tracks that began in this capture are not among those that `apart` tells of.
        for track, shift in zip(self._tracks, apart, strict=False):
            limit = SAME_PERSON if shift <= MAX_SHIFT else SURELY_SAME_PERSON
            unlike = track.unlike(embedded)
            if id(track) not in taken and unlike <= min(limit, least):
                best, least = track, unlike
        return best

    def _new(self, moment: FaceMoment, seen: Seen) -> _Track:
        # A number that no other process gives another face of the event; the same face of the
        # same capture, looked at again, may have it again. Below 2**53 up to frame 2**21.
        number = moment.frame << 32 | seen.box.xmin << 16 | seen.box.ymin
        while any(track.number == number for track in self._tracks):
            number += 1
        track = _Track(number)
        self._tracks.append(track)
        return track


def _apart(seen: Seen, before: _Sighting | None) -> float:
    """How far the face has moved, in sides of the face; infinite where it is much nearer or
    farther away than before, or nothing is known of before."""
    if before is None:
        return math.inf
    side, side_before = math.sqrt(seen.box.area), math.sqrt(before.seen.box.area)
    if max(side, side_before) > MAX_GROWTH * min(side, side_before):
        return math.inf
    return math.dist(seen.box.centre, before.seen.box.centre) / min(side, side_before)


def _is_still(seen: Seen, before: _Sighting | None, moment: FaceMoment) -> bool:
    """Whether nobody else can be in that place by now, or it looks as if nobody was."""
    if before is None or before.gap_s(moment) <= NO_TIME_S:
        return before is not None
    changes = [abs(now - then) for now, then in zip(seen.look, before.seen.look, strict=True)]
    return sum(changes) <= MAX_CHANGE * len(changes)


def _is_known(embedded: Embedded) -> bool:
    return embedded.identification.identity is Identity.KNOWN


def _distance(one: Embedded, other: Embedded) -> float:
    return math.dist(_numbers(one.embedding), _numbers(other.embedding))


def _numbers(embedding: bytes) -> tuple[float, ...]:
    return struct.unpack(f"<{len(embedding) // 4}f", embedding)
