"""What is pruned, what is not, and what stays known of it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from itertools import count as count_from
from itertools import islice
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from annotator.config import RetentionSettings
from annotator.domain import (
    Capture,
    Event,
    FaceQuestion,
    Identity,
    Origin,
    SkipReason,
    Stay,
    Tag,
    Window,
)
from db.backlog import SqlBacklog
from db.engine import Database
from db.face_book import SqlFaceBook
from db.gone import SqlEventRoll
from db.prune import SqlPruning
from db.queries import SqlQueries
from db.rules import Turn, What
from db.store import SqlStore
from tests.contracts.backlog import (
    CAR,
    NOON,
    World,
    annotation,
    captures,
    detection,
    event,
    face,
    failure,
    stationary_at,
    stood_in,
)
from tests.fakes.clock import ManualClock

DAY = timedelta(days=1)
Counts = dict[tuple[str, str, str | None], int]


@pytest.fixture
def world(database: Database) -> World:
    clock = ManualClock(NOON)
    store = SqlStore(database, clock, stationary_at)
    return World(SqlBacklog(database, clock), store, SqlQueries(database), clock)


@pytest.fixture
def prune(database: Database, world: World) -> Callable[..., Counts]:
    def run(days: float = 100, **keys: Any) -> Counts:
        """Prune so many days after noon; what went must be what was expected."""
        world.clock.sleep((NOON + days * DAY - world.clock.now()).total_seconds())
        its = {name: RetentionSettings(**own) for name, own in keys.pop("monitors", {}).items()}
        common = RetentionSettings(**keys)
        pruning = SqlPruning(database, world.clock, lambda name: its.get(name, common))
        expected = tally(pruning.expected())
        assert tally(pruning.expected()) == expected, "nothing was changed"
        went = tally(pruning.turns())
        assert exact(went) == exact(expected)
        assert went <= expected
        check(database)
        return dict(went)

    return run


def tally(turns: Iterable[Turn]) -> Counter[tuple[str, str, str | None]]:
    counts = Counter[tuple[str, str, str | None]]()
    for one in (one for turn in turns for one in turn.pruned):
        counts[str(one.what), one.monitor, one.label] += one.count
    return counts


def exact(counts: Counter[tuple[str, str, str | None]]) -> Counts:
    """Without those of which something else may take some."""
    return {key: count for key, count in counts.items() if key[0] != What.EMBEDDINGS}


def asked(database: Database, question: str) -> list[Any]:
    with database.reading() as connection:
        return list(connection.exec_driver_sql(question))


def check(database: Database) -> None:
    """What must always hold: whole references, and tallies that are what they count."""
    assert asked(database, "PRAGMA foreign_key_check") == []
    assert asked(database, "PRAGMA integrity_check") == [("ok",)]
    counted = {
        (subject, part): value for subject, part, value in asked(database, "SELECT * FROM tally")
    }
    for state, subject in (("annotated", "capture"), ("pruned", "pruned")):
        found = asked(database, f"SELECT count(*) FROM captures WHERE state = '{state}'")
        assert found == [(counted.get((subject, ""), 0),)], state
    for table in ("detection", "face"):
        assert asked(database, f"SELECT count(*) FROM {table}") == [(counted.get((table, ""), 0),)]
    assert asked(database, "SELECT path FROM captures GROUP BY path HAVING count(*) > 1") == []


def rows(database: Database, table: str) -> int:
    ((count,),) = asked(database, f"SELECT count(*) FROM {table}")
    return int(count)


def states(database: Database) -> Counter[str]:
    return Counter(state for (state,) in asked(database, "SELECT state FROM captures"))


# empty captures


def test_empty_captures_are_folded_and_stay_known(
    database: Database, world: World, prune: Callable[..., Counts]
) -> None:
    every = captures(event(), *range(1, 101))
    person = [annotation(one, detection()) for one in every[39:60]]
    world.store.record([annotation(one) for one in every[:39] + every[60:]], [])
    world.store.record(person, [])
    before = world.queries.totals()
    assert prune(1, empty_days=2) == {}, "not old enough"
    assert prune(3, empty_days=2) == {("empty captures", "Door", None): 79}
    assert rows(database, "capture") == 21
    assert rows(database, "folded") == 2
    assert world.queries.totals() == before
    for origin in Origin:
        assert world.backlog.add(every, origin) == 0
    assert world.backlog.skip(every, SkipReason.TOO_OLD) == 0
    assert world.queries.seen_in(every[0]) == ()
    assert len(world.queries.seen_in(every[50]) or ()) == 1
    assert world.queries.seen_in(*captures(event(), 101)) is None
    assert prune(3, empty_days=2) == {}


def test_captures_that_make_no_run_stay_and_are_not_expected_to_go(
    world: World, prune: Callable[..., Counts]
) -> None:
    squares = captures(event(), *(n * n for n in range(1, 40)))
    world.store.record([annotation(one) for one in squares], [])
    assert prune(empty_days=1) == {}


def test_what_is_expected_of_a_long_event_is_what_goes(
    world: World, prune: Callable[..., Counts]
) -> None:
    """One that takes several transactions, with gaps everywhere, and that grows on."""
    luck = random.Random(1)
    for first in (1, 1001):
        frames = (frame for frame in range(first, first + 1500, 2) if luck.random() < 0.85)
        world.store.record([annotation(one) for one in captures(event(), *frames)], [])
        ((_, went),) = prune(empty_days=1).items()
        assert went > 500


def test_a_capture_that_comes_late_in_the_middle_is_new(
    database: Database, world: World, prune: Callable[..., Counts]
) -> None:
    steps = captures(event(), *range(1, 100, 3))
    world.store.record([annotation(one) for one in steps], [])
    prune(empty_days=1)
    assert rows(database, "folded") == 1
    late = captures(event(), 2, 50, 51)
    odd = [replace(steps[1], file_name="snapshot.jpg")]
    assert world.backlog.add([*steps, *late, *odd], Origin.LIVE) == 4
    leases = world.backlog.lease(9)
    assert {lease.capture for lease in leases} == {*late, *odd}
    world.store.record([annotation(one) for one in late], [failure(odd[0])])
    prune(empty_days=1)
    assert world.backlog.add([*steps, *late, *odd], Origin.RECONCILE) == 0


def test_folded_captures_have_times_between_those_of_their_run(
    database: Database, world: World, prune: Callable[..., Counts]
) -> None:
    world.store.record([annotation(one) for one in captures(event(), 1, 3, 5, 7)], [])
    question = "SELECT path, utc_time, state, width, detector, delegate FROM captures ORDER BY path"
    before = asked(database, question)
    prune(empty_days=1)
    assert rows(database, "capture") == 0
    assert asked(database, question) == before


def test_an_event_grows_on_after_folding(
    database: Database, world: World, prune: Callable[..., Counts]
) -> None:
    for first in (1, 11, 21):
        new = captures(event(), *range(first, first + 10))
        world.store.record([annotation(one) for one in new], [])
        assert prune(empty_days=1) == {("empty captures", "Door", None): 10}
    assert asked(database, "SELECT first_frame, last_frame, step FROM folded") == [(1, 30, 1)]


def test_what_may_be_asked_for_again_is_not_folded(
    database: Database, world: World, prune: Callable[..., Counts]
) -> None:
    """What the CPU did in an Edge TPU's place, and files with names of their own."""
    photos = [Capture(Event("Photos", "Photos", "", NOON), f"{n}.jpg", 0) for n in range(9)]
    world.store.record([annotation(one) for one in photos], [])
    world.store.record([stood_in(one) for one in captures(event(), *range(9))], [])
    assert prune(empty_days=1) == {}
    assert world.backlog.redo_fallback(Window()) == 9


