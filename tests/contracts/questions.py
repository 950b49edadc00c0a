"""What everything that answers questions about the past must say, whatever it is made of.

A test class inherits from `QuestionsContract` and provides the fixture `world`, of which the zone
is Berlin's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta

import pytest

from annotator.domain import (
    UNKNOWN_NAME,
    BoundingBox,
    By,
    Capture,
    CaptureQuery,
    Detection,
    EventName,
    EventSummary,
    Failure,
    Frame,
    Hours,
    LabelCount,
    MonitorCount,
    Order,
    Origin,
    PersonSummary,
    Reason,
    Sighting,
    SkipReason,
    Stay,
    Tag,
)
from annotator.errors import QueryError
from annotator.ports import AnnotationStore, Backlog, FaceBook, SightingQueries
from tests.contracts.backlog import (
    CAR,
    NOON,
    annotation,
    captures,
    detection,
    failure,
)
from tests.contracts.backlog import event as event_at
from tests.contracts.faces import face
from tests.fakes.clock import ManualClock

MAY_1 = datetime(2024, 5, 1, tzinfo=UTC)
"""A Wednesday; Berlin is two hours ahead of it."""
LATER = NOON + timedelta(days=2)


@dataclass(frozen=True, slots=True)
class AskedWorld:
    """The ports over the same data; the clock stands at `LATER`, when all is long over."""

    backlog: Backlog
    store: AnnotationStore
    queries: SightingQueries
    book: FaceBook
    clock: ManualClock

    def see(self, one: Capture, *seen: Detection, at: datetime | None = None) -> None:
        self.store.record([annotation(one, *seen, captured_at=at)], [])

    def ask(self, **question: object) -> list[Sighting]:
        return list(self.queries.sightings(asked(question)))

    def frames(self, **question: object) -> list[int]:
        return [one.frame for one in self.ask(**question)]

    def count(self, **question: object) -> int:
        return self.queries.count(asked(question))

    def events(self, **question: object) -> list[EventSummary]:
        return list(self.queries.events(asked(question)))

    def empty(self, **question: object) -> list[str]:
        return [one.event.directory for one in self.queries.empty_events(asked(question))]

    def people(self, **question: object) -> tuple[PersonSummary, ...]:
        return self.queries.people(asked(question))

    def stats(self, *by: By, **question: object) -> dict[tuple[str, ...], tuple[int, int]]:
        counts = self.queries.stats(asked(question), by)
        return {one.keys: (one.events, one.sightings) for one in counts}


def asked(question: dict[str, object]) -> CaptureQuery:
    return CaptureQuery(**question)  # type: ignore[arg-type]


def at(hour: int, minute: int = 0, day: int = 0) -> datetime:
    """By UTC, on the first of May or later."""
    return MAY_1 + timedelta(days=day, hours=hour, minutes=minute)


def boxed(width: int, height: int, label: str = "person") -> Detection:
    return Detection(label, 0, 0.5, BoundingBox(0, 0, width, height))


def paths_of(summaries: Iterable[EventSummary]) -> list[str]:
    return [one.event.path for one in summaries]


PERSON, CAT = detection("person"), detection("cat", 0.25)
FIRST, SECOND, THIRD = event_at(0), event_at(20, "Hall"), event_at(40)


class QuestionsContract:
    @pytest.fixture
    def world(self) -> AskedWorld:
        raise NotImplementedError("the test class provides it")

    # sightings

    def test_filters_leave_what_fits_all_of_them(self, world: AskedWorld) -> None:
        anna, nobody = face("Anna"), face(None)
        for one, seen in zip(
            captures(FIRST, *range(1, 7)),
            [
                boxed(40, 200),
                boxed(80, 60),
                replace(boxed(80, 80), score=0.75),
                boxed(80, 80, "cat"),
                boxed(80, 80).with_faces((anna,)),
                boxed(80, 80).with_faces((nobody,)),
            ],
            strict=True,
        ):
            world.see(one, seen)
        assert world.frames(min_box_px=60) == [6, 5, 4, 3, 2]
        assert world.frames(max_box_px=60) == [2, 1]
        assert world.frames(min_box_px=41, max_box_px=79) == [2]
        assert world.frames(no_face=True) == [4, 3, 2, 1]
        assert world.frames(no_face=True, labels=("person",), min_score=0.6) == [3]
        assert world.frames(min_probability=0.8) == [5]
        assert world.frames(min_probability=0.5) == [6, 5]
        assert world.frames(min_probability=0.5, names=(UNKNOWN_NAME,)) == [6]
        assert world.frames(names=("Anna",), no_face=True) == []
        assert world.frames(names=("Anna", UNKNOWN_NAME), labels=("cat",)) == []

    def test_a_stranger_is_asked_for_by_number(self, world: AskedWorld) -> None:
        for one in captures(FIRST, 1, 2, 3):
            world.see(one, detection(faces=[face(None), face("Anna", x=300)]))
        unknown = world.ask(names=(UNKNOWN_NAME,), order=Order.OLDEST)
        first, second, _ = [one.face_id for one in unknown]
        assert first is not None and second is not None
        world.book.group({first: 7, second: 12})
        assert world.frames(strangers=(7,)) == [1]
        assert world.frames(strangers=(12, 7)) == [2, 1]
        assert world.frames(strangers=(7,), names=("Anna",)) == [3, 2, 1, 1]
        assert world.frames(strangers=(7,), names=(UNKNOWN_NAME,)) == [3, 2, 1]
        assert [(one.name, one.faces) for one in world.people(strangers=(7, 12))] == [
            (UNKNOWN_NAME, 2)
        ]
        assert world.stats(By.NAME, strangers=(7,)) == {(UNKNOWN_NAME,): (1, 1)}
        with pytest.raises(QueryError):
            world.ask(strangers=(8,))

    @pytest.mark.parametrize("path", [FIRST.path, FIRST.directory])
    def test_of_one_event(self, world: AskedWorld, path: str) -> None:
        for one in captures(FIRST, 2, 1) + captures(THIRD, 3):
            world.see(one, PERSON, CAT)
        assert world.frames(events=(path,)) == [2, 2, 1, 1]
        assert world.frames(events=(path,), labels=("cat",), order=Order.OLDEST) == [1, 2]
        assert world.frames(events=(path, THIRD.path), labels=("cat",), limit=2) == [3, 2]
        assert world.frames(events=(path,), since=NOON + timedelta(seconds=2)) == [2, 2]
        assert world.count(events=(path,), monitors=("Door",)) == 4
        assert world.stats(By.LABEL, events=(path,)) == {("cat",): (1, 2), ("person",): (1, 2)}
        with pytest.raises(QueryError):
            world.ask(events=("24/05/02/12/00/00",))

    def test_the_oldest_or_the_best_first(self, world: AskedWorld) -> None:
        scores = [0.5, 0.875, 0.25, 0.75]
        for one, score in zip(captures(FIRST, 1, 2, 3, 4), scores, strict=True):
            world.see(one, detection("person", score), detection("cat", score / 2))
        oldest = world.ask(order=Order.OLDEST)
        assert oldest == world.ask()[::-1]
        assert [one.frame for one in oldest] == [1, 1, 2, 2, 3, 3, 4, 4]
        assert world.frames(order=Order.OLDEST, labels=("person", "cat"), limit=3) == [1, 1, 2]
        assert [one.score for one in world.ask(order=Order.BEST, limit=3)] == [0.875, 0.75, 0.5]
        assert world.frames(order=Order.BEST, labels=("cat",)) == [2, 4, 1, 3]
        since = NOON + timedelta(seconds=3)
        assert world.frames(order=Order.BEST, labels=("person",), since=since) == [4, 3]

    def test_hours_are_by_the_local_clock(self, world: AskedWorld) -> None:
        """Of the first, second and third of May, from Wednesday to Friday."""
        for number, (day, hour) in enumerate((d, h) for d in range(3) for h in (2, 5, 12, 20, 22)):
            world.see(*captures(event_at(number), number), PERSON, at=at(hour, 30, day))
        night = Hours(time(22), time(6))
        assert world.frames(hours=night) == [14, 13, 10, 9, 8, 5, 4, 3, 0]
        assert world.frames(hours=night, order=Order.OLDEST) == [0, 3, 4, 5, 8, 9, 10, 13, 14]
        assert world.frames(hours=night, limit=4) == [14, 13, 10, 9]
        assert world.frames(hours=night, weekdays=(2,)) == [5, 4, 3]
        assert world.frames(weekdays=(3,)) == [8, 7, 6, 5, 4]
        assert world.frames(weekdays=(2, 4)) == [13, 12, 11, 10, 9, 3, 2, 1, 0]
        half = Hours(time(22, 30), time(4, 31))
        assert world.frames(hours=half, since=at(1, day=1)) == [14, 13, 10, 9, 8, 5]
        assert world.count(hours=half) == 9
        assert world.count(hours=night, min_score=0.5, labels=("person",)) == 9
        assert world.stats(By.WEEKDAY, hours=night) == {
            ("Wednesday",): (2, 2),
            ("Thursday",): (3, 3),
            ("Friday",): (3, 3),
            ("Saturday",): (1, 1),
        }

    def test_the_night_on_which_the_clocks_go_back(self, world: AskedWorld) -> None:
        """Half past two comes twice."""
        begin = datetime(2024, 10, 26, 23, 30, tzinfo=UTC)
        for number in range(4):
            when = begin + timedelta(hours=number)
            world.see(*captures(event_at(number), number), PERSON, at=when)
        assert world.frames(hours=Hours(time(2), time(3))) == [2, 1]
        assert world.count(hours=Hours(time(2), time(3))) == 2
        assert world.stats(By.HOUR) == {("01",): (1, 1), ("02",): (2, 2), ("03",): (1, 1)}

    def test_the_count_is_that_of_the_rows(self, world: AskedWorld) -> None:
        anna = face("Anna")
        for one in captures(FIRST, *range(1, 9)):
            crowd = detection(faces=[anna, face(None, x=300)])
            world.see(one, crowd if one.frame % 2 else PERSON, CAT)
        assert world.count() == 8 + 8 + 4
        assert world.count(labels=("person",), limit=3) == 12
        assert world.count(monitors=("Door",), min_score=0.5) == 12
        assert world.count(names=("Anna",)) == 4
        assert world.count(names=("Anna", UNKNOWN_NAME), labels=("person",)) == 8
        since = NOON + timedelta(seconds=5)
        assert world.count(since=since, until=since + timedelta(seconds=2)) == 5
        assert world.count(names=("Anna",), since=since) == 2

    # what is new

    def test_what_was_recorded_since(self, world: AskedWorld) -> None:
        early, late, later = captures(FIRST, 1, 2, 3)
        mark = world.queries.newest_mark()
        assert world.queries.sightings_since(CaptureQuery(), mark) == ((), mark)
        world.see(late, PERSON)
        first, mark = world.queries.sightings_since(CaptureQuery(), mark)
        assert [one.frame for one in first] == [2]
        world.see(early, CAT, PERSON)
        world.see(later, CAT)
        query = CaptureQuery(labels=("cat",))
        found, after = world.queries.sightings_since(query, mark)
        assert [(one.frame, one.label) for one in found] == [(1, "cat"), (3, "cat")]
        assert world.queries.sightings_since(query, after)[0] == ()
        world.see(late, CAT)
        assert [one.frame for one in world.queries.sightings_since(query, after)[0]] == [2]
        hours = CaptureQuery(hours=Hours(time(3), time(4)))
        assert world.queries.sightings_since(hours, mark)[0] == ()

    # events

    def test_an_event_with_all_that_is_known_of_it(self, world: AskedWorld) -> None:
        anna = face("Anna", 1, side=120)
        one, two, three, four, five = captures(FIRST, 1, 2, 3, 4, 5)
        world.see(one, detection("person", 0.75), CAT)
        world.see(two, detection("person", 0.5, [face("Anna", 1, side=80)]))
        world.see(three, detection("person", 0.625, [anna]), detection("cat", 0.5))
        world.store.record([], [failure(four)])
        world.backlog.add([five], Origin.LIVE)
        (found,) = world.events(labels=("cat",))
        best = found.best
        assert best is not None and (best.frame, best.name) == (3, "Anna")
        assert found == EventSummary(
            event=FIRST,
            began_at=NOON + timedelta(seconds=1),
            ended_at=NOON + timedelta(seconds=3),
            captures=3,
            unseen=2,
            labels=(LabelCount("person", 3, 0.75), LabelCount("cat", 2, 0.5)),
            people=(EventName("Anna", 1.0, 2),),
            best=best,
        )
        assert found.duration == timedelta(seconds=2)

    def test_events_in_the_order_of_what_fits(self, world: AskedWorld) -> None:
        for one, label, score in (
            (FIRST, "cat", 0.875),
            (SECOND, "person", 0.5),
            (THIRD, "cat", 0.25),
        ):
            for capture in captures(one, 1, 2):
                world.see(capture, detection(label, score), detection("bird", 0.125))
        world.see(*captures(FIRST, 3000), detection("person", 0.75))
        assert paths_of(world.events()) == [FIRST.path, THIRD.path, SECOND.path]
        assert paths_of(world.events(labels=("cat",))) == [THIRD.path, FIRST.path]
        assert paths_of(world.events(labels=("cat",), order=Order.OLDEST)) == [
            FIRST.path,
            THIRD.path,
        ]
        assert paths_of(world.events(labels=("person",))) == [FIRST.path, SECOND.path]
        assert paths_of(world.events(order=Order.BEST, labels=("cat", "person"))) == [
            *(FIRST.path, SECOND.path, THIRD.path),
        ]
        assert paths_of(world.events(labels=("bird",), limit=2)) == [THIRD.path, SECOND.path]
        assert paths_of(world.events(min_score=0.8)) == [FIRST.path]
        assert paths_of(world.events(monitors=("Hall",))) == [SECOND.path]
        until = NOON + timedelta(minutes=10)
        assert paths_of(world.events(until=until)) == [FIRST.path]
        assert world.events(names=(UNKNOWN_NAME,)) == []

    def test_what_is_only_still_there_makes_no_event(self, world: AskedWorld) -> None:
        for one in captures(FIRST, *range(1, 31)) + captures(event_at(1), *range(1, 31)):
            world.see(one, CAR)
        assert paths_of(world.events()) == [FIRST.path]
        second, first = world.events(stationary=True)
        assert second.labels == (LabelCount("car", 30, 0.75),)
        assert second.best is not None and second.best.stay is Stay.STILL_THERE
        assert first.best is not None and first.best.stay is Stay.ARRIVED
        assert world.events()[0].labels == (LabelCount("car", 1, 0.75),)
        assert world.count() == 1
        assert world.count(stationary=True) == 60
        assert world.stats(By.LABEL) == {("car",): (1, 1)}
        assert world.stats(By.LABEL, stationary=True) == {("car",): (2, 60)}

    def test_events_in_which_nothing_was_seen(self, world: AskedWorld) -> None:
        """Looked at as a whole: what is skipped on purpose does not matter."""
        events = [event_at(minute) for minute in range(0, 16, 2)]
        for one in events:
            world.see(*captures(one, 1))
        _, seen, failed, waiting, skipped, unlisted, _, _ = events
        world.see(*captures(seen, 2), PERSON)
        world.store.record([], [failure(*captures(failed, 2))])
        world.backlog.add(captures(waiting, 2), Origin.LIVE)
        world.backlog.skip(captures(skipped, 2), SkipReason.NOT_NTH_FRAME)
        world.store.record(
            [], [Failure(unlisted.directory, Reason.UNREADABLE, "permission denied")]
        )
        never = event_at(30)
        world.backlog.skip(captures(never, 1), SkipReason.NOT_NTH_FRAME)
        empty = [events[7], events[6], skipped, events[0]]
        assert world.empty() == [one.directory for one in empty]
        assert world.empty(order=Order.OLDEST, limit=2) == [one.directory for one in empty[:1:-1]]
        assert world.empty(limit=1) == [empty[0].directory]
        began = NOON + timedelta(minutes=12, seconds=1)
        assert world.empty(since=began) == [one.directory for one in empty[:2]]
        assert world.empty(until=began) == [one.directory for one in empty[2:]]
        assert world.empty(hours=Hours(time(3), time(4))) == []
        with pytest.raises(QueryError):
            world.empty(monitors=("Nowhere",))

    def test_what_may_still_go_on_is_not_empty_yet(self, world: AskedWorld) -> None:
        fresh = event_at(0, "Hall")
        world.see(*captures(fresh, 1), at=LATER - timedelta(minutes=4))
        assert world.empty() == []
        world.clock.sleep(60)
        assert world.empty(monitors=("Hall",)) == [fresh.directory]

    def test_every_capture_of_an_event_with_what_was_seen(self, world: AskedWorld) -> None:
        one, two, three = captures(FIRST, 1, 2, 3)
        world.see(three, PERSON, CAT)
        world.see(one)
        world.see(*captures(SECOND, 1), CAT)
        world.backlog.add([two], Origin.LIVE)
        first, last = world.queries.frames(FIRST)
        assert first == Frame(one, NOON + timedelta(seconds=1), 1920, 1080, ())
        assert (last.capture, [seen.label for seen in last.seen]) == (three, ["person", "cat"])
        assert world.queries.frames(event_at(50)) == ()

    # people

    def test_people_with_when_and_where(self, world: AskedWorld) -> None:
        for place, frames in ((FIRST, (1, 2)), (SECOND, (1,)), (THIRD, (1, 2, 3))):
            for one in captures(place, *frames):
                world.see(one, detection(faces=[face("Anna")]))
        world.see(*captures(SECOND, 2), detection(faces=[face(None), face("Bob", x=300)]))
        anna, *others = world.people()
        assert [one.name for one in others] == ["Bob", UNKNOWN_NAME]
        assert (anna.name, anna.events, anna.faces) == ("Anna", 3, 6)
        assert anna.first.path == captures(FIRST, 1)[0].path
        assert anna.last.path == captures(THIRD, 3)[0].path
        assert anna.monitors == (
            MonitorCount("Door", 2, 5, NOON + timedelta(minutes=40, seconds=3)),
            MonitorCount("Hall", 1, 1, NOON + timedelta(minutes=20, seconds=1)),
        )
        since = NOON + timedelta(seconds=2)
        (anna,) = world.people(names=("Anna",), since=since, until=since + timedelta(minutes=30))
        assert (anna.events, anna.faces, anna.first.frame) == (2, 2, 2)
        (anna,) = world.people(names=("Anna",), monitors=("Hall",))
        assert (anna.faces, len(anna.monitors)) == (1, 1)
        assert [one.name for one in world.people(monitors=("Door",))] == ["Anna"]
        assert world.people(min_probability=0.9) == ()
        assert [one.name for one in world.people(labels=("person",), min_probability=0.8)] == [
            *("Anna", "Bob"),
        ]

    def test_a_person_is_whoever_the_faces_are_said_to_be_now(self, world: AskedWorld) -> None:
        for one in captures(FIRST, 1, 2):
            world.see(one, detection(faces=[face("Anna")]))
        face_id = world.ask()[0].face_id
        assert face_id is not None
        world.book.tag([face_id], Tag("Eva", NOON))
        assert [(one.name, one.first.frame) for one in world.people()] == [("Eva", 2), ("Anna", 1)]
        world.see(*captures(FIRST, 1), PERSON)
        assert [one.name for one in world.people()] == ["Eva"]

    # stats

    def test_by_hour_day_and_weekday_of_the_local_clock(self, world: AskedWorld) -> None:
        times = [at(20, 59), at(21, 0), at(21, 14), at(21, 15), at(22, 0), at(8, day=8)]
        for one, when in zip(captures(FIRST, *range(1, 7)), times, strict=True):
            world.see(one, PERSON, PERSON, at=when)
        world.see(*captures(SECOND, 1), PERSON, at=at(21, 30))
        assert world.stats(By.HOUR) == {
            ("00",): (1, 2),
            ("10",): (1, 2),
            ("22",): (1, 2),
            ("23",): (2, 7),
        }
        assert list(world.stats(By.HOUR)) == [("00",), ("10",), ("22",), ("23",)]
        assert world.stats(By.DAY) == {
            ("2024-05-01",): (2, 9),
            ("2024-05-02",): (1, 2),
            ("2024-05-09",): (1, 2),
        }
        assert world.stats(By.WEEKDAY) == {("Wednesday",): (2, 9), ("Thursday",): (2, 4)}
        assert world.stats(By.WEEKDAY, By.HOUR)[("Thursday", "10")] == (1, 2)
        assert world.stats(By.DAY, since=at(21, 14), until=at(21, 31)) == {("2024-05-01",): (2, 5)}
        assert world.stats(By.HOUR, since=at(21, 1), until=at(21, 10)) == {}

    def test_by_monitor_label_and_name(self, world: AskedWorld) -> None:
        crowd = detection(faces=[face("Anna"), face(None, x=300), face(None, x=600)])
        for one in captures(FIRST, 1, 2) + captures(THIRD, 1):
            world.see(one, crowd, CAT)
        world.see(*captures(SECOND, 1), CAT, CAT)
        assert list(world.stats(By.LABEL).items()) == [
            (("cat",), (3, 5)),
            (("person",), (2, 3)),
        ]
        assert world.stats(By.MONITOR) == {("Door",): (2, 6), ("Hall",): (1, 2)}
        assert world.stats(By.NAME) == {("Anna",): (2, 3), (UNKNOWN_NAME,): (2, 6)}
        assert world.stats(By.NAME, names=("Anna",)) == {("Anna",): (2, 3)}
        assert world.stats(By.MONITOR, names=("Anna",)) == {("Door",): (2, 3)}
        assert world.stats(By.LABEL, names=(UNKNOWN_NAME,)) == {("person",): (2, 6)}
        assert world.stats(By.NAME, labels=("cat",)) == {}
        assert list(world.stats(By.LABEL, By.MONITOR)) == [
            *(("cat", "Door"), ("cat", "Hall"), ("person", "Door")),
        ]
        assert world.stats(By.LABEL, min_score=0.5) == {("person",): (2, 3)}
        assert world.stats(By.MONITOR, labels=("cat", "person"), limit=1) == {
            ("Door",): (2, 6),
            ("Hall",): (1, 2),
        }

    def test_nothing_is_no_row(self, world: AskedWorld) -> None:
        assert world.stats(By.HOUR) == {}
        assert world.count() == 0
        assert world.events() == []
        assert world.empty() == []
        assert world.people() == ()
        night = Hours(time(22), time(6))
        assert world.ask(hours=night, weekdays=(1,)) == []
        assert world.count(hours=night, since=at(1)) == 0
