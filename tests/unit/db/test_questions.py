"""Random questions about random pasts get the answers that looking at everything gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from itertools import islice

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from annotator.domain import (
    UNKNOWN_NAME,
    Annotation,
    BoundingBox,
    By,
    CaptureQuery,
    EventSummary,
    Hours,
    Order,
)
from annotator.errors import QueryError
from db.engine import Database, open_read_only
from db.queries import SqlQueries
from db.store import SqlStore
from tests.contracts.backlog import BLURRED, annotation, captures, detection, event
from tests.contracts.faces import face
from tests.databases import Databases
from tests.fakes.clock import ManualClock
from tests.fakes.memory_store import MemoryQueries, MemoryStore

# The night of the end of March on which clocks in Berlin are put forward.
BEGIN = datetime(2024, 3, 30, 18, tzinfo=UTC)
PLACES = [
    *captures(event(0), *range(6)),
    *captures(event(1, "Hall"), *range(6)),
    *captures(event(2), *range(6)),
]
LABELS, NAMES = ("person", "cat"), ("Anna", "Bob")

SIDES = st.sampled_from([40, 80, 120])
FACES = st.lists(
    st.builds(face, st.sampled_from([*NAMES, None]), x=st.sampled_from([12, 300]))
    | st.just(BLURRED),
    max_size=2,
)
SEEN = st.lists(
    st.builds(
        lambda label, score, faces, width, height: replace(
            detection(label, score, faces), box=BoundingBox(0, 0, width, height)
        ),
        st.sampled_from(LABELS),
        st.sampled_from([0.25, 0.5, 0.75]),
        FACES,
        SIDES,
        SIDES,
    ),
    max_size=3,
)
TIMES = st.integers(0, 3 * 24 * 12).map(lambda fives: BEGIN + timedelta(minutes=5 * fives))
MOMENTS = st.none() | TIMES
CLOCK = st.builds(time, st.integers(0, 23), st.sampled_from([0, 10, 15, 45]))


@st.composite
def pasts(draw: st.DrawFn) -> list[Annotation]:
    times = draw(st.lists(TIMES, min_size=len(PLACES), max_size=len(PLACES), unique=True))
    first = detection("cat"), detection("person", faces=[face(name) for name in NAMES])
    seen = [first, *(draw(SEEN) for _ in PLACES[1:])]
    return [
        annotation(one, *found, captured_at=when)
        for one, found, when in zip(PLACES, seen, times, strict=True)
    ]


QUERIES = st.builds(
    CaptureQuery,
    monitors=st.sampled_from([(), (), ("Door",), ("Hall",), ("Hall", "Door")]),
    labels=st.sampled_from([(), (), ("person",), ("cat",), ("cat", "person")]),
    names=st.sampled_from([(), (), ("Anna",), (UNKNOWN_NAME,), ("Bob", UNKNOWN_NAME, "Anna")]),
    no_face=st.sampled_from([False, False, False, True]),
    events=st.sampled_from([(), (), (), (event(0).path,), (event(1).path, event(2).path)]),
    since=MOMENTS,
    until=MOMENTS,
    hours=st.none() | st.builds(Hours, CLOCK, CLOCK),
    weekdays=st.sampled_from([(), (), (5,), (6, 0)]),
    min_score=st.sampled_from([None, None, 0.5]),
    min_probability=st.sampled_from([None, None, None, 0.75]),
    min_box_px=st.sampled_from([None, None, 80]),
    max_box_px=st.sampled_from([None, None, 80]),
    order=st.sampled_from([Order.NEWEST, Order.NEWEST, Order.OLDEST]),
    limit=st.sampled_from([None, None, 3]),
)
KEYS = st.lists(st.sampled_from(By), min_size=1, max_size=2, unique=True)


@given(pasts(), st.lists(st.tuples(QUERIES, KEYS), min_size=6, max_size=6))
@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_the_database_answers_as_one_who_looks_at_everything(
    databases: Databases,
    local_zone: Callable[[str], None],
    past: list[Annotation],
    questions: list[tuple[CaptureQuery, list[By]]],
) -> None:
    local_zone("Europe/Berlin")
    memory = MemoryStore(ManualClock())
    memory.record(past, [])
    expected = MemoryQueries(memory)
    with databases.fresh() as database:
        SqlStore(database, ManualClock()).record(past, [])
        found = SqlQueries(database)
        for query, by in questions:
            assert list(found.sightings(query)) == list(expected.sightings(query))
            assert found.count(query) == expected.count(query)
            assert list(found.events(query)) == list(expected.events(query))
            assert list(found.empty_events(query)) == list(expected.empty_events(query))
            assert found.people(query) == expected.people(query)
            assert found.stats(query, by) == expected.stats(query, by)
            best = replace(query, order=Order.BEST)
            scores = [one.score for one in found.sightings(best)]
            assert scores == [one.score for one in expected.sightings(best)]
            fresh, _ = found.sightings_since(query, 0)
            assert sorted(fresh, key=str) == sorted(expected.sightings_since(query, 0)[0], key=str)


@pytest.fixture(scope="module")
def many(databases: Databases) -> Iterator[SqlQueries]:
    """More than is read at once, with captures that were taken in the same moment."""
    people = [detection(score=n / 8, faces=[face("Anna"), face(None, x=300)]) for n in range(4)]
    every = [
        annotation(one, *people, detection("cat"), captured_at=BEGIN + timedelta(minutes=n // 30))
        for n, one in enumerate(captures(event(), *range(300)))
    ]
    with databases.fresh() as database:
        SqlStore(database, ManualClock()).record(every, [])
        yield SqlQueries(database)


@pytest.mark.parametrize("order", list(Order))
@pytest.mark.parametrize(
    ("query", "size"),
    [
        (CaptureQuery(), 2700),
        (CaptureQuery(names=("Anna", UNKNOWN_NAME)), 2400),
        (CaptureQuery(labels=("cat", "person"), hours=Hours(time(0), time(23))), 2700),
        (CaptureQuery(labels=("person",), limit=1000), 1000),
    ],
)
def test_a_long_answer_has_everything_once(
    many: SqlQueries, query: CaptureQuery, size: int, order: Order
) -> None:
    found = list(many.sightings(replace(query, order=order)))
    assert len({(one.path, one.box, one.score, one.label, one.face_id) for one in found}) == size
    times = [one.captured_at for one in found]
    if order is not Order.BEST:
        assert times == sorted(times, reverse=order is Order.NEWEST)
    assert many.count(query) == (2700 if "person" not in query.labels[:1] else 2400) - (
        300 if query.names else 0
    )


def test_the_right_to_write_is_free_while_an_answer_is_half_read(database: Database) -> None:
    """And the log of what is written does not grow with a slow reader."""
    store = SqlStore(database, ManualClock())
    store.record(
        [annotation(one, *[detection()] * 20) for one in captures(event(), *range(100))], []
    )
    with open_read_only(database.path) as reader:
        queries = SqlQueries(reader)
        answers: list[Iterator[object]] = [
            iter(queries.sightings(CaptureQuery())),
            iter(queries.sightings(CaptureQuery(order=Order.BEST))),
            iter(queries.events(CaptureQuery())),
        ]
        for answer in answers:
            next(answer)
        store.record([annotation(one, detection("cat")) for one in captures(event(9), 1)], [])
        with database.engine.connect() as connection:
            busy, pages, moved = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()
        assert (busy, pages, moved) == (0, 0, 0)
        assert sum(1 for _ in answers[0]) == 1999


def test_events_come_as_they_are_asked_for(database: Database) -> None:
    store = SqlStore(database, ManualClock())
    for minute in range(60):
        store.record([annotation(one, detection()) for one in captures(event(minute), 1, 2)], [])
    answer: Iterator[EventSummary] = iter(SqlQueries(database).events(CaptureQuery()))
    first = [one.event.path[-5:] for one in islice(answer, 2)]
    assert first == ["59/00", "58/00"]
    assert len(list(answer)) == 58


FOLD = """
    INSERT INTO folded (event_id, first_frame, file_name, last_frame, step, seen, first_at, last_at,
        width, height, provenance_id)
    SELECT id, ?, '', ?, 2, ?, began_at + 10000, began_at + 14000, 640, 480, 1 FROM event
