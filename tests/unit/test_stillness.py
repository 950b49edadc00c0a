"""Stationary objects, whatever the order in which captures come."""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotator.config import StationarySettings
from annotator.domain import BoundingBox, Stay
from annotator.stillness import (
    MOST_CANDIDATES,
    MOST_PARKED,
    Moment,
    Parked,
    Place,
    Scene,
    Seen,
)
from tests.fakes.parking import Look, stays

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
SETTINGS = StationarySettings(after_s=60, gone_after=5)
CAR, OTHER_CAR = BoundingBox(600, 400, 900, 600), BoundingBox(905, 400, 1205, 600)
EVENT = 25
"""Captures in one event, a second apart; a minute between events."""


class Memory:
    """One monitor's captures; the port `History` and who writes things down, in memory."""

    def __init__(self, settings: StationarySettings = SETTINGS) -> None:
        self.scene = Scene(settings)
        self.settings = settings
        self.moments: list[Moment] = []
        self.seen: dict[int, tuple[Moment, Seen]] = {}
        self.object_of: dict[int, Parked] = {}
        self.parked: dict[int, Parked] = {}

    def record(self, captures: Sequence[tuple[Moment, Sequence[Seen]]]) -> None:
        """A batch."""
        for at, seen in captures:
            insort(self.moments, at)
            self.seen |= {one.id: (at, one) for one in seen}
        self.scene.observe(self, captures)
        self.scene.changed.clear()

    def restart(self) -> None:
        """Only what was written down is left."""
        self.scene = Scene(self.settings)
        for parked in self.parked.values():
            if parked.there:
                self.scene.remember(self, parked)

    def stays(self) -> list[dict[int, Stay]]:
        """The sightings of each object, by their ids, in order of time."""
        found: dict[Parked, dict[int, Stay]] = {}
        for key in sorted(self.object_of, key=lambda key: self.seen[key][0]):
            parked, (at, _) = self.object_of[key], self.seen[key]
            stay = Stay.STILL_THERE
            if at == parked.first:
                stay = Stay.ARRIVED
            elif at == parked.last and not parked.there:
                stay = Stay.LEFT
            found.setdefault(parked, {})[key] = stay
        return list(found.values())

    # the port

    def captures_between(self, earlier: Moment, later: Moment, at_most: int) -> int:
        assert earlier < later
        between = bisect_left(self.moments, later) - bisect_right(self.moments, earlier)
        return min(between, at_most)

    def captures_after(self, moment: Moment, at_most: int) -> int:
        return min(len(self.moments) - bisect_right(self.moments, moment), at_most)

    def unlinked(
        self, label: str, around: Moment, since_ms: int, until_ms: int
    ) -> Iterator[tuple[Moment, Seen]]:
        for at, one in self.seen.values():
            if one.label == label and one.id not in self.object_of:
                if since_ms <= at.captured_ms <= until_ms:
                    yield at, one

    def parked_around(self, one: Seen, moment: Moment) -> Iterable[Parked]:
        return [parked for parked in self.parked.values() if parked.label == one.label]

    def sightings_beside(self, parked: Parked, moment: Moment) -> tuple[Moment, Moment]:
        of_it = sorted(self.seen[key][0] for key, one in self.object_of.items() if one is parked)
        return max(at for at in of_it if at < moment), min(at for at in of_it if at > moment)

    def add(self, parked: Parked) -> None:
        parked.id = len(self.parked)
        self.parked[parked.id] = parked

    def link(self, detection_id: int, parked: Parked) -> None:
        self.object_of[detection_id] = parked

    def move(self, parked: Parked, since: Moment, until: Moment, to: Parked | None) -> int:
        moved = [
            key
            for key, one in self.object_of.items()
            if one is parked and since <= self.seen[key][0] <= until
        ]
        for key in moved:
            if to is None:
                del self.object_of[key]
            else:
                self.object_of[key] = to
        return len(moved)

    def remove(self, parked: Parked) -> None:
        assert parked.id is not None
        self.parked[parked.id] = Parked("removed", parked.place, parked.first, parked.last)


def looks(*seen: Iterable[tuple[str, BoundingBox]]) -> list[Look]:
    """Captures as a camera takes them."""
    return [
        Look(NOON + timedelta(seconds=n + 60 * (n // EVENT)), tuple(boxes))
        for n, boxes in enumerate(seen)
    ]


def captures(of: Sequence[Look]) -> list[tuple[Moment, list[Seen]]]:
    """The same for a scene; the ids count boxes in order of time."""
    found, key = [], 0
    for n, look in enumerate(of):
        at = Moment(round(look.at.timestamp() * 1000), n // EVENT, n % EVENT + 1)
        seen = [Seen(key + k, label, box) for k, (label, box) in enumerate(look.seen)]
        key += len(seen)
        found.append((at, seen))
    return found


def expected(of: Sequence[Look], settings: StationarySettings = SETTINGS) -> list[dict[int, Stay]]:
    keys = [(n, k) for n, look in enumerate(of) for k in range(len(look.seen))]
    key_of = {place: key for key, place in enumerate(keys)}
    return sorted(
        ({key_of[place]: stay for place, stay in one.items()} for one in stays(of, settings)),
        key=min,
    )


def observed(of: Sequence[Look], order: Sequence[int], batch: int = 8) -> list[dict[int, Stay]]:
    memory, every = Memory(), captures(of)
    for begin in range(0, len(order), batch):
        memory.record([every[n] for n in order[begin : begin + batch]])
    return sorted(memory.stays(), key=min)


def in_time(count: int) -> list[int]:
    return list(range(count))


def newest_event_first(count: int) -> list[int]:
    """As backfill has it: frames ascending."""
    return sorted(range(count), key=lambda n: (-(n // EVENT), n))


def coarse_to_fine(count: int) -> list[int]:
    """As an overloaded daemon has it: every event's first, then its middle ..., newest first."""

    def fineness(n: int) -> int:
        distance = n % EVENT
        return 0 if not distance else 16 - (distance & -distance).bit_length()

    return sorted(range(count), key=lambda n: (fineness(n), -(n // EVENT), n))


def at_random(count: int) -> list[int]:
    return random.Random(count).sample(range(count), count)  # noqa: S311 - no secret


ORDERS = [in_time, newest_event_first, coarse_to_fine, at_random]
every_order = pytest.mark.parametrize("order", ORDERS)


@every_order
def test_a_parked_car_is_one_object(order) -> None:
    scene = looks(*[()] * 30, *[[("car", CAR)]] * 1000, *[()] * 30)
    (stay,) = observed(scene, order(len(scene)))
    assert list(stay.values()) == [Stay.ARRIVED, *[Stay.STILL_THERE] * 998, Stay.LEFT]
