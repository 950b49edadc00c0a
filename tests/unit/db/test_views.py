"""What plain sqlite3 reads."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import pytest

from annotator.domain import (
    Capture,
    Event,
    FaceQuestion,
    Failure,
    Identity,
    Origin,
    Reason,
    SkipReason,
    Tag,
    Window,
)
from db.backlog import SqlBacklog
from db.engine import Database
from db.face_book import SqlFaceBook
from db.queries import SqlQueries
from db.store import SqlStore
from tests.contracts.backlog import (
    BLURRED,
    CAR,
    NOON,
    annotation,
    captures,
    detection,
    event,
    face,
    stationary_at,
    stood_in,
)
from tests.contracts.backlog import failure as failed
from tests.contracts.faces import annotation as named
from tests.contracts.faces import face as face_of
from tests.fakes.clock import ManualClock


@pytest.fixture
def plain(database: Database, local_zone: Callable[[str], None]) -> Iterator[sqlite3.Connection]:
    """Five captures of which one was annotated, in the time zone of Berlin."""
    clock = ManualClock()
    one, two, three, four, five = captures(event(), 1, 2, 3, 4, 5)
    store = SqlStore(database, clock)
    seen = annotation(
        one,
        detection("person", 0.75, [face(Identity.KNOWN, "Anna"), BLURRED]),
        detection("cat", 0.5),
        captured_at=NOON + timedelta(milliseconds=1500),
    )
    store.record([seen], [failed(two), Failure("Hall/24", Reason.UNREADABLE, "no permission")])
    backlog = SqlBacklog(database, clock)
    backlog.add([three], Origin.LIVE)
    backlog.skip([four], SkipReason.NOT_NTH_FRAME)
    backlog.skip([five], SkipReason.TOO_OLD)
    local_zone("Europe/Berlin")
    with closing(sqlite3.connect(database.path)) as connection:
        connection.row_factory = sqlite3.Row
        yield connection


def rows(connection: sqlite3.Connection, question: str) -> list[dict[str, object]]:
    return [dict(row) for row in connection.execute(question)]


def test_sightings(plain: sqlite3.Connection) -> None:
    found = rows(plain, "SELECT * FROM sightings ORDER BY detection_id DESC, face_id DESC")
    assert [(one["label"], one["name"], one["verdict"]) for one in found] == [
        ("person", "Anna", "known"),
        ("person", None, "blurred"),
        ("cat", None, None),
    ]
    anna = found[0]
    ids = {key: anna.pop(key) for key in ("event_id", "detection_id", "face_id")}
    assert all(isinstance(value, int) for value in ids.values())
    assert anna == {
        "local_time": "2024-05-01 14:00:01.500",
        "utc_time": "2024-05-01T12:00:01.500Z",
        "monitor": "Door",
        "event": "24/05/01/12/00/00",
        "frame": 1,
        "label": "person",
        "score": 0.75,
        "xmin": 10,
        "ymin": 10,
        "xmax": 100,
        "ymax": 200,
        "name": "Anna",
        "probability": 0.875,
        "verdict": "known",
        "face_xmin": 12,
        "face_ymin": 12,
        "face_xmax": 40,
        "face_ymax": 44,
        "path": "Door/24/05/01/12/00/00/00001-capture.jpg",
        "captured_at": 1714564801500,
        "class_id": 0,
        "stay": None,
        "stationary_id": None,
        "track": None,
        "seen_better": 0,
        "stranger": None,
        "weight": pytest.approx(28 * 120.5 / 420.5),
        "by_hand": 0,
        "recogniser": None,
    }


def test_faces_are_the_sightings_that_have_one(plain: sqlite3.Connection) -> None:
    sightings = rows(plain, "SELECT * FROM sightings WHERE face_id IS NOT NULL ORDER BY face_id")
    assert rows(plain, "SELECT * FROM faces ORDER BY face_id") == sightings
    assert len(sightings) == 2


def test_an_embedding_belongs_to_a_usable_face(plain: sqlite3.Connection) -> None:
    question = "SELECT name, length(vector) AS n FROM faces JOIN embedding USING (face_id)"
    assert rows(plain, question) == [{"name": "Anna", "n": 512}]


def test_what_people_said_is_in_the_views(database: Database) -> None:
    """Who named a face, what it said before, and words that lost their face."""
    clock = ManualClock()
    store, book = SqlStore(database, clock), SqlFaceBook(database, clock)
    one, two = captures(event(), 1, 2)
    store.record([named(one, face_of("Anna", 1)), named(two, face_of(None, 1, x=300))], [])
    anna, nobody = SqlQueries(database).stored_faces(FaceQuestion())
    book.tag([anna.id], Tag("Anna", NOON, negated=True))
    book.tag([anna.id, nobody.id], Tag("Eva", NOON))
    book.group({nobody.id: 17})
    store.record([named(one)], [])
    with closing(sqlite3.connect(database.path)) as connection:
        connection.row_factory = sqlite3.Row
        found = rows(
            connection, "SELECT name, by_hand, recogniser, track, stranger, seen_better FROM faces"
        )
        tags = rows(
            connection,
            "SELECT name, negated, before, path, face_id, tagged_utc_time FROM tags"
            " ORDER BY path, name",
        )
        people = rows(
            connection,
            "SELECT monitor, event, name, share, faces, first_utc_time, last_utc_time, best_path,"
            " by_hand, best_face_id FROM event_people",
        )
        (first,) = rows(connection, "SELECT first_local_time, last_local_time FROM event_people")
    assert found == [
        {
            "name": "Eva",
            "by_hand": 1,
            "recogniser": None,
            "track": 1,
            "stranger": 17,
            "seen_better": 0,
        }
    ]
    common = {"tagged_utc_time": "2024-05-01T12:00:00.000Z"}
    gone = {**common, "before": None, "path": one.path, "face_id": None}
    assert tags == [
        {"name": "Anna", "negated": 1, **gone},
        {"name": "Eva", "negated": 0, **gone},
        {
            **common,
            "name": "Eva",
            "negated": 0,
            "before": "unknown",
            "path": two.path,
            "face_id": nobody.id,
        },
    ]
    assert people == [
        {
            "monitor": "Door",
            "event": "24/05/01/12/00/00",
            "name": "Eva",
            "share": 1.0,
            "faces": 1,
            "first_utc_time": "2024-05-01T12:00:02.000Z",
            "last_utc_time": "2024-05-01T12:00:02.000Z",
            "best_path": two.path,
            "by_hand": 1,
            "best_face_id": nobody.id,
        }
    ]
    assert first["first_local_time"] == first["last_local_time"]


def test_captures(plain: sqlite3.Connection) -> None:
    found = rows(plain, "SELECT * FROM captures ORDER BY frame")
    assert [(one["frame"], one["state"], one["reason"]) for one in found] == [
        (1, "annotated", None),
        (2, "failed", "truncated"),
        (3, "waiting", None),
        (4, "skipped", SkipReason.NOT_NTH_FRAME),
        (5, "skipped", SkipReason.TOO_OLD),
    ]
    assert found[2]["path"] == "Door/24/05/01/12/00/00/00003-capture.jpg"
    annotated = {key: found[0][key] for key in ("utc_time", "annotated_utc_time", "detector")}
    assert annotated == {
        "utc_time": "2024-05-01T12:00:01.500Z",
        "annotated_utc_time": "2024-05-01T12:00:00.000Z",
        "detector": "ssd@0123456789ab",
    }


def test_captures_tell_what_stood_in_for_what(database: Database) -> None:
    store = SqlStore(database, ManualClock())
    first, second = captures(event(), 1, 2)
    store.record([stood_in(first), replace(annotation(second), inherited_from=first)], [])
    plain = [Capture(Event("Photos", "Photos", ""), name, 0) for name in ("a.jpg", "b.jpg")]
    store.record([replace(annotation(plain[1]), inherited_from=plain[0])], [])
    with closing(sqlite3.connect(database.path)) as connection:
        found = connection.execute(
            "SELECT path, fallback, inherited_from FROM captures ORDER BY path"
        ).fetchall()
    assert found == [
        (first.path, 1, None),
        (second.path, 0, "00001-capture.jpg"),
        ("Photos/b.jpg", 0, "a.jpg"),
    ]


def test_a_capture_that_waits_to_be_looked_at_anew_is_there_once(database: Database) -> None:
    store, backlog = SqlStore(database, ManualClock()), SqlBacklog(database, ManualClock())
    one, two = captures(event(), 1, 2)
    store.record([stood_in(one)], [])
    backlog.add([two], Origin.LIVE)
    assert backlog.redo_fallback(Window()) == 1
    with closing(sqlite3.connect(database.path)) as connection:
        found = connection.execute("SELECT frame, state FROM captures ORDER BY frame").fetchall()
    assert found == [(1, "annotated"), (2, "waiting")]


def test_stationary_objects(database: Database) -> None:
    store = SqlStore(database, ManualClock(), stationary_at)
    for minute, there in ((0, 30), (1, 0), (2, 25)):
        seen = [
            annotation(one, *([CAR] if one.frame <= there else []))
            for one in captures(event(minute), *range(1, 31))
        ]
        store.record(seen, [])
    with closing(sqlite3.connect(database.path)) as connection:
        connection.row_factory = sqlite3.Row
        found = rows(connection, "SELECT * FROM stationary_objects ORDER BY arrived_at")
        by_stay = rows(
            connection,
            "SELECT stationary_id, stay, count(*) AS times FROM sightings"
            " GROUP BY stationary_id, stay ORDER BY stationary_id, min(captured_at)",
        )
    assert [(one["state"], one["sightings"]) for one in found] == [("left", 30), ("left", 25)]
    assert [(one["stay"], one["times"]) for one in by_stay] == [
        *(("arrived", 1), ("still there", 28), ("left", 1)),
        *(("arrived", 1), ("still there", 23), ("left", 1)),
    ]
    first = found[0]
    assert first.pop("stationary_id") == by_stay[0]["stationary_id"]
    del first["arrived_local_time"], first["last_seen_local_time"]
    assert first == {
        "monitor": "Door",
        "label": "car",
        "state": "left",
        "sightings": 30,
        "xmin": 600,
        "ymin": 400,
        "xmax": 900,
        "ymax": 600,
        "arrived_utc_time": "2024-05-01T12:00:01.000Z",
        "last_seen_utc_time": "2024-05-01T12:00:30.000Z",
        "arrived_at": 1714564801000,
        "last_seen_at": 1714564830000,
    }


def test_failures(plain: sqlite3.Connection) -> None:
    found = rows(plain, "SELECT path, reason, monitor, frame FROM failures ORDER BY path")
    assert found == [
        {
            "path": "Door/24/05/01/12/00/00/00002-capture.jpg",
            "reason": "truncated",
            "monitor": "Door",
            "frame": 2,
        },
        {"path": "Hall/24", "reason": "unreadable", "monitor": None, "frame": None},
    ]


def test_paths_are_those_of_the_store(database: Database) -> None:
    places = [Event("A", "", ""), Event("A", "", "x/y"), Event("B", "b", ""), Event("C", "3", "9")]
    names = [("cat.jpg", 0), ("00012-capture.jpg", 12), ("100%.jpg", 100), ("123456.jpg", 123456)]
    odd = [Capture(place, name, frame) for place in places for name, frame in names]
    SqlStore(database, ManualClock()).record([annotation(one, detection()) for one in odd], [])
    with closing(sqlite3.connect(database.path)) as connection:
        for view in ("sightings", "captures"):
            found = connection.execute(f"SELECT path FROM {view}").fetchall()
            assert {path for (path,) in found} == {one.path for one in odd}


def test_a_monitor_that_is_renamed_keeps_its_captures(database: Database) -> None:
    store, backlog = SqlStore(database, ManualClock()), SqlBacklog(database, ManualClock())
    old = [
        Capture(Event("Door", "1", "9"), "1.jpg", 1),
        Capture(Event("Door", "1", "9"), "2.jpg", 2),
    ]
    store.record([annotation(old[0], detection())], [])
    renamed = [Capture(Event("Gate", "1", "9"), one.file_name, one.frame) for one in old]
    assert backlog.add(renamed, Origin.RECONCILE) == 1
    with closing(sqlite3.connect(database.path)) as connection:
        found = connection.execute("SELECT DISTINCT monitor FROM captures").fetchall()
    assert found == [("Gate",)]


def test_an_event_without_a_start_gets_that_of_its_first_capture(database: Database) -> None:
    undated = captures(Event("Door", "Door", "17"), 1, 2)
    seen = [
        annotation(one, captured_at=NOON + timedelta(minutes=one.frame))
        for one in reversed(undated)
    ]
    SqlStore(database, ManualClock()).record(seen, [])
    with closing(sqlite3.connect(database.path)) as connection:
        found = connection.execute("SELECT started_at FROM event").fetchall()
    assert found == [((NOON + timedelta(minutes=1)).timestamp() * 1000,)]


def test_the_tallies_follow_plain_sql_too(database: Database) -> None:
    one, two = captures(event(), 1, 2)
    people = [detection(faces=[BLURRED, BLURRED]), detection()]
    SqlStore(database, ManualClock()).record(
        [annotation(one, *people), annotation(two, *people)], []
    )
    with closing(sqlite3.connect(database.path)) as connection, connection:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("DELETE FROM capture WHERE frame = 1")
        tallies = dict(connection.execute("SELECT subject, value FROM tally"))
    assert tallies["capture"] == 1
    assert tallies["detection"] == 2
    assert tallies["face"] == 2