def test_a_folded_capture_that_is_recorded_again_is_there_once(
    database: Database, world: World, prune: Callable[..., Counts]
) -> None:
    every = captures(event(), *range(1, 21))
    world.store.record([annotation(one) for one in every], [])
    prune(empty_days=1)
    world.store.record([annotation(every[7], detection())], [failure(every[9])])
    check(database)
    assert len(world.queries.seen_in(every[7]) or ()) == 1
    assert world.queries.seen_in(every[9]) == (), "a failure takes nothing away"
    assert world.queries.totals().annotated == 20


WORDS = st.sampled_from(["empty", "empty", "seen", "failed", "skipped", "new", "odd"])
EVENTS = count_from(1)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(words=st.lists(WORDS, min_size=1, max_size=60))
def test_nothing_becomes_known_or_unknown_by_pruning(
    database: Database, world: World, prune: Callable[..., Counts], words: list[str]
) -> None:
    of = replace(event(), path=str(next(EVENTS)))
    usual = captures(of, *range(len(words)))
    odd = [replace(one, file_name=f"odd {one.frame}.jpg") for one in usual]
    by_word = {word: [usual[n] for n, one in enumerate(words) if one == word] for word in words}
    met_odd = [odd[n] for n, word in enumerate(words) if word == "odd"]
    empty = by_word.get("empty", []) + met_odd
    seen = [annotation(one, detection()) for one in by_word.get("seen", [])]
    failed = [failure(one) for one in by_word.get("failed", [])]
    world.store.record([*map(annotation, empty), *seen], failed)
    world.backlog.skip(by_word.get("skipped", []), SkipReason.TOO_OLD)

    prune(empty_days=1, detections_days=1)
    new = {*by_word.get("new", []), *by_word.get("odd", [])}
    assert world.backlog.add(usual + met_odd, Origin.RECONCILE) == len(new)
    leased = world.backlog.lease(99)
    assert {lease.capture for lease in leased} == new
    world.store.record([annotation(one) for one in new], [])
    prune(empty_days=1, detections_days=1)
    assert world.backlog.add(usual + met_odd, Origin.LIVE) == 0
    again = world.backlog.add(usual, Origin.BACKFILL)
    # The newest detection of all is never pruned.
    assert again + bool(seen) == len(seen) + len(by_word.get("skipped", []))
    world.store.record([annotation(one.capture) for one in world.backlog.lease(99)], [])
    check(database)


