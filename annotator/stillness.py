"""What stands still: which detections are sightings of one stationary object, such as a parked car.

Pure: no database, no clock. Captures may come in any order, since backfill goes back in time and
live captures come coarse to fine; so nothing here rests on what came first, only on when captures
were taken. What was recorded before is asked of a `Records`.

A stay is a run of sightings of one label in one place. It begins as a candidate, in memory, and is
confirmed when the sightings span long enough and are not sparse. It reaches as far as fewer than
`gone_after` captures without the object lie in between, earlier as well as later. Captures that
come afterwards may split it, or join it with another.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from annotator.domain import BoundingBox

if TYPE_CHECKING:
    from annotator.config import StationarySettings

MIN_SIGHTINGS = 5
MIN_SHARE = 0.5
"""Of the captures of a stay, at least this share shows the object when it is confirmed. Cars that
pass one after the other are in the same place again and again, but in few captures each."""

LOOKED_AROUND_MS = 24 * 3600 * 1000
"""How far sightings may lie before what is known of them, as after a restart in the morning."""

MEAN_OVER = 32
"""A place is the mean of about so many boxes: it follows the light of the day, not one bad box."""

MOST_CANDIDATES = 64
MOST_PARKED = 128
"""Of one monitor, kept in memory; those that were not seen for longest go."""


@dataclass(frozen=True, slots=True, order=True)
class Moment:
    """When a capture was taken, among those of its monitor.

    Captures may share a time, since some file systems know whole seconds only; then their frames
    decide. `event` is any number that tells events apart.
    """

    captured_ms: int
    event: int
    frame: int


@dataclass(frozen=True, slots=True)
class Seen:
    """A detection; `id` is its owner's affair."""

    id: int
    label: str
    box: BoundingBox


class Place:
    """Where something stands: a mean box that changes slowly."""

    __slots__ = ("_count", "_sides", "box")

    def __init__(self, box: BoundingBox, count: int = 1) -> None:
        self.box = box
        self._sides: tuple[float, ...] = _sides(box)
        self._count = count

    def add(self, box: BoundingBox) -> None:
        self._count = min(self._count + 1, MEAN_OVER)
        pairs = zip(self._sides, _sides(box), strict=True)
        self._sides = tuple(mean + (new - mean) / self._count for mean, new in pairs)
        # A mean of boxes is a box: its sides round to at least the least and at most the greatest.
        self.box = BoundingBox(*(round(side) for side in self._sides))


@dataclass(frozen=True, slots=True)
class Ends:
    """A stay's first and last sighting; `there` until the object counts as gone."""

    first: Moment
    last: Moment
    there: bool


@dataclass(slots=True, eq=False)
class Parked:
    """A stationary object; changed in place as more is seen of it.

    The owner sets `id` and `saved`, what is written down of its ends. `unsaved` counts sightings
    since; `missed` captures without it since the last one.
    """

    label: str
    place: Place
    first: Moment
    last: Moment
    there: bool = True
    unsaved: int = 0
    missed: int = 0
    id: int | None = None
    saved: Ends | None = None

    @property
    def ends(self) -> Ends:
        return Ends(self.first, self.last, self.there)


class Records(Protocol):
    """What was recorded of one monitor, the captures that are just observed included."""

    def captures_between(self, earlier: Moment, later: Moment, at_most: int) -> int:
        """How many captures lie between two, without them; counted up to `at_most`."""

    def captures_after(self, moment: Moment, at_most: int) -> int:
        """How many captures are later; counted up to `at_most`."""

    def unlinked(
        self, label: str, around: Moment, since_ms: int, until_ms: int
    ) -> Iterable[tuple[Moment, Seen]]:
        """Detections of a label in a time that belong to no stay; the nearest if very many."""

    def parked_around(self, one: Seen, moment: Moment) -> Iterable[Parked]:
        """The stays of a detection's label that it overlaps, of those that began around then."""

    def sightings_beside(self, parked: Parked, moment: Moment) -> tuple[Moment, Moment]:
        """The last sighting of a stay before a moment within it, and the first one after."""

    def add(self, parked: Parked) -> None:
        """Give a new stay its id."""

    def link(self, detection_id: int, parked: Parked) -> None:
        """A detection is a sighting."""

    def move(self, parked: Parked, since: Moment, until: Moment, to: Parked | None) -> int:
        """Sightings in a time belong to another stay, or to none; how many those are."""

    def remove(self, parked: Parked) -> None:
        """A stay has no sightings left."""