"""


def test_what_was_folded_counts_as_looked_at(database: Database) -> None:
    """And an event that the recorder has deleted is gone, and is no empty one to delete."""
    SqlStore(database, ManualClock()).record([annotation(*captures(event(), 1))], [])
    queries = SqlQueries(database)
    with database.writing() as connection:
        connection.exec_driver_sql(FOLD, (11, 15, 0))
    (found,) = queries.empty_events(CaptureQuery())
    assert (found.captures, found.duration) == (4, timedelta(seconds=14))
    frames = queries.frames(event())
    assert [one.capture for one in frames] == captures(event(), 1, 11, 13, 15)
    assert frames[2].captured_at - frames[0].captured_at == timedelta(seconds=12)
    with database.writing() as connection:
        connection.exec_driver_sql("UPDATE event SET gone_at = 1")
    assert list(queries.empty_events(CaptureQuery())) == []


def test_an_event_of_which_something_was_pruned_was_not_empty(database: Database) -> None:
    SqlStore(database, ManualClock()).record([annotation(*captures(event(), 1))], [])
    with database.writing() as connection:
        connection.exec_driver_sql(FOLD, (11, 15, 1))
    queries = SqlQueries(database)
    assert list(queries.empty_events(CaptureQuery())) == []
    assert [one.capture.frame for one in queries.frames(event())] == [1]


@pytest.mark.parametrize(
    ("query", "hint"),
    [
        (CaptureQuery(events=("24/05/01/12/00/01",)), "did you mean 24/05/01/12/00/00?"),
        (CaptureQuery(events=("Door/24/05/01/12/00",)), "did you mean Door/24/05/01/12/00/00?"),
        (CaptureQuery(strangers=(18,)), "did you mean stranger-017?"),
    ],
)
def test_the_nearest_event_or_stranger_is_named(
    database: Database, query: CaptureQuery, hint: str
) -> None:
    (one,) = captures(event(0), 1)
    SqlStore(database, ManualClock()).record([annotation(one, detection(faces=[face(None)]))], [])
    with database.writing() as connection:
        connection.exec_driver_sql("UPDATE face SET stranger = 17")
    with pytest.raises(QueryError) as caught:
        SqlQueries(database).sightings(query)
    assert hint in str(caught.value)
    assert caught.value.next_step


def test_no_event_is_near_to_nonsense(database: Database) -> None:
    SqlStore(database, ManualClock()).record([annotation(*captures(event(), 1))], [])
    with pytest.raises(QueryError) as caught:
        SqlQueries(database).sightings(CaptureQuery(events=("nonsense",)))
    assert "did you mean" not in str(caught.value)


def test_an_event_may_be_called_by_its_monitors_name(database: Database) -> None:
    (one,) = captures(replace(event(), monitor="Front Door"), 1)
    SqlStore(database, ManualClock()).record([annotation(one, detection())], [])
    for called in (event().path, event().directory, f"Front Door/{event().path}"):
        assert list(SqlQueries(database).sightings(CaptureQuery(events=(called,))))