# detections


def close(world: World) -> None:
    """A detection that comes last and is never pruned, so that any other may be."""
    world.store.record([annotation(*captures(event(59, "Other"), 1), detection("dog"))], [])


def test_detections_go_by_monitor_and_label(
    database: Database, world: World, prune: Callable[..., Counts]
) -> None:
    for monitor in ("Door", "Street"):
        of_monitor = captures(event(0, monitor), *range(1, 11))
        both = [annotation(one, detection("person"), detection("car")) for one in of_monitor[:4]]
        cars = [annotation(one, detection("car")) for one in of_monitor[4:8]]
        world.store.record([*both, *cars, *map(annotation, of_monitor[8:])], [])
    close(world)
    rules: dict[str, Any] = {
        "detections_days": 30,
        "by_label": {"car": 7, "dog": 0, "zebra": 3},
        "monitors": {"Door": {"by_label": {"person": 90}, "detections_days": 5}},
    }
    assert prune(6, **rules) == {("detections", "Door", "car"): 8}
    assert prune(10, **rules) == {("detections", "Street", "car"): 8}
    assert prune(31, **rules) == {("detections", "Street", "person"): 4}
    assert prune(31, **rules) == {}
    assert prune(91, **rules) == {("detections", "Door", "person"): 4}
    assert [one.label for one in world.ask()] == ["dog"]
    assert states(database) == {"annotated": 5, "pruned": 16}
    assert world.queries.totals().pruned == 16


def test_what_was_pruned_is_not_what_was_empty(
    database: Database, world: World, prune: Callable[..., Counts]
) -> None:
    every = captures(event(), *range(1, 11))
    world.store.record([annotation(one, detection()) for one in every[:3]], [])
    world.store.record([annotation(one) for one in every[3:]], [])
    close(world)
    prune(detections_days=1, empty_days=1)
    assert world.queries.seen_in(every[0]) is None
    assert world.queries.seen_in(every[5]) == ()
    found = dict(asked(database, "SELECT state, count(*) FROM captures GROUP BY state"))
    assert found == {"annotated": 8, "pruned": 3}


def test_what_was_pruned_is_looked_at_again_only_by_hand(
    database: Database, world: World, prune: Callable[..., Counts]
) -> None:
    photo = Capture(Event("Photos", "Photos", "", NOON), "cat.jpg", 0)
    every = [*captures(event(), *range(1, 11)), photo]
    world.store.record([annotation(one, detection()) for one in every], [])
    close(world)
    assert prune(detections_days=1).keys() == {
        ("detections", "Door", "person"),
        ("detections", "Photos", "person"),
    }
    for origin in (Origin.LIVE, Origin.RECONCILE):
        assert world.backlog.add(every, origin) == 0
    assert world.backlog.add([every[4], photo], Origin.BACKFILL) == 2
    assert states(database) == {"annotated": 1, "pruned": 9, "waiting": 2}
    assert len(world.backlog.lease(9)) == 2
    world.store.record([annotation(one, detection("cat")) for one in (every[4], photo)], [])
    assert states(database) == {"annotated": 3, "pruned": 9}
    close(world)
    assert sum(prune(detections_days=1).values()) == 2