class Scene:
    """One monitor's stationary objects.

    `observe` collects in `changed` the stays of which something is new; who has written that down
    empties it.
    """

    def __init__(self, settings: StationarySettings) -> None:
        self.changed: set[Parked] = set()
        self._settings = settings
        self._after_ms = round(settings.after_s * 1000)
        # Both in the order in which they were last seen.
        self._parked: list[Parked] = []
        self._candidates: list[_Candidate] = []
        self._newest: Moment | None = None
        # Captures that are recorded but whose turn is yet to come.
        self._coming: AbstractSet[Moment] = frozenset()

    @property
    def parked(self) -> Sequence[Parked]:
        """What is remembered of the stays."""
        return self._parked

    def remember(self, records: Records, parked: Parked) -> None:
        """Take a stay as it is written down, in place of what is known of it."""
        parked.missed = records.captures_after(parked.last, self._settings.gone_after)
        self.forget(parked.id)
        _append(self._parked, parked, MOST_PARKED)

    def forget(self, parked_id: int | None) -> None:
        """A stay is no more."""
        self._parked = [one for one in self._parked if one.id != parked_id]

    def observe(self, records: Records, captures: Iterable[tuple[Moment, Sequence[Seen]]]) -> None:
        """Take in captures, each with all its detections, as if they came one by one."""
        ordered = sorted(captures, key=lambda capture: capture[0])
        for n, (at, seen) in enumerate(ordered):
            self._coming = {moment for moment, _ in ordered[n + 1 :]}
            self._observe(records, at, seen)

    def _observe(self, records: Records, at: Moment, seen: Sequence[Seen]) -> None:
        if self._newest is not None:
            self._newest = max(self._newest, at)
        seen = [one for one in seen if one.label not in self._settings.except_labels]
        sighted: set[Parked] = set()
        rest = self._sight(records, at, seen, self._parked, sighted)
        if rest:
            known = {parked.id for parked in self._parked}
            stored = {
                parked.id: parked
                for one in rest
                for parked in records.parked_around(one, at)
                if parked.id not in known
            }
            rest = self._sight(records, at, rest, stored.values(), sighted)
        sighted |= self._consider(records, at, rest)
        self._miss(records, at, sighted)

    def _sight(
        self,
        records: Records,
        at: Moment,
        seen: Sequence[Seen],
        parked: Iterable[Parked],
        sighted: set[Parked],
    ) -> list[Seen]:
        """Find the stays that detections belong to; returns the detections that belong to none."""
        rest = list(seen)
        for one, found in _pairs(at, seen, parked, self._settings.min_iou):
            if one in rest and found not in sighted and self._reaches(records, found, at):
                rest.remove(one)
                sighted.add(found)
                self._extend(records, found, at, one)
                sighted |= self._join(records, found)
        return rest

    def _reaches(self, records: Records, parked: Parked, at: Moment) -> bool:
        if at < parked.first:
            return self._is_near(records, at, parked.first)
        return at <= parked.last or self._is_near(records, parked.last, at)

    def _is_near(self, records: Records, earlier: Moment, later: Moment) -> bool:
        """Whether fewer than `gone_after` captures lie between two sightings."""
        limit = self._settings.gone_after
        if earlier.event == later.event and abs(later.frame - earlier.frame) <= limit:
            return True
        return self._between(records, earlier, later, limit) < limit

    def _between(self, records: Records, earlier: Moment, later: Moment, at_most: int) -> int:
        coming = sum(earlier < moment < later for moment in self._coming)
        return records.captures_between(earlier, later, at_most + coming) - coming

    def _after(self, records: Records, moment: Moment, at_most: int) -> int:
        coming = sum(moment < other for other in self._coming)
        return records.captures_after(moment, at_most + coming) - coming

    def _extend(self, records: Records, parked: Parked, at: Moment, one: Seen) -> None:
        parked.place.add(one.box)
        parked.unsaved += 1
        records.link(one.id, parked)
        self._change(parked)
        parked.first = min(parked.first, at)
        if at > parked.last:
            parked.last = at
            self._count_missed(records, parked)

    def _join(self, records: Records, parked: Parked) -> set[Parked]:
        """Stays that seemed to be apart may be one after all; returns those that are no more."""
        joined = set()
        for other in [one for one in self._parked if one.label == parked.label]:
            if other.first > parked.last:
                earlier, later = parked, other
            elif other.last < parked.first:
                earlier, later = other, parked
            else:
                continue
            if other.place.box.iou(parked.place.box) < self._settings.min_iou:
                continue
            if self._is_near(records, earlier.last, later.first):
                parked.unsaved += records.move(other, other.first, other.last, parked)
                parked.first, parked.last = earlier.first, later.last
                parked.there, parked.missed = later.there, later.missed
                self._remove(records, other)
                joined.add(other)
        return joined

    def _count_missed(self, records: Records, parked: Parked) -> None:
        """How often it was missed since it was last seen, and so whether it is there."""
        limit = self._settings.gone_after
        if self._newest is not None and parked.last >= self._newest:
            parked.missed = 0
        else:
            parked.missed = self._after(records, parked.last, limit)
            if parked.missed == 0:
                self._newest = parked.last
        parked.there = parked.missed < limit

    def _consider(self, records: Records, at: Moment, seen: Sequence[Seen]) -> set[Parked]:
        """Detections that belong to no stay may be of one not known yet; returns what that is."""
        rest, sighted, confirmed = list(seen), set[_Candidate](), set[Parked]()
        for one, candidate in _pairs(at, seen, self._candidates, self._settings.min_iou):
            if one not in rest or candidate in sighted:
                continue
            rest.remove(one)
            sighted.add(candidate)
            candidate.add(at, one.box)
            self._candidates.remove(candidate)
            ripe = candidate.is_ripe(self._after_ms)
            parked = self._confirm(records, at, candidate) if ripe else None
            if parked is None:
                self._candidates.append(candidate)
            else:
                confirmed.add(parked)
        for one in rest:
            candidate = _Candidate(one.label, Place(one.box), at, at, 1)
            _append(self._candidates, candidate, MOST_CANDIDATES)
        return confirmed

    def _confirm(self, records: Records, at: Moment, candidate: _Candidate) -> Parked | None:
        """The stay of a candidate, if its sightings as they were recorded bear it out."""
        run = self._run(records, at, candidate)
        first, last = min(run, default=at), max(run, default=at)
        candidate.begin_anew(first, last, len(run))
        if not candidate.is_ripe(self._after_ms):
            return None
        most = int(len(run) / MIN_SHARE)
        if self._between(records, first, last, most) + 2 > most:
            candidate.due = 2 * len(run)
            return None
        parked = Parked(candidate.label, candidate.place, first, last, unsaved=len(run))
        self._count_missed(records, parked)
        records.add(parked)
        for one in run.values():
            records.link(one.id, parked)
        self._change(parked)
        return parked

    def _run(self, records: Records, at: Moment, candidate: _Candidate) -> dict[Moment, Seen]:
        """The sightings in the candidate's place that belong together with the one at `at`.

        Looked for further than the candidate knows: others may have been forgotten in between.
        """
        since_ms = candidate.earliest.captured_ms - LOOKED_AROUND_MS
        until_ms = candidate.latest.captured_ms + LOOKED_AROUND_MS
        best: dict[Moment, tuple[float, Seen]] = {}
        for moment, one in records.unlinked(candidate.label, at, since_ms, until_ms):
            iou = candidate.place.box.iou(one.box)
            if moment in self._coming or iou < self._settings.min_iou:
                continue
            if iou > best.get(moment, (0.0,))[0]:
                best[moment] = iou, one
        runs: list[list[Moment]] = []
        for moment in sorted(best):
            if runs and self._is_near(records, runs[-1][-1], moment):
                runs[-1].append(moment)
            else:
                runs.append([moment])
        run = next((run for run in runs if at in run), [])
        return {moment: best[moment][1] for moment in run}

    def _miss(self, records: Records, at: Moment, sighted: set[Parked]) -> None:
        """What was not seen may have been gone: for good, or for a while within what was a stay."""
        for parked in [one for one in self._parked if one not in sighted]:
            if parked.first < at < parked.last:
                earlier, later = records.sightings_beside(parked, at)
                if not self._is_near(records, earlier, later):
                    self._split(records, parked, earlier, later)
            elif parked.there and at > parked.last:
                parked.missed += 1
                if parked.missed >= self._settings.gone_after:
                    self._count_missed(records, parked)
                    if not parked.there:
                        self.changed.add(parked)

    def _split(self, records: Records, parked: Parked, earlier: Moment, later: Moment) -> None:
        """A stay turns out to be two; one that is too short by itself is none."""
        first, last = parked.first, parked.last
        begin_is_long = earlier.captured_ms - first.captured_ms >= self._after_ms
        end_is_long = last.captured_ms - later.captured_ms >= self._after_ms
        if begin_is_long and end_is_long:
            end = Parked(parked.label, Place(parked.place.box, MEAN_OVER), later, last)
            end.there, end.missed = parked.there, parked.missed
            records.add(end)
            end.unsaved = records.move(parked, later, last, end)
            parked.unsaved -= end.unsaved
            self._change(end)
        elif end_is_long:
            self._dissolve(records, parked, first, earlier)
            parked.first = later
        else:
            self._dissolve(records, parked, later, last)
        if begin_is_long:
            parked.last, parked.there = earlier, False
        if begin_is_long or end_is_long:
            self._change(parked)
        else:
            self._dissolve(records, parked, first, earlier)
            self._remove(records, parked)

    def _dissolve(self, records: Records, parked: Parked, since: Moment, until: Moment) -> None:
        """Sightings of a stay are none any more, unless more of them are found."""
        count = records.move(parked, since, until, None)
        parked.unsaved -= count
        place = Place(parked.place.box, MEAN_OVER)
        candidate = _Candidate(parked.label, place, since, until, count)
        _append(self._candidates, candidate, MOST_CANDIDATES)

    def _remove(self, records: Records, parked: Parked) -> None:
        records.remove(parked)
        self.changed.discard(parked)
        self.forget(parked.id)

    def _change(self, parked: Parked) -> None:
        self.changed.add(parked)
        if parked in self._parked:
            self._parked.remove(parked)
        _append(self._parked, parked, MOST_PARKED)


