"""What every backlog and every place for results must do, whatever it is made of.

A test class inherits from `StoreContract` and provides the fixture `world`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from annotator.config import StationarySettings
from annotator.domain import (
    EMBEDDING_BYTES,
    UNKNOWN_NAME,
    Annotation,
    BoundingBox,
    Capture,
    CaptureQuery,
    Detection,
    Event,
    Face,
    Failure,
    FileStamp,
    Gate,
    Identification,
    Identity,
    Origin,
    Provenance,
    Reason,
    Sighting,
    SkipReason,
    Stay,
    Totals,
    Window,
)
from annotator.errors import QueryError
from annotator.ports import AnnotationStore, Backlog, SightingQueries
from tests.fakes.clock import ManualClock

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
PROVENANCE = Provenance("ssd@0123456789ab", "cpu")
FALLBACK = replace(PROVENANCE, fallback=True)


@dataclass(frozen=True, slots=True)
class World:
    """The three ports over the same data."""

    backlog: Backlog
    store: AnnotationStore
    queries: SightingQueries
    clock: ManualClock

    def ask(self, **question: object) -> list[Sighting]:
        return list(self.queries.sightings(CaptureQuery(**question)))  # type: ignore[arg-type]

    def failures(self) -> list[Failure]:
        return list(self.queries.failures())


def event(minute: int = 0, monitor: str = "Door") -> Event:
    return Event(monitor, monitor, f"24/05/01/12/{minute:02d}/00", NOON + timedelta(minutes=minute))


def captures(of: Event, *frames: int) -> list[Capture]:
    return [Capture(of, f"{frame:05d}-capture.jpg", frame) for frame in frames]


def face(identity: Identity, name: str | None = None) -> Face:
    return Face(
        box=BoundingBox(12, 12, 40, 44),
        score=0.75,
        sharpness=120.5,
        gate=Gate.USABLE,
        embedding=bytes(range(128)) * (EMBEDDING_BYTES // 128),
        identification=Identification(identity, name, 0.875, 0.25),
    )


BLURRED = Face(BoundingBox(50, 10, 80, 40), 0.625, 3.5, Gate.BLURRED)


def detection(label: str = "person", score: float = 0.5, faces: Iterable[Face] = ()) -> Detection:
    return Detection(label, 0, score, BoundingBox(10, 10, 100, 200), tuple(faces))


def annotation(
    capture: Capture, *detections: Detection, captured_at: datetime | None = None
) -> Annotation:
    seen_at = captured_at or (capture.event.started_at or NOON) + timedelta(seconds=capture.frame)
    return Annotation(capture, seen_at, 1920, 1080, detections, PROVENANCE)


def stood_in(capture: Capture, *detections: Detection) -> Annotation:
    """What the CPU saw while the Edge TPU was away."""
    return replace(annotation(capture, *detections), provenance=FALLBACK)


CAR = Detection("car", 2, 0.75, BoundingBox(600, 400, 900, 600))


def stationary_at(monitor: str) -> StationarySettings:
    """What a `World` takes for stationary: at the gate nothing."""
    return StationarySettings(enabled=monitor != "Gate", after_s=20, gone_after=3)


def failure(capture: Capture, reason: Reason = Reason.TRUNCATED) -> Failure:
    return Failure(capture.path, reason, f"{capture.path} has no end", capture, attempts=3)


def paths(found: Iterable[Capture]) -> list[str]:
    return [capture.path for capture in found]


class StoreContract:
    @pytest.fixture
    def world(self) -> World:
        raise NotImplementedError("the test class provides it")

    # the backlog

    def test_counts_only_what_is_new(self, world: World) -> None:
        one, two, three = captures(event(), 1, 2, 3)
        assert world.backlog.add([one, two], Origin.LIVE) == 2
        assert world.backlog.add([one, two, three, three], Origin.BACKFILL) == 1
        assert world.backlog.add([], Origin.LIVE) == 0
        assert world.backlog.waiting() == 3
        assert world.backlog.waiting(Origin.LIVE) == 2

    def test_what_was_annotated_or_has_failed_does_not_wait_again(self, world: World) -> None:
        good, bad, new = captures(event(), 1, 2, 3)
        world.store.record([annotation(good)], [failure(bad)])
        assert world.backlog.add([good, bad, new], Origin.RECONCILE) == 1
        assert [lease.capture for lease in world.backlog.lease(9)] == [new]

    def test_one_call_may_bring_several_events(self, world: World) -> None:
        several = [*captures(event(1), 1), *captures(event(0), 1), *captures(event(0, "Hall"), 1)]
        assert world.backlog.add(several, Origin.LIVE) == 3
        assert world.backlog.add(several, Origin.LIVE) == 0

    def test_one_call_may_tell_differently_of_one_event(self, world: World) -> None:
        (dated,) = captures(event(), 1)
        undated = replace(dated, event=replace(event(), started_at=None))
        renamed = replace(dated, event=replace(event(), monitor="Gate"))
        assert world.backlog.add([dated, undated, renamed], Origin.LIVE) == 1
        world.store.record([], [failure(dated)])
        assert world.backlog.take_up_again([renamed, dated, undated]) == 1
        assert world.backlog.waiting() == 1

    def test_names_that_do_not_follow_the_frame_are_captures_too(self, world: World) -> None:
        plain = Event("Photos", "Photos", "")
        names = ["cat.jpg", "dog.jpg", "7.jpg", "07.jpg", "100% 8%d.jpg", "été 9.jpg"]
        odd = [Capture(plain, name, 7 if "7" in name else 0) for name in names]
        assert world.backlog.add(odd, Origin.BACKFILL) == len(odd)
        assert world.backlog.add(odd, Origin.BACKFILL) == 0
        leases = world.backlog.lease(99)
        assert {lease.capture for lease in leases} == set(odd)
        world.store.record([annotation(one, detection()) for one in odd], [])
        assert {one.path for one in world.ask()} == set(paths(odd))

    def test_a_store_whose_root_is_the_event_has_plain_paths(self, world: World) -> None:
        root = Capture(Event("Photos", "", ""), "cat.jpg", 0)
        world.backlog.add([root], Origin.BACKFILL)
        assert paths(lease.capture for lease in world.backlog.lease(1)) == ["cat.jpg"]

    def test_leases_live_first_then_newest_event_first(self, world: World) -> None:
        old, new = captures(event(0), 1, 2), captures(event(5), 1, 2)
        undated = captures(Event("Door", "Door", "17"), 1)
        late = captures(event(9), 1)
        world.backlog.add(undated, Origin.BACKFILL)
        world.backlog.add(old, Origin.BACKFILL)
        world.backlog.add(new, Origin.BACKFILL)
        world.backlog.add(late, Origin.RECONCILE)
        live = captures(event(1), 1)
        world.backlog.add(live, Origin.LIVE)
        expected = [*live, *late, *new, *old, *undated]
        leases = [*world.backlog.lease(2), *world.backlog.lease(99)]
        assert [lease.capture for lease in leases] == expected
        assert leases[0].origin is Origin.LIVE
        assert leases[0].added_at == world.clock.now()
        assert leases[0].attempts == 1
        assert len({lease.id for lease in leases}) == len(leases)

    @pytest.mark.parametrize("origin", [Origin.LIVE, Origin.RECONCILE])
    def test_leases_coarse_to_fine(self, world: World, origin: Origin) -> None:
        old, new = event(0), event(5)
        for frame in range(1, 9):  # both events grow
            world.backlog.add(captures(old, frame) + captures(new, frame), origin)
        found = [lease.capture for lease in world.backlog.lease(99)]
        expected = [
            *((new, 1), (old, 1)),
            *((new, 5), (old, 5)),
            *((new, 3), (new, 7), (old, 3), (old, 7)),
            *((new, 2), (new, 4), (new, 6), (new, 8), (old, 2), (old, 4), (old, 6), (old, 8)),
        ]
        assert [(one.event, one.frame) for one in found] == expected

    def test_coarse_to_fine_whatever_the_frames_are_numbered_from_and_by(
        self, world: World
    ) -> None:
        for step, first in ((5, 3), (7, 0), (1, 1000)):
            frames = [first + step * n for n in (0, 1, 2, 3, 4, 5, 6, 7)]
            world.backlog.add(captures(event(step), *frames), Origin.LIVE)
            found = [(lease.capture.frame - first) // step for lease in world.backlog.lease(8)]
            assert found == [0, 4, 2, 6, 1, 3, 5, 7]

    def test_what_is_far_from_the_first_frame_is_coarse_too(self, world: World) -> None:
        frames = [100, 99, 101, 100 + 2**40, 100 + 2**15, 102]
        world.backlog.add(captures(event(), 100), Origin.LIVE)
        world.backlog.add(captures(event(), *frames), Origin.LIVE)
        found = [lease.capture.frame for lease in world.backlog.lease(9)]
        assert found == [100, 100 + 2**15, 100 + 2**40, 102, 99, 101]

    def test_backfill_takes_the_frames_as_they_come(self, world: World) -> None:
        for minute in (0, 5):
            world.backlog.add(captures(event(minute), 4, 2, 1, 3), Origin.BACKFILL)
        found = [lease.capture.frame for lease in world.backlog.lease(99)]
        assert found == [1, 2, 3, 4] * 2

    @pytest.mark.parametrize("origin", list(Origin))
    def test_monitors_take_turns(self, world: World, origin: Origin) -> None:
        for monitor, waiting in (("Yard", 40), ("Door", 6), ("Hall", 40), ("Shed", 1)):
            world.backlog.add(captures(event(0, monitor), *range(waiting)), origin)
        served = [lease.capture.monitor for lease in world.backlog.lease(8)]
        assert Counter(served) == {"Yard": 3, "Door": 2, "Hall": 2, "Shed": 1}
        assert len(set(served[:4])) == 4
        served = [lease.capture.monitor for lease in world.backlog.lease(12)]
        assert Counter(served) == {"Yard": 4, "Door": 4, "Hall": 4}

    @pytest.mark.parametrize("at_once", [1, 2, 3, 5])
    def test_small_leases_are_as_fair(self, world: World, at_once: int) -> None:
        monitors = ["Yard", "Door", "Hall", "Shed"]
        for monitor in monitors:
            world.backlog.add(captures(event(0, monitor), *range(40)), Origin.LIVE)
        served: Counter[str] = Counter()
        while served.total() < 40:
            leases = world.backlog.lease(at_once)
            served.update(lease.capture.monitor for lease in leases)
            world.store.record([annotation(lease.capture) for lease in leases], [])
            assert max(served.values()) - min(served[monitor] for monitor in monitors) <= 1

    def test_who_has_nothing_free_does_not_hold_up_the_others(self, world: World) -> None:
        world.backlog.add(captures(event(0, "Door"), 1, 2), Origin.LIVE)
        world.backlog.add(captures(event(0, "Hall"), *range(1, 6)), Origin.LIVE)
        leases = [lease for lease in world.backlog.lease(4) if lease.capture.monitor == "Door"]
        due = world.clock.now() + timedelta(seconds=10)
        world.backlog.give_back(leases, not_before=due, attempted=True)
        assert {lease.capture.monitor for lease in world.backlog.lease(9)} == {"Hall"}

    # captures that are left out

    def test_what_is_skipped_is_met_and_counted(self, world: World) -> None:
        skipped, waiting, done, failed, new = captures(event(), 1, 2, 3, 4, 5)
        world.backlog.add([waiting], Origin.LIVE)
        world.store.record([annotation(done)], [failure(failed)])
        every = [skipped, waiting, done, failed]
        assert world.backlog.skip(every, SkipReason.NOT_NTH_FRAME) == 1
        assert world.backlog.skip([*every, new, new], SkipReason.TOO_OLD) == 1
        assert world.backlog.skip([], SkipReason.TOO_OLD) == 0
        for origin in (Origin.LIVE, Origin.RECONCILE):
            assert world.backlog.add([*every, new], origin) == 0
        totals = world.queries.totals()
        assert totals.skipped == {SkipReason.NOT_NTH_FRAME: 1, SkipReason.TOO_OLD: 1}
        assert totals.waiting == {Origin.LIVE: 1}
        assert (totals.annotated, totals.failed) == (1, 1)

    def test_backfill_takes_up_what_was_skipped(self, world: World) -> None:
        skipped, other, never = captures(event(), 1, 2, 3)
        world.backlog.skip([skipped, other], SkipReason.NOT_NTH_FRAME)
        assert world.backlog.add([skipped, never], Origin.BACKFILL) == 2
        assert world.queries.totals().skipped == {SkipReason.NOT_NTH_FRAME: 1}
        assert [lease.capture for lease in world.backlog.lease(9)] == [skipped, never]
        assert world.backlog.skip([skipped], SkipReason.NOT_NTH_FRAME) == 0

    def test_what_was_skipped_may_be_recorded_all_the_same(self, world: World) -> None:
        good, bad = captures(event(), 1, 2)
        world.backlog.skip([good, bad], SkipReason.NOT_NTH_FRAME)
        world.store.record([annotation(good, detection())], [failure(bad)])
        totals = world.queries.totals()
        assert (totals.skipped, totals.annotated, totals.failed) == ({}, 1, 1)

    def test_what_waited_too_long_is_skipped(self, world: World) -> None:
        """Not what is in hand, nor another monitor's, nor a backfill's."""
        in_hand, *old = captures(event(), *range(1, 9))
        world.backlog.add([in_hand, *old], Origin.LIVE)
        world.backlog.add(captures(event(1), 1, 2), Origin.RECONCILE)
        world.backlog.add(captures(event(2), 1), Origin.BACKFILL)
        world.backlog.add(captures(event(1, "Hall"), 1), Origin.LIVE)
        before = world.clock.now()
        (lease,) = [one for one in world.backlog.lease(2) if one.capture.monitor == "Door"]
        assert lease.capture == in_hand
        put_off = next(one for one in old if one.frame == 5)
        world.clock.sleep(60)
        world.backlog.add(captures(event(3), 1), Origin.LIVE)
        assert world.backlog.expire("Door", before) == 0
        assert world.backlog.expire("Gate", world.clock.now()) == 0
        assert world.backlog.expire("Door", world.clock.now()) == 9
        assert world.backlog.expire("Door", world.clock.now()) == 0
        totals = world.queries.totals()
        assert totals.skipped == {SkipReason.TOO_OLD: 9}
        assert totals.waiting == {Origin.LIVE: 3, Origin.BACKFILL: 1}
        assert world.backlog.add([put_off], Origin.RECONCILE) == 0

    def test_what_was_put_off_expires_too(self, world: World) -> None:
        world.backlog.add(captures(event(), 1), Origin.LIVE)
        world.clock.sleep(60)
        far = world.clock.now() + timedelta(hours=1)
        world.backlog.give_back(world.backlog.lease(1), not_before=far, attempted=True)
        assert world.backlog.expire("Door", world.clock.now()) == 1
        assert world.backlog.waiting() == 0

    def test_knows_every_monitor_it_has_met(self, world: World) -> None:
        assert world.backlog.monitors() == ()
        door, hall, yard, shed = (
            captures(event(0, monitor), 1) for monitor in ("Door", "Hall", "Yard", "Shed")
        )
        world.backlog.add(door, Origin.LIVE)
        world.backlog.skip(hall, SkipReason.NOT_NTH_FRAME)
        world.store.record([annotation(*yard)], [failure(*shed)])
        world.store.record([annotation(*captures(Event("Door", "other", "24"), 1))], [])
        assert sorted(world.backlog.monitors()) == ["Door", "Hall", "Shed", "Yard"]

    # captures that failed

    def test_what_may_be_unfinished_is_told_with_its_stamp(self, world: World) -> None:
        early, empty, cut, broken = captures(event(), 1, 2, 3, 4)
        stamp = FileStamp(1234, NOON + timedelta(microseconds=123456))
        world.store.record([], [failure(early)])
        world.clock.sleep(60)
        since = world.clock.now()
        told = [
            failure(empty, Reason.EMPTY),
            replace(failure(cut, Reason.TRUNCATED), stamp=stamp),
        ]
        directory = Failure("Hall/24", Reason.TRUNCATED, "cut short")
        world.store.record([], [*told, failure(broken, Reason.NOT_JPEG), directory])
        assert set(world.store.unfinished(since)) == set(told)
        assert len(world.store.unfinished(NOON)) == 3
        assert world.store.unfinished(since + timedelta(seconds=1)) == ()
        assert replace(failure(cut), stamp=stamp) in world.failures()

    def test_a_failed_capture_is_taken_up_again(self, world: World) -> None:
        failed, other, done, waiting, never = captures(event(), 1, 2, 3, 4, 5)
        world.backlog.add([failed, waiting], Origin.LIVE)
        world.store.record([annotation(done)], [failure(failed), failure(other)])
        assert world.backlog.take_up_again([failed, failed, done, waiting, never]) == 1
        assert world.backlog.take_up_again([failed, *captures(event(9), 1)]) == 0
        assert world.failures() == [failure(other)]
        assert world.queries.totals().waiting == {Origin.LIVE: 1, Origin.RECONCILE: 1}
        again = world.backlog.lease(9)[-1]
        assert (again.capture, again.attempts) == (failed, 1)
        world.store.record([annotation(failed)], [])
        assert world.backlog.waiting() == 1

    @pytest.mark.parametrize(
        ("reasons", "below", "expected"),
        [
            ([], [], ["Door 1", "Door 2", "Doorstep 1", "Hall 1"]),
            ([Reason.CRASHED], [], ["Door 2"]),
            ([Reason.TRUNCATED, Reason.EMPTY], [], ["Door 1", "Doorstep 1", "Hall 1"]),
            ([], ["Door"], ["Door 1", "Door 2"]),
            ([], ["Door/"], ["Door 1", "Door 2"]),
            ([], ["D%r", "D__r", "Doo", "24", "/"], ["Door 1", "Door 2", "Doorstep 1", "Hall 1"]),
            ([], ["D%r", "D__r", "Doo", "24"], []),
            ([Reason.TRUNCATED], ["Door", "Hall/24/05/01/12"], ["Door 1", "Hall 1"]),
            ([], ["Door/24/05/01/12/00/00/00002-capture.jpg"], ["Door 2"]),
            ([], ["Hall/24/05/02"], []),
        ],
    )
    def test_failures_are_tried_again_when_asked_for(
        self, world: World, reasons: list[Reason], below: list[str], expected: list[str]
    ) -> None:
        one, two = captures(event(0), 1, 2)
        (step,) = captures(event(0, "Doorstep"), 1)
        (hall,) = captures(event(0, "Hall"), 1)
        directory = Failure("Hall/24/05/02", Reason.UNREADABLE, "permission denied")
        crashed = failure(two, Reason.CRASHED)
        every = [failure(one), crashed, failure(step), failure(hall), directory]
        world.store.record([annotation(*captures(event(7), 1))], every)
        assert world.backlog.retry(reasons, below) == len(expected)
        assert world.backlog.retry(reasons, below) == 0
        assert len(world.failures()) == len(every) - len(expected)
        leases = world.backlog.lease(9)
        found = sorted(f"{one.capture.monitor} {one.capture.frame}" for one in leases)
        assert found == expected
        assert {lease.origin for lease in leases} <= {Origin.BACKFILL}
        assert all(lease.attempts == 1 for lease in leases)

    def test_a_root_that_is_the_event_can_be_retried(self, world: World) -> None:
        plain = [Capture(Event("Photos", "", ""), name, 0) for name in ("cat.jpg", "dog.jpg")]
        world.store.record([], [failure(one) for one in plain])
        assert world.backlog.retry([], ["cat.jpg", "dog"]) == 1
        assert world.backlog.lease(1)[0].capture == plain[0]

    def test_the_store_is_remembered(self, world: World) -> None:
        assert world.store.store_identity() is None
        for identity in ("sshfs nvr:/events", "sshfs nvr:/events", "disk 0815"):
            world.store.set_store_identity(identity)
            assert world.store.store_identity() == identity

    def test_what_is_leased_is_not_leased_twice_but_still_waits(self, world: World) -> None:
        world.backlog.add(captures(event(), 1), Origin.LIVE)
        assert len(world.backlog.lease(5)) == 1
        assert world.backlog.lease(5) == ()
        assert world.backlog.waiting() == 1

    def test_given_back_counts_the_attempt_or_takes_it_back(self, world: World) -> None:
        world.backlog.add(captures(event(), 1), Origin.LIVE)
        for attempted, next_attempts in ((True, 2), (False, 2), (True, 3)):
            leases = world.backlog.lease(1)
            world.backlog.give_back(leases, not_before=None, attempted=attempted)
            again = world.backlog.lease(1)
            assert again[0].attempts == next_attempts
            world.backlog.give_back(again, not_before=None, attempted=False)

    def test_given_back_twice_is_given_back_once(self, world: World) -> None:
        world.backlog.add(captures(event(), 1), Origin.LIVE)
        world.backlog.give_back(world.backlog.lease(1), not_before=None, attempted=True)
        leases = world.backlog.lease(1)
        for _ in range(2):
            world.backlog.give_back(leases, not_before=None, attempted=False)
        assert world.backlog.lease(1)[0].attempts == 2

    def test_what_is_put_off_waits_until_it_is_due(self, world: World) -> None:
        world.backlog.add(captures(event(), 1, 2), Origin.LIVE)
        due = world.clock.now() + timedelta(seconds=10)
        first, second = world.backlog.lease(2)
        world.backlog.give_back([first], not_before=due, attempted=True)
        world.backlog.give_back([second], not_before=due + timedelta(hours=1), attempted=True)
        assert world.backlog.lease(2) == ()
        world.clock.sleep(10)
        assert [lease.capture for lease in world.backlog.lease(2)] == [first.capture]
        world.clock.sleep(3600)
        assert [lease.capture for lease in world.backlog.lease(2)] == [second.capture]

    def test_a_new_start_frees_what_was_leased_and_keeps_the_attempts(self, world: World) -> None:
        world.backlog.add(captures(event(), 1, 2, 3), Origin.LIVE)
        world.backlog.lease(2)
        assert world.backlog.free_all() == 2
        assert world.backlog.free_all() == 0
        assert [lease.attempts for lease in world.backlog.lease(9)] == [2, 2, 1]

    def test_recording_takes_off_the_backlog(self, world: World) -> None:
        good, bad, other = captures(event(), 1, 2, 3)
        world.backlog.add([good, bad, other], Origin.LIVE)
        leases = world.backlog.lease(2)
        world.store.record([annotation(good)], [failure(bad)])
        assert world.backlog.waiting() == 1
        world.backlog.give_back(leases, not_before=None, attempted=True)
        assert [lease.capture for lease in world.backlog.lease(9)] == [other]

    # captures that are looked at anew

    @pytest.fixture
    def away(self, world: World) -> World:
        """Of four captures of Door and two of Hall the second ones were made on the fallback."""
        one, two, three, four = captures(event(), 1, 2, 3, 4)
        hall = captures(event(1, "Hall"), 1, 2)
        world.store.record(
            [
                *(annotation(one, detection()) for one in (one, three, hall[0])),
                *(stood_in(one, detection("cat")) for one in (two, hall[1])),
            ],
            [failure(four)],
        )
        return world

    @pytest.mark.parametrize(
        ("window", "expected"),
        [
            (Window(), ["Door 2", "Hall 2"]),
            (Window(monitors=("Hall", "Yard")), ["Hall 2"]),
            (Window(since=NOON + timedelta(seconds=60)), ["Hall 2"]),
            (Window(until=NOON + timedelta(seconds=60)), ["Door 2"]),
            (Window(paths=("Door", "Hall/24/05/02")), ["Door 2"]),
            (Window(paths=("Hall/24/05/01/12/01/00/00002-capture.jpg",)), ["Hall 2"]),
            (Window(paths=("Hall/24/05/01/12/01/00/00001-capture.jpg",)), []),
            (Window(paths=("",)), ["Door 2", "Hall 2"]),
        ],
    )
    def test_what_was_made_on_the_fallback_waits_again(
        self, away: World, window: Window, expected: list[str]
    ) -> None:
        assert away.backlog.redo_fallback(window) == len(expected)
        assert away.backlog.redo_fallback(window) == 0
        leases = away.backlog.lease(9)
        assert sorted(f"{one.capture.monitor} {one.capture.frame}" for one in leases) == expected
        assert {one.origin for one in leases} <= {Origin.BACKFILL}

    def test_until_it_is_looked_at_anew_the_annotation_stays(self, away: World) -> None:
        before = away.ask()
        away.backlog.redo_fallback(Window())
        assert away.ask() == before
        totals = away.queries.totals()
        assert (totals.annotated, totals.failed) == (5, 1)
        assert totals.waiting == {Origin.BACKFILL: 2}
        two, hall = captures(event(), 2) + captures(event(1, "Hall"), 2)
        away.store.record([annotation(two, detection("dog"))], [])
        assert [one.label for one in away.ask(monitors=("Door",))] == ["person", "dog", "person"]
        assert [lease.capture for lease in away.backlog.lease(9)] == [hall]
        assert away.backlog.redo_fallback(Window()) == 0

    def test_made_on_the_fallback_again_it_can_be_asked_for_again(self, away: World) -> None:
        away.backlog.redo_fallback(Window())
        away.store.record([stood_in(one.capture) for one in away.backlog.lease(9)], [])
        assert away.backlog.waiting() == 0
        assert away.backlog.redo_fallback(Window()) == 2

    def test_a_second_look_that_fails_leaves_what_was_seen(self, away: World) -> None:
        before, failures = away.ask(), away.failures()
        away.backlog.redo_fallback(Window())
        gone, broken = away.backlog.lease(9)
        away.store.record([], [failure(gone.capture, Reason.VANISHED), failure(broken.capture)])
        assert away.ask() == before
        assert away.failures() == failures
        assert away.backlog.waiting() == 0
        assert away.queries.totals().annotated == 5

    def test_what_waits_again_is_leased_and_put_back_like_any_other(self, away: World) -> None:
        away.backlog.redo_fallback(Window())
        two, hall = captures(event(), 2) + captures(event(1, "Hall"), 2)
        for origin in Origin:
            assert away.backlog.add([two, hall], origin) == 0
        assert away.backlog.skip([two], SkipReason.TOO_OLD) == 0
        assert away.backlog.take_up_again([two]) == 0
        away.clock.sleep(3600)
        assert away.backlog.expire("Door", away.clock.now()) == 0
        leases = away.backlog.lease(9)
        away.backlog.give_back(leases, not_before=None, attempted=True)
        assert [one.attempts for one in away.backlog.lease(9)] == [2, 2]
        assert away.backlog.free_all() == 2
        assert away.backlog.retry([], []) == 1
        assert away.backlog.waiting() == 3

    # results

    def test_nothing_recorded_is_nothing_written(self, world: World) -> None:
        world.store.record([], [])
        assert world.queries.totals().annotated == 0
        assert world.ask() == []

    def test_gives_back_what_was_recorded(self, world: World) -> None:
        (capture,) = captures(event(), 7)
        known = face(Identity.KNOWN, "Anna")
        seen = annotation(
            capture,
            detection("person", 0.75, [known, BLURRED]),
            detection("cat", 0.625),
            captured_at=NOON + timedelta(milliseconds=1234),
        )
        world.store.record([seen], [])
        first = Sighting(
            captured_at=seen.captured_at,
            monitor="Door",
            event=capture.event.path,
            frame=7,
            label="person",
            class_id=0,
            score=0.75,
            box=BoundingBox(10, 10, 100, 200),
            path="Door/24/05/01/12/00/00/00007-capture.jpg",
            face_box=known.box,
            name="Anna",
            probability=0.875,
            verdict="known",
        )
        assert world.ask() == [
            first,
            replace(first, face_box=BLURRED.box, name=None, probability=None, verdict="blurred"),
            replace(
                first,
                label="cat",
                score=0.625,
                face_box=None,
                name=None,
                probability=None,
                verdict=None,
            ),
        ]

    def test_recording_again_replaces_and_touches_no_other(self, world: World) -> None:
        one, two = captures(event(), 1, 2)
        world.store.record([annotation(one, detection("cat")), annotation(two, detection())], [])
        world.store.record([annotation(one, detection("dog"), detection("dog", 0.25))], [])
        assert [(s.frame, s.label, s.score) for s in world.ask()] == [
            (2, "person", 0.5),
            (1, "dog", 0.5),
            (1, "dog", 0.25),
        ]
        assert world.queries.totals().detections == 3
        assert world.queries.totals().annotated == 2

    def test_a_failure_is_replaced(self, world: World) -> None:
        (capture,) = captures(event(), 1)
        world.store.record([], [failure(capture)])
        world.store.record([], [failure(capture, Reason.VANISHED)])
        assert world.failures() == [failure(capture, Reason.VANISHED)]
        world.store.record([annotation(capture, detection())], [])
        assert world.failures() == []
        assert len(world.ask()) == 1

    def test_what_was_seen_once_no_failure_takes_away(self, world: World) -> None:
        seen, at_once = captures(event(), 1, 2)
        world.store.record([annotation(seen, detection())], [])
        world.store.record([annotation(at_once, detection())], [failure(seen), failure(at_once)])
        assert len(world.ask()) == 2
        assert world.failures() == []

    def test_a_capture_that_had_vanished_and_is_met_again_waits_again(self, world: World) -> None:
        there, broken = captures(event(), 1, 2)
        world.store.record([], [failure(there, Reason.VANISHED), failure(broken)])
        assert world.backlog.add([there, broken], Origin.RECONCILE) == 1
        assert world.failures() == [failure(broken)]
        assert [lease.capture for lease in world.backlog.lease(5)] == [there]

    def test_a_capture_twice_in_a_batch_counts_once(self, world: World) -> None:
        (capture,) = captures(event(), 1)
        world.store.record([annotation(capture), annotation(capture, detection())], [])
        assert len(world.ask()) == 1
        (other,) = captures(event(), 2)
        crashed = failure(other, Reason.CRASHED)
        world.store.record([], [failure(other), crashed])
        assert world.failures() == [crashed]

    def test_failures_come_newest_first(self, world: World) -> None:
        one, two = captures(event(), 1, 2)
        world.store.record([], [failure(two)])
        world.clock.sleep(1)
        world.store.record([], [failure(one)])
        assert world.failures() == [failure(one), failure(two)]
        assert list(world.queries.failures(1)) == [failure(one)]

    def test_a_directory_fails_until_it_is_listed(self, world: World) -> None:
        day = Failure("Door/24/05/01", Reason.UNREADABLE, "permission denied")
        other = Failure("Hall/24", Reason.UNREADABLE, "permission denied")
        world.store.record([], [day, other])
        world.store.record([], [replace(day, message="input/output error", attempts=2)])
        assert len(world.failures()) == 2
        world.store.clear_directory_failures(["Door/24/05/010", "Door/24/05/02/12/00/00", ""])
        assert len(world.failures()) == 2
        world.store.clear_directory_failures(["Door/24/05/01/12/00/00"])
        assert world.failures() == [other]
        world.store.clear_directory_failures(["Hall/24"])
        assert world.failures() == []

    def test_a_listed_directory_clears_no_capture(self, world: World) -> None:
        (capture,) = captures(event(), 1)
        world.store.record([], [failure(capture)])
        world.store.clear_directory_failures([capture.event.directory, capture.path])
        assert world.failures() == [failure(capture)]

    # questions

    @pytest.fixture
    def past(self, world: World) -> World:
        """Four captures, newest last: Door 1 and 2, Hall 1 and 2."""
        door, hall = captures(event(0), 1, 2), captures(event(1, "Hall"), 1, 2)
        world.store.record(
            [
                annotation(door[0], detection("person", 0.75, [face(Identity.KNOWN, "Anna")])),
                annotation(door[1], detection("cat", 0.5)),
                annotation(hall[0], detection("person", 0.5, [face(Identity.UNKNOWN)])),
                annotation(
                    hall[1],
                    detection("person", 1.0, [face(Identity.KNOWN, "Bob")]),
                    detection("dog"),
                ),
            ],
            [],
        )
        return world

    @pytest.mark.parametrize(
        ("question", "expected"),
        [
            ({}, ["Hall 2 person", "Hall 2 dog", "Hall 1 person", "Door 2 cat", "Door 1 person"]),
            ({"limit": 2}, ["Hall 2 person", "Hall 2 dog"]),
            ({"limit": 0}, []),
            ({"monitors": ("Door",)}, ["Door 2 cat", "Door 1 person"]),
            ({"monitors": ("Door", "Hall"), "limit": 1}, ["Hall 2 person"]),
            ({"labels": ("cat", "dog")}, ["Hall 2 dog", "Door 2 cat"]),
            ({"labels": ("cat", "dog", "cat"), "monitors": ("Door",)}, ["Door 2 cat"]),
            ({"names": ("Anna",)}, ["Door 1 person"]),
            ({"names": (UNKNOWN_NAME,)}, ["Hall 1 person"]),
            ({"names": ("Anna", UNKNOWN_NAME)}, ["Hall 1 person", "Door 1 person"]),
            ({"names": ("Anna", "Bob"), "monitors": ("Hall",)}, ["Hall 2 person"]),
            ({"names": ("Anna",), "labels": ("cat",)}, []),
            ({"min_score": 0.75}, ["Hall 2 person", "Door 1 person"]),
            (
                {"since": NOON + timedelta(seconds=61)},
                ["Hall 2 person", "Hall 2 dog", "Hall 1 person"],
            ),
            ({"until": NOON + timedelta(seconds=2)}, ["Door 1 person"]),
            (
                {"since": NOON + timedelta(seconds=2), "until": NOON + timedelta(seconds=61)},
                ["Door 2 cat"],
            ),
        ],
    )
    def test_answers(self, past: World, question: dict[str, object], expected: list[str]) -> None:
        assert [
            f"{one.monitor} {one.frame} {one.label}" for one in past.ask(**question)
        ] == expected

    def test_what_was_seen_in_one_capture(self, past: World) -> None:
        (seen,) = captures(event(1, "Hall"), 2)
        found = past.queries.seen_in(seen)
        assert found == tuple(past.ask(limit=2))
        (empty, failed, waiting, never) = captures(event(7), 1, 2, 3, 4)
        past.store.record([annotation(empty)], [failure(failed)])
        past.backlog.add([waiting], Origin.LIVE)
        assert past.queries.seen_in(empty) == ()
        for other in (failed, waiting, never, *captures(event(9), 1)):
            assert past.queries.seen_in(other) is None

    def parked(self, world: World, monitor: str = "Door") -> list[Capture]:
        """A car stands for 30 captures while a person walks by, and is gone for 3."""
        every = captures(event(0, monitor), *range(1, 34))
        seen = [
            annotation(one, *([CAR] if one.frame <= 30 else []), *([detection()] if n == 9 else []))
            for n, one in enumerate(every)
        ]
        for begin in range(0, len(seen), 8):
            world.store.record(seen[begin : begin + 8], [])
        return every

    def test_a_parked_car_is_seen_to_arrive_and_to_leave(self, world: World) -> None:
        every = self.parked(world)
        found = [(one.frame, one.label, one.stay) for one in world.ask()]
        assert found == [
            (30, "car", Stay.LEFT),
            (10, "person", None),
            (1, "car", Stay.ARRIVED),
        ]
        assert [one.frame for one in world.ask(labels=("car",))] == [30, 1]
        assert [one.frame for one in world.ask(monitors=("Door",), limit=2)] == [30, 10]
        everything = world.ask(stationary=True)
        assert len(everything) == 31
        assert [one.stay for one in everything if one.frame == 10] == [None, Stay.STILL_THERE]
        assert len(world.ask(stationary=True, labels=("car",), monitors=("Door",))) == 30
        assert world.queries.totals().detections == 31
        of_one = world.queries.seen_in(every[9])
        assert of_one is not None
        assert [one.stay for one in of_one] == [None, Stay.STILL_THERE]

    def test_what_is_stationary_is_each_monitors_affair(self, world: World) -> None:
        self.parked(world, "Gate")
        assert len(world.ask()) == 31
        assert {one.stay for one in world.ask()} == {None}

    def test_people_never_are(self, world: World) -> None:
        every = captures(event(), *range(1, 40))
        world.store.record([annotation(one, detection("person")) for one in every], [])
        assert {one.stay for one in world.ask()} == {None}

    def test_recording_again_counts_no_sighting_twice(self, world: World) -> None:
        every = self.parked(world)
        before = world.ask(stationary=True)
        again = [annotation(one, CAR) for one in (every[0], every[4], every[29])]
        for _ in range(2):
            world.store.record(again, [])
        assert world.ask(stationary=True) == before
        world.store.record([annotation(every[0]), annotation(every[29])], [])
        assert [(one.frame, one.stay) for one in world.ask()] == [
            (29, Stay.LEFT),
            (10, None),
            (2, Stay.ARRIVED),
        ]

    def test_inherited_detections_are_sightings_too(self, world: World) -> None:
        first, *others = captures(event(), *range(1, 34))
        seen = [annotation(first, CAR)]
        seen += [replace(annotation(one, CAR), inherited_from=first) for one in others]
        world.store.record(seen, [])
        assert [one.stay for one in world.ask()] == [Stay.ARRIVED]

    @pytest.mark.parametrize("count", [1, 3, 7, 60, 200])
    def test_a_sample_is_spread_evenly(self, world: World, count: int) -> None:
        every = [
            one
            for minute in range(12)
            for one in captures(event(minute), *range(1, 1 + (minute * 7) % 10))
        ]
        shuffled = sorted(every, key=lambda one: one.frame, reverse=True)
        world.store.record([annotation(one, detection()) for one in shuffled], [])
        found = world.queries.sample(Window(), count)
        places = [every.index(one) for one in found]
        assert len(found) == min(count, len(every))
        assert world.queries.sample(Window(), count) == found
        gaps = {after - before for before, after in pairwise(places)}
        assert not gaps or max(gaps) - min(gaps) <= 1
        assert min(places) <= len(every) / count
        assert len(every) - max(places) <= 1 + len(every) / count

    def test_a_sample_is_of_its_window(self, past: World) -> None:
        waiting, failed = captures(event(0), 8, 9)
        past.backlog.add([waiting], Origin.LIVE)
        past.store.record([], [failure(failed)])
        hall = captures(event(1, "Hall"), 1, 2)
        for window in (
            Window(monitors=("Hall",)),
            Window(since=NOON + timedelta(minutes=1)),
            Window(paths=("Hall/24",)),
        ):
            assert list(past.queries.sample(window, 9)) == hall
        assert list(past.queries.sample(Window(paths=(hall[1].path,)), 9)) == hall[1:]
        assert len(past.queries.sample(Window(until=NOON + timedelta(minutes=1)), 9)) == 2
        assert past.queries.sample(Window(monitors=("Yard",)), 9) == ()
        assert past.queries.sample(Window(), 0) == ()

    @pytest.mark.parametrize("what", ["monitor", "label", "name"])
    def test_a_word_it_never_met_is_an_error(self, past: World, what: str) -> None:
        with pytest.raises(QueryError, match=f"no {what} 'Zebra'"):
            past.ask(**{f"{what}s": ("Zebra",)})

    def test_totals(self, past: World) -> None:
        waiting, failed = captures(event(7), 1, 2)
        past.backlog.add([waiting, failed], Origin.BACKFILL)
        directory = Failure("Hall/24", Reason.UNREADABLE, "permission denied")
        past.store.record([], [failure(failed), directory])
        totals = past.queries.totals()
        assert (totals.annotated, totals.failed, totals.detections, totals.faces) == (4, 2, 5, 3)
        assert totals.waiting == {Origin.BACKFILL: 1}
        assert totals.failures == {Reason.TRUNCATED: 1, Reason.UNREADABLE: 1}
        assert totals.newest_captured_at == NOON + timedelta(seconds=62)
        assert totals.newest_by_monitor == {
            "Door": NOON + timedelta(seconds=2),
            "Hall": NOON + timedelta(seconds=62),
        }

    def test_totals_of_nothing(self, world: World) -> None:
        assert world.queries.totals() == Totals(annotated=0, failed=0, detections=0, faces=0)

    def test_totals_tell_since_when_the_oldest_waits(self, world: World) -> None:
        begun = world.clock.now()
        for monitor in ("Door", "Hall"):
            world.backlog.add(captures(event(0, monitor), 1), Origin.BACKFILL)
            world.clock.sleep(10)
        for frame in (1, 2, 3):
            world.backlog.add(captures(event(1), frame), Origin.LIVE)
            world.clock.sleep(1)
        (first,) = world.backlog.lease(1)
        oldest = {
            Origin.LIVE: begun + timedelta(seconds=20),
            Origin.BACKFILL: begun,
        }
        assert world.queries.totals().oldest_waiting == oldest, "what is in hand waits too"
        world.store.record([annotation(first.capture)], [])
        oldest[Origin.LIVE] += timedelta(seconds=1)
        assert world.queries.totals().oldest_waiting == oldest

    def test_monitors_of_one_name_are_one_in_the_totals(self, world: World) -> None:
        for directory, second in (("1", 5), ("2", 9), ("3", 7)):
            (one,) = captures(Event("Door", directory, "24"), 1)
            world.store.record([annotation(one, captured_at=NOON + timedelta(seconds=second))], [])
        assert world.queries.totals().newest_by_monitor == {"Door": NOON + timedelta(seconds=9)}