def test_what_people_named_stays(
    database: Database, world: World, prune: Callable[..., Counts]
) -> None:
    one, two, three = captures(event(), 1, 2, 3)
    who = [detection(faces=[face(Identity.UNKNOWN)]), detection("car")]
    world.store.record([annotation(each, *who) for each in (one, two, three)], [])
    faces = {each.capture: each.id for each in world.queries.stored_faces(FaceQuestion())}
    book = SqlFaceBook(database, world.clock)
    book.tag([faces[one]], Tag("Anna", NOON))
    book.tag([faces[two]], Tag("Anna", NOON, negated=True))
    close(world)
    assert prune(detections_days=1, unknown_embeddings_days=1) == {
        ("detections", "Door", "car"): 3,
        ("detections", "Door", "person"): 1,
    }
    assert {each.path for each in world.ask(labels=("person",))} == {one.path, two.path}
    assert len(list(world.queries.stored_faces(FaceQuestion(by_hand=True)))) == 2
    book.untag([faces[one], faces[two]])
    assert prune(detections_days=1) == {("detections", "Door", "person"): 2}


def test_the_newest_detection_stays_so_that_no_id_is_used_again(
    database: Database, world: World, prune: Callable[..., Counts]
) -> None:
    every = captures(event(), *range(1, 5))
    world.store.record([annotation(one, detection()) for one in every], [])
    ((newest,),) = asked(database, "SELECT max(id) FROM detection")
    assert prune(detections_days=1) == {("detections", "Door", "person"): 3}
    world.store.record([annotation(*captures(event(1), 1), detection())], [])
    ids = {one for (one,) in asked(database, "SELECT id FROM detection")}
    assert ids == {newest, newest + 1}


def test_what_is_to_be_looked_at_anew_is_left_alone(
    world: World, prune: Callable[..., Counts]
) -> None:
    world.store.record([stood_in(one, detection()) for one in captures(event(), 1, 2)], [])
    world.backlog.redo_fallback(Window())
    close(world)
    assert prune(detections_days=1) == {}


def test_a_stay_that_goes_on_keeps_its_ends(
    database: Database, world: World, prune: Callable[..., Counts]
) -> None:
    """A car that came on day 0 and is still there on day 2."""
    for day in range(3):
        at = NOON + day * DAY
        of_day = Event("Door", "Door", f"day {day}", at)
        for one in captures(of_day, *range(1, 61)):
            seen = annotation(one, CAR, captured_at=at + timedelta(seconds=one.frame))
            world.store.record([seen], [])
    found = [one.captured_at for one in world.ask(labels=("car",))]
    assert found == [NOON + timedelta(seconds=1)], "it arrived"
    close(world)
    assert prune(2, detections_days=1) == {("detections", "Door", "car"): 119 - 60}
    kept = world.ask(labels=("car",))
    assert [(one.captured_at, one.stay) for one in kept] == [(found[0], Stay.ARRIVED)]
    # Gone, and long ago: the whole stay goes, and its row.
    for one in captures(Event("Door", "Door", "day 3", NOON + 3 * DAY), *range(1, 5)):
        world.store.record([annotation(one)], [])
    prune(50, detections_days=1)
    assert world.ask(labels=("car",), stationary=True) == []
    assert rows(database, "stationary") == 0


def test_old_embeddings_of_nobody_known_go(
    database: Database, world: World, prune: Callable[..., Counts]
) -> None:
    for monitor in ("Door", "Hall"):
        for one in captures(event(0, monitor), 1, 2):
            faces = [face(Identity.UNKNOWN), face(Identity.KNOWN, "Anna")]
            world.store.record([annotation(one, detection(faces=faces))], [])
    assert rows(database, "embedding") == 8
    only_door = {"monitors": {"Hall": {}}}
    expected = {("embeddings of unknown faces", "Door", None): 2}
    assert prune(unknown_embeddings_days=1, **only_door) == expected
    assert rows(database, "face") == 8
    left = Counter(one.identification.name for one in world.queries.stored_faces(FaceQuestion()))
    assert left == {"Anna": 4, None: 2}
    assert prune(unknown_embeddings_days=1, **only_door) == {}


def test_stopped_after_any_turn_all_is_well_and_it_goes_on(
    database: Database, world: World
) -> None:
    for minute in range(6):
        every = captures(event(minute), *range(1, 201))
        seen = [annotation(one, *([detection()] * (one.frame % 3))) for one in every]
        world.store.record(seen, [])
    world.clock.sleep(10 * DAY.total_seconds())
    rules = RetentionSettings(detections_days=1, empty_days=1)
    pruning = SqlPruning(database, world.clock, lambda name: rules)
    everything, turns = states(database).total(), 0
    while any(one.count for turn in islice(pruning.turns(), 1) for one in turn.pruned):
        turns += 1
        check(database)
        assert states(database).total() == everything
    assert turns >= 6
    assert rows(database, "detection") == 1
    assert states(database) == {"annotated": 6 * 66 + 1, "pruned": 6 * 134 - 1}


