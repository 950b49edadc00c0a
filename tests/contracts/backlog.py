"""What every backlog and every place for results must do, whatever it is made of.

A test class inherits from `StoreContract` and provides the fixture `world`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

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
    Gate,
    Identification,
    Identity,
    Origin,
    Provenance,
    Reason,
    Sighting,
)
from annotator.errors import QueryError
from annotator.ports import AnnotationStore, Backlog, SightingQueries
from tests.fakes.clock import ManualClock

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
PROVENANCE = Provenance("ssd@0123456789ab", "cpu")


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
        embedding=bytes(range(256)) * (EMBEDDING_BYTES // 256),
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

    def test_names_that_do_not_follow_the_frame_are_captures_too(self, world: World) -> None:
        plain = Event("Photos", "Photos", "")
        names = ["cat.jpg", "dog.jpg", "7.jpg", "07.jpg", "100% 8%d.jpg", "été 9.jpg"]
        odd = [Capture(plain, name, 7 if "7" in name else 0) for name in names]
        assert world.backlog.add(odd, Origin.BACKFILL) == len(odd)
        assert world.backlog.add(odd, Origin.BACKFILL) == 0
        leases = world.backlog.lease(99)
        assert [lease.capture for lease in leases] == odd
        world.store.record([annotation(one, detection()) for one in odd], [])
        assert {one.path for one in world.ask()} == set(paths(odd))

    def test_a_store_whose_root_is_the_event_has_plain_paths(self, world: World) -> None:
        root = Capture(Event("Photos", "", ""), "cat.jpg", 0)
        world.backlog.add([root], Origin.BACKFILL)
        assert paths(lease.capture for lease in world.backlog.lease(1)) == ["cat.jpg"]

    def test_leases_live_first_then_newest_event_then_as_added(self, world: World) -> None:
        old, new = captures(event(0), 1, 2), captures(event(5), 1, 2)
        undated = [Capture(Event("Photos", "Photos", ""), "a.jpg", 0)]
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
        assert world.backlog.next_due() is None
        due = world.clock.now() + timedelta(seconds=10)
        first, second = world.backlog.lease(2)
        world.backlog.give_back([first], not_before=due, attempted=True)
        world.backlog.give_back([second], not_before=due + timedelta(hours=1), attempted=True)
        assert world.backlog.lease(2) == ()
        assert world.backlog.next_due() == due
        world.clock.sleep(10)
        assert [lease.id for lease in world.backlog.lease(2)] == [first.id]
        assert world.backlog.next_due() == due + timedelta(hours=1)

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

    def test_a_failure_replaces_and_is_replaced(self, world: World) -> None:
        (capture,) = captures(event(), 1)
        world.store.record([annotation(capture, detection())], [])
        world.store.record([], [failure(capture)])
        assert world.ask() == []
        assert world.failures() == [failure(capture)]
        world.store.record([], [failure(capture, Reason.VANISHED)])
        assert world.failures() == [failure(capture, Reason.VANISHED)]
        world.store.record([annotation(capture, detection())], [])
        assert world.failures() == []
        assert len(world.ask()) == 1

    def test_a_capture_twice_in_a_batch_counts_once(self, world: World) -> None:
        (capture,) = captures(event(), 1)
        world.store.record([annotation(capture), annotation(capture, detection())], [])
        assert len(world.ask()) == 1
        world.store.record([annotation(capture)], [failure(capture)])
        assert world.queries.totals().annotated == 0
        assert len(world.failures()) == 1

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
