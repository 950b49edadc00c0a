"""Stationary objects, whatever the order in which captures come."""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import zip_longest

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from annotator.config import StationarySettings
from annotator.domain import BoundingBox, Stay
from annotator.stillness import (
    MOST_PARKED,
    Moment,
    Parked,
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
    """One monitor's captures, in memory; the port `Records`."""

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
            is_free = one.label == label and one.id not in self.object_of
            if is_free and since_ms <= at.captured_ms <= until_ms:
                yield at, one

    def parked_around(self, one: Seen, moment: Moment) -> Iterable[Parked]:
        return [parked for parked in self.parked.values() if parked.label == one.label]

    def sightings_beside(self, parked: Parked, moment: Moment) -> tuple[Moment, Moment]:
        of_it = [self.seen[key][0] for key, one in self.object_of.items() if one is parked]
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
        assert parked not in self.object_of.values()
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


def observed(
    of: Sequence[Look],
    order: Sequence[int],
    settings: StationarySettings = SETTINGS,
    batch: int = 8,
    restart_every: int = 0,
) -> list[dict[int, Stay]]:
    memory, every = Memory(settings), captures(of)
    for n, begin in enumerate(range(0, len(order), batch)):
        if restart_every and n % restart_every == 0:
            memory.restart()
        memory.record([every[n] for n in order[begin : begin + batch]])
    found = memory.stays()
    for parked in memory.parked.values():
        sightings = sum(one is parked for one in memory.object_of.values())
        assert parked.unsaved == sightings or parked.label == "removed"
    return sorted(found, key=min)


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
    return random.Random(count).sample(range(count), count)


Order = Callable[[int], list[int]]
every_order = pytest.mark.parametrize(
    "order", [in_time, newest_event_first, coarse_to_fine, at_random]
)
NOTHING: tuple[tuple[str, BoundingBox], ...] = ()


def moved(box: BoundingBox, by: Sequence[int]) -> BoundingBox:
    left, top, right, bottom = by
    return BoundingBox(box.xmin + left, box.ymin + top, box.xmax + right, box.ymax + bottom)


def jittered(chance: random.Random, box: BoundingBox, most: int = 8) -> BoundingBox:
    return moved(box, [chance.randint(-most, most) for _ in range(4)])


def ends(found: Iterable[dict[int, Stay]]) -> list[tuple[int, Stay, int, Stay]]:
    """Of each stay the first and the last sighting."""
    return [(min(one), one[min(one)], max(one), one[max(one)]) for one in found]


@every_order
def test_a_parked_car_is_one_object(order: Order) -> None:
    chance = random.Random(1)
    scene = looks(
        *[NOTHING] * 30,
        *([("car", jittered(chance, CAR))] for _ in range(1000)),
        *[NOTHING] * 30,
    )
    (stay,) = observed(scene, order(len(scene)))
    assert list(stay.values()) == [Stay.ARRIVED, *[Stay.STILL_THERE] * 998, Stay.LEFT]


@every_order
def test_two_cars_side_by_side_are_two(order: Order) -> None:
    scene = looks(*[[("car", CAR), ("car", OTHER_CAR)]] * 200)
    found = observed(scene, order(200))
    assert [len(one) for one in found] == [200, 200]
    assert found == expected(scene)


@every_order
def test_a_car_that_is_missed_now_and_then_is_still_one(order: Order) -> None:
    chance, usual = random.Random(2), StationarySettings()
    scene = looks(*([("car", CAR)] if chance.random() < 0.7 else () for _ in range(1000)))
    (stay,) = observed(scene, order(1000), usual)
    assert len(stay) == sum(len(look.seen) for look in scene)
    assert [stay] == expected(scene, usual)


@every_order
def test_a_car_that_passes_is_none(order: Order) -> None:
    scene = looks(
        *([("car", BoundingBox(x, 400, x + 300, 600))] for x in range(0, 9000, 45)),
    )
    assert observed(scene, order(len(scene))) == []


@every_order
def test_cars_that_come_in_where_others_came_in_are_none(order: Order) -> None:
    """Of each event the first captures show a car in one place, since a car triggers the camera.

    Those are looked at first when they come coarse to fine, and seem to be one car for a while.
    """
    passing = [[("car", BoundingBox(x, 400, x + 300, 600))] for x in (0, 20, 200, 400, 600, 800)]
    scene = looks(*[*passing, *[NOTHING] * (EVENT - len(passing))] * 20)
    assert observed(scene, order(len(scene))) == []


@pytest.mark.parametrize("order", [in_time, newest_event_first])
def test_places_where_each_car_of_a_row_is_for_a_moment_hold_none(order: Order) -> None:
    passing = [[("car", BoundingBox(x, 400, x + 300, 600))] for x in range(0, 1000, 250)]
    scene = looks(*passing * 100)
    assert observed(scene, order(len(scene))) == []


@every_order
def test_a_car_that_leaves_and_another_that_comes_later_are_two(order: Order) -> None:
    there = [[("car", CAR)]] * 90
    scene = looks(*there, *[NOTHING] * 20, *there)
    found = observed(scene, order(200))
    assert ends(found) == [
        (0, Stay.ARRIVED, 89, Stay.LEFT),
        (90, Stay.ARRIVED, 179, Stay.STILL_THERE),
    ]


@every_order
def test_labels_are_apart_and_people_are_never_stationary(order: Order) -> None:
    scene = looks(*[[("person", CAR), ("car", CAR), ("truck", CAR)]] * 100)
    found = observed(scene, order(100))
    assert [{key % 3 for key in one} for one in found] == [{1}, {2}]


def test_what_moves_slowly_with_the_light_stays_one() -> None:
    scene = looks(*([("car", moved(CAR, (n // 10, 0, n // 10, 0)))] for n in range(2000)))
    (stay,) = observed(scene, in_time(2000))
    assert len(stay) == 2000
    assert CAR.iou(moved(CAR, (199, 0, 199, 0))) < SETTINGS.min_iou


PRESENCE = st.lists(
    st.tuples(st.booleans(), st.integers(1, 80)).map(lambda part: [part[0]] * part[1]),
    min_size=1,
    max_size=6,
).map(lambda parts: [one for part in parts for one in part])


@settings(max_examples=40, deadline=None)
@given(PRESENCE, PRESENCE, st.integers(1, 30), st.integers(1, 6))
@example([True] * 35 + [False] * 8 + [True] * 60, [True], 8, 1)
def test_what_comes_and_goes_as_it_likes_is_told_apart_in_order_of_time(
    one: list[bool], other: list[bool], batch: int, restart_every: int
) -> None:
    """Exactly, whatever the batches; and a restart never joins what is apart."""
    scene = looks(
        *(
            [("car", box) for box, here in ((CAR, first), (OTHER_CAR, second)) if here]
            for first, second in zip_longest(one, other)
        )
    )
    whole, count = expected(scene), len(scene)
    assert observed(scene, in_time(count), batch=batch) == whole
    for stay in observed(scene, in_time(count), batch=batch, restart_every=restart_every):
        assert any(stay.keys() <= known.keys() for known in whole)


@settings(max_examples=40, deadline=None)
@given(st.data(), st.integers(0, 60), st.integers(80, 150), st.integers(0, 60), st.integers(1, 30))
def test_one_stay_is_found_whatever_the_order(
    data: st.DataObject, before: int, there: int, after: int, batch: int
) -> None:
    """Exactly, with all its sightings."""
    count = before + there + after
    scene = looks(*[NOTHING] * before, *[[("car", CAR)]] * there, *[NOTHING] * after)
    order = data.draw(st.permutations(range(count)))
    assert observed(scene, order, batch=batch) == expected(scene)


def test_a_restart_in_between_is_not_seen() -> None:
    scene = looks(*[[("car", CAR)]] * 200, *[NOTHING] * 10)
    (stay,) = observed(scene, in_time(210), restart_every=1)
    assert [stay] == expected(scene)


def test_what_is_looked_at_again_adds_nothing() -> None:
    """The owner takes the old sighting away before, which need not matter to the stay."""
    memory = Memory()
    every = captures(looks(*[[("car", CAR)]] * 100))
    memory.record(every)
    before = memory.stays()
    again = [(at, [Seen(one.id + 1000, one.label, one.box) for one in seen]) for at, seen in every]
    for n in (0, 50, 99):
        del memory.object_of[n], memory.seen[n]
        memory.moments.remove(every[n][0])
        memory.record([again[n]])
    (stay,) = memory.stays()
    assert list(stay.values()) == list(before[0].values())
    assert len(memory.parked) == 1


def test_memory_is_bounded() -> None:
    """One row of cars after the other parks, while others pass."""
    rows = [
        [("car", BoundingBox(x, y, x + 40, y + 40)) for x in range(0, 1650, 50)]
        for y in range(0, 400, 100)
    ]
    memory = Memory()
    every = captures(looks(*(row for row in rows for _ in range(40))))
    for n in range(0, len(every), 8):
        memory.record(every[n : n + 8])
    assert len(memory.parked) == sum(len(row) for row in rows) > MOST_PARKED
    assert len(memory.scene.parked) == MOST_PARKED


LONG_PRESENCE = st.lists(
    st.tuples(st.integers(70, 100), st.integers(10, 40)), min_size=1, max_size=3
).map(lambda parts: [one for there, away in parts for one in [True] * there + [False] * away])


@settings(max_examples=40, deadline=None)
@given(st.data(), LONG_PRESENCE, st.integers(1, 30))
def test_one_after_the_other_is_found_whatever_the_order(
    data: st.DataObject, presence: list[bool], batch: int
) -> None:
    """Exactly, where each stays clearly long enough and is clearly away in between."""
    scene = looks(*([("car", CAR)] if here else () for here in presence))
    order = data.draw(st.permutations(range(len(scene))))
    assert observed(scene, order, batch=batch) == expected(scene)