class _Candidate:
    """What was seen in one place, but not for long enough yet.

    From `first` to `last` it was seen `count` times, and `due` times are needed; `earliest` to
    `latest` is all that was ever seen there, which may belong to it after all.
    """

    __slots__ = ("count", "due", "earliest", "first", "label", "last", "latest", "place")

    def __init__(self, label: str, place: Place, first: Moment, last: Moment, count: int) -> None:
        self.label, self.place = label, place
        self.earliest, self.latest = first, last
        self.begin_anew(first, last, count)

    def begin_anew(self, first: Moment, last: Moment, count: int) -> None:
        self.first, self.last, self.count, self.due = first, last, count, MIN_SIGHTINGS

    def add(self, at: Moment, box: BoundingBox) -> None:
        self.place.add(box)
        self.first, self.last = min(self.first, at), max(self.last, at)
        self.earliest, self.latest = min(self.earliest, at), max(self.latest, at)
        self.count += 1

    def is_ripe(self, after_ms: int) -> bool:
        span_ms = self.last.captured_ms - self.first.captured_ms
        return span_ms >= after_ms and self.count >= self.due


class _Placed(Protocol):
    @property
    def label(self) -> str: ...

    @property
    def place(self) -> Place: ...

    @property
    def first(self) -> Moment: ...

    @property
    def last(self) -> Moment: ...


_P = TypeVar("_P", bound=_Placed)
_T = TypeVar("_T")


def _pairs(
    at: Moment, seen: Sequence[Seen], placed: Iterable[_P], min_iou: float
) -> list[tuple[Seen, _P]]:
    """Detections and what may be the same, best first.

    One place may have been taken by several, one after the other: then the nearest in time is best.
    """
    found = [
        (_distance_ms(at, other), -iou, one, other)
        for other in placed
        for one in seen
        if one.label == other.label and (iou := other.place.box.iou(one.box)) >= min_iou
    ]
    found.sort(key=lambda pair: pair[:2])
    return [(one, other) for *_, one, other in found]


def _distance_ms(at: Moment, placed: _Placed) -> int:
    early, late = placed.first.captured_ms, placed.last.captured_ms
    return max(early - at.captured_ms, at.captured_ms - late, 0)


def _append(items: list[_T], item: _T, most: int) -> None:
    items.append(item)
    del items[:-most]


def _sides(box: BoundingBox) -> tuple[float, ...]:
    return box.xmin, box.ymin, box.xmax, box.ymax
