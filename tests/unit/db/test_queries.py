"""What the contract does not say: help with misspelt words, streaming, size."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from itertools import islice
from pathlib import Path

import pytest

from annotator.domain import CaptureQuery, Event, Identity
from annotator.errors import QueryError
from db.engine import Database, open_database, open_read_only
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
        assert sum(1 for _ in answer) == 2000 - 21, "as it was when it was asked"
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


def test_a_capture_without_detections_takes_at_most_64_bytes(tmp_path: Path) -> None:
    """benchmarks/database_size.py measures it for a million."""
    path = tmp_path / "annotator.sqlite"
    with open_database(path, forbidden_root=None) as database:
        database.close()
        before = path.stat().st_size
        store = SqlStore(database, ManualClock())
        for minute in range(40):
            frames = range(1, 51)
            seen = [
                annotation(one)
                for monitor in ("Door", "Hall", "Yard", "Shed")
                for one in captures(event(minute, monitor), *frames)
            ]
            store.record(seen, [])
    assert (path.stat().st_size - before) / (40 * 4 * 50) <= 64