def test_with_nothing_configured_nothing_goes(
    world: World, prune: Callable[..., Counts], database: Database
) -> None:
    world.store.record([annotation(one, detection()) for one in captures(event(), 1, 2)], [])
    world.store.record([annotation(one) for one in captures(event(1), *range(9))], [])
    assert prune() == {}
    assert rows(database, "folded") == 0


# events that the recorder has deleted


def mark_gone(database: Database, world: World, *monitors: str) -> None:
    roll = SqlEventRoll(database, world.clock)
    roll.mark([one.id for one in roll.events() if one.event.monitor in monitors], gone=True)


def furnish(world: World, monitor: str, frames: int = 700) -> None:
    """An event with something of everything, more than fits into one transaction."""
    every = captures(event(0, monitor), *range(frames))
    seen = [annotation(one, *[detection()] * (one.frame % 2)) for one in every[: frames - 20]]
    world.store.record(seen, [failure(one) for one in every[frames - 20 : frames - 10]])
    world.backlog.skip(every[frames - 10 :], SkipReason.TOO_OLD)


def test_what_went_long_ago_is_forgotten_altogether(
    database: Database, world: World, prune: Callable[..., Counts]
) -> None:
    for monitor in ("Door", "Hall", "Gate"):
        furnish(world, monitor)
    close(world)
    mark_gone(database, world, "Door", "Hall")
    hall = {"monitors": {"Hall": {"gone_days": 50}}}
    assert prune(5, gone_days=10, **hall) == {}
    assert prune(11, gone_days=10, **hall) == {("events the recorder deleted", "Door", None): 1}
    assert {one.monitor for one in world.ask()} == {"Hall", "Gate", "Other"}
    assert world.queries.totals().failed == 20
    assert prune(51, gone_days=10, **hall) == {("events the recorder deleted", "Hall", None): 1}
    left = {monitor for (monitor,) in asked(database, "SELECT monitor FROM captures")}
    assert left == {"Gate", "Other"}
    # The recorder has it after all.
    assert world.backlog.add(captures(event(0, "Door"), 1, 2), Origin.RECONCILE) == 2


def test_an_event_in_which_people_named_somebody_is_not_forgotten(
    database: Database, world: World, prune: Callable[..., Counts]
) -> None:
    one, two = captures(event(), 1, 2)
    world.store.record([annotation(one, detection(faces=[face(Identity.UNKNOWN)]))], [])
    world.store.record([annotation(two, detection())], [])
    (known,) = world.queries.stored_faces(FaceQuestion())
    SqlFaceBook(database, world.clock).tag([known.id], Tag("Anna", NOON))
    close(world)
    mark_gone(database, world, "Door")
    assert prune(gone_days=1) == {}
    assert len(world.ask(labels=("person",))) == 2


def test_an_event_that_waits_or_came_last_is_not_forgotten(
    database: Database, world: World, prune: Callable[..., Counts]
) -> None:
    waiting, last = captures(event(0), 1, 2), captures(event(1), 1)
    world.store.record([annotation(waiting[0], detection())], [])
    world.store.record([annotation(last[0], detection())], [])
    world.backlog.add(waiting, Origin.LIVE)
    mark_gone(database, world, "Door")
    assert prune(gone_days=1) == {}


def test_forgetting_may_stop_after_any_turn(database: Database, world: World) -> None:
    """And never leaves something that was seen as if nothing had been."""
    furnish(world, "Door")
    close(world)
    mark_gone(database, world, "Door")
    world.clock.sleep(10 * DAY.total_seconds())
    pruning = SqlPruning(database, world.clock, lambda name: RetentionSettings(gone_days=1))
    turns = 0
    while any(True for _ in islice(pruning.turns(), 1)):
        turns += 1
        check(database)
        empty = "SELECT count(*) FROM captures WHERE state = 'annotated' AND frame % 2"
        with_detection = "SELECT count(DISTINCT frame) FROM detection WHERE label_id = 1"
        assert asked(database, empty + " AND monitor = 'Door'") == asked(database, with_detection)
    assert turns > 3
    assert {one.monitor for one in world.ask()} == {"Other"}
