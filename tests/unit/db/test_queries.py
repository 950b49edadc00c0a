"""What the contract does not say: help with misspelt words, streaming, size."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from itertools import islice

import pytest

from annotator.domain import Capture, CaptureQuery, Event, Identity, SkipReason
from annotator.errors import QueryError
from db.backlog import SqlBacklog
from db.engine import Database, open_read_only
from db.queries import SqlQueries
from db.store import SqlStore
from tests.contracts.backlog import annotation, captures, detection, event, face
from tests.fakes.clock import ManualClock


@pytest.mark.parametrize(
    ("question", "hint"),
    [
        (CaptureQuery(monitors=("Playroom",)), "did you mean PlayroomDoor?"),
        (CaptureQuery(labels=("Person",)), "did you mean person?"),
        (CaptureQuery(names=("ana",)), "did you mean Anna?"),
        (CaptureQuery(names=("Unknown",)), "did you mean unknown?"),
    ],
)
def test_a_misspelt_word_gets_the_nearest_and_all_there_are(
    database: Database, question: CaptureQuery, hint: str
) -> None:
    (one,) = captures(event(0, "PlayroomDoor"), 1)
    seen = annotation(one, detection("person", faces=[face(Identity.KNOWN, "Anna")]))
    SqlStore(database, ManualClock()).record([seen], [])
    with pytest.raises(QueryError) as caught:
        SqlQueries(database).sightings(question)
    assert hint in str(caught.value)
    assert hint.split()[-1].rstrip("?") in caught.value.next_step


def test_an_empty_database_says_so(database: Database) -> None:
    with pytest.raises(QueryError) as caught:
        SqlQueries(database).sightings(CaptureQuery(labels=("person",)))
    assert "annotate some captures first" in caught.value.next_step


def test_several_monitors_of_one_name_are_all_meant(database: Database) -> None:
    both = [Event("Door", "1", "9"), Event("Door", "7", "9")]
    seen = [annotation(one, detection()) for place in both for one in captures(place, 1)]
    SqlStore(database, ManualClock()).record(seen, [])
    found = SqlQueries(database).sightings(CaptureQuery(monitors=("Door",)))
    assert {one.path.split("/")[0] for one in found} == {"1", "7"}


def test_a_long_answer_is_read_as_it_is_asked_for(database: Database) -> None:
    store = SqlStore(database, ManualClock())
    store.record(
        [annotation(one, *[detection()] * 20) for one in captures(event(), *range(100))], []
    )
    with open_read_only(database.path) as reader:
        answer = iter(SqlQueries(reader).sightings(CaptureQuery()))
        assert [one.frame for one in islice(answer, 21)] == [99] * 20 + [98]
        store.record([annotation(one) for one in captures(event(), *range(100))], [])
        assert sum(1 for _ in answer) < 200, "no more than what was read already"
        assert list(SqlQueries(reader).sightings(CaptureQuery())) == []


def test_an_answer_that_is_left_unread_holds_nothing(database: Database) -> None:
    many = [annotation(one, *[detection()] * 20) for one in captures(event(), *range(100))]
    SqlStore(database, ManualClock()).record(many, [])
    answer = iter(SqlQueries(database).sightings(CaptureQuery()))
    next(answer)
    del answer
    with closing(sqlite3.connect(database.path)) as connection:
        busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    assert not busy, "no snapshot is left open"


def record_empty(database: Database, batch: list[Capture]) -> None:
    SqlStore(database, ManualClock()).record([annotation(one) for one in batch], [])


def skip(database: Database, batch: list[Capture]) -> None:
    SqlBacklog(database, ManualClock()).skip(batch, SkipReason.NOT_NTH_FRAME)


@pytest.mark.parametrize(("write", "at_most_bytes"), [(record_empty, 64), (skip, 24)])
def test_a_capture_without_detections_takes_little_and_a_skipped_one_less(
    database: Database, write: Callable[[Database, list[Capture]], None], at_most_bytes: int
) -> None:
    """benchmarks/database_size.py measures it for a million."""
    database.close()
    before = database.path.stat().st_size
    minutes, monitors, frames = 20, ("Door", "Hall", "Yard", "Shed"), range(1, 51)
    for minute in range(minutes):
        for monitor in monitors:
            write(database, captures(event(minute, monitor), *frames))
    database.close()
    bytes_each = (database.path.stat().st_size - before) / (minutes * len(monitors) * len(frames))
    assert bytes_each <= at_most_bytes
