"""Databases of older versions, kept here as SQL, are brought up to date without losing a thing."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from annotator.domain import (
    UNKNOWN_NAME,
    Capture,
    CaptureQuery,
    Event,
    FaceQuestion,
    Failure,
    FileStamp,
    Identity,
    Origin,
    Reason,
    Sighting,
    SkipReason,
    Stay,
    Tag,
    Totals,
    Window,
)
from db.backlog import SqlBacklog
from db.engine import Database, open_database
from db.face_book import SqlFaceBook
from db.queries import SqlQueries
from db.store import SqlStore
from tests.contracts.backlog import (
    BLURRED,
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
from tests.databases import Databases
from tests.fakes.clock import ManualClock

# What is in every file of old/.
ANNOTATED = captures(event(0), 1, 2) + captures(event(1, "Hall"), 1)
PHOTO = Capture(Event("Photos", "Photos", "", NOON + timedelta(hours=1)), "cat.jpg", 0)
FAILURES = [
    failure(*captures(event(0), 3)),
    failure(*captures(event(1, "Hall"), 2), Reason.VANISHED),
    Failure("Hall/24/05/02", Reason.UNREADABLE, "permission denied"),
]
LIVE = captures(event(2), *range(1, 9))
ODD_LIVE = Capture(event(2), "extra.jpg", 0)
LEASED, PUT_OFF = LIVE[1:3], LIVE[0]
RECONCILED = captures(event(3, "Hall"), 5, 6)
BACKFILLED = captures(event(5, "Hall"), 1, 2, 3)


def restored(version: str, path: Path) -> Path:
    script = Path(__file__).with_name("old") / f"{version}.sql"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script.read_text())
    return path


VERSIONS = ("0001", "0002", "0003", "0004", "0005", "0006")


@pytest.fixture(params=VERSIONS, scope="module")
def version(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture(scope="module")
def kept(version: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An old database; not to be changed."""
    return restored(version, tmp_path_factory.mktemp("old") / "annotator.sqlite")


@pytest.fixture
def old(kept: Path, tmp_path: Path) -> Path:
    return Path(shutil.copyfile(kept, tmp_path / "annotator.sqlite"))


@pytest.fixture(scope="module")
def brought_up_to_date(kept: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What was an old database; not to be changed."""
    path = Path(shutil.copyfile(kept, tmp_path_factory.mktemp("upgraded") / "annotator.sqlite"))
    open_database(path, forbidden_root=None).close()
    return path


@pytest.fixture
def upgraded(databases: Databases, brought_up_to_date: Path) -> Iterator[Database]:
    with databases.fresh(brought_up_to_date) as database:
        yield database


@pytest.fixture
def world(upgraded: Database) -> World:
    clock = ManualClock(NOON + timedelta(seconds=63))
    return World(
        SqlBacklog(upgraded, clock), SqlStore(upgraded, clock), SqlQueries(upgraded), clock
    )


def rows(path: Path, question: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(question).fetchall()


def test_the_old_database_has_rows_in_every_table(old: Path, version: str) -> None:
    tables = rows(old, "SELECT name FROM sqlite_schema WHERE type = 'table'")
    expected = {"0001": 13, "0002": 15, "0003": 16, "0004": 22, "0005": 24, "0006": 25}
    assert len(tables) == expected[version]
    for (table,) in tables:
        assert rows(old, f"SELECT 1 FROM {table}"), table


def test_plain_questions_get_the_same_answers(old: Path) -> None:
    columns = "path, monitor, event, frame, state, utc_time, annotated_utc_time, width, detector"
    seen = (
        "local_time, utc_time, monitor, event, frame, label, score, xmin, ymin, xmax, ymax, name,"
        " probability, verdict, face_xmin, face_ymin, face_xmax, face_ymax, path, captured_at,"
        " class_id, event_id, detection_id, face_id"
    )
    questions = [
        f"SELECT {seen} FROM sightings ORDER BY detection_id, face_id",
        f"SELECT {seen} FROM faces ORDER BY face_id",
        "SELECT * FROM failures ORDER BY path",
        f"SELECT {columns} FROM captures ORDER BY path",
        "SELECT face_id, vector FROM embedding",
    ]
    before = [rows(old, question) for question in questions]
    assert all(before)
    open_database(old, forbidden_root=None).close()
    assert [rows(old, question) for question in questions] == before
    assert rows(old, "PRAGMA integrity_check") == [("ok",)]
    assert rows(old, "PRAGMA foreign_key_check") == []


def test_an_upgraded_database_is_made_as_a_new_one(old: Path, migrated: Path) -> None:
    open_database(old, forbidden_root=None).close()
    made = "SELECT type, name, sql FROM sqlite_schema ORDER BY type, name"
    assert rows(old, made) == rows(migrated, made)


def test_the_same_was_seen(world: World, version: str) -> None:
    anna = face(Identity.KNOWN, "Anna")
    seen = [
        annotation(PHOTO, detection("cat"), captured_at=NOON + timedelta(hours=1)),
        annotation(ANNOTATED[2], detection("person", 0.5, [face(Identity.UNKNOWN)])),
        annotation(
            ANNOTATED[0], detection("person", 0.75, [anna, BLURRED]), detection("cat", 0.625)
        ),
    ]
    expected = [
        Sighting(
            captured_at=one.captured_at,
            monitor=one.capture.monitor,
            event=one.capture.event.path,
            frame=one.capture.frame,
            label=found.label,
            class_id=0,
            score=found.score,
            box=found.box,
            path=one.capture.path,
            face_box=looked_at.box if looked_at else None,
            name=who.name if looked_at and (who := looked_at.identification) else None,
            probability=0.875 if looked_at and looked_at.identification else None,
            verdict=looked_at.verdict if looked_at else None,
            stranger=1 if version >= "0004" and one.capture == ANNOTATED[2] else None,
        )
        for one in seen
        for found in one.detections
        for looked_at in found.faces or (None,)
    ]
    assert world.ask() == expected
    assert [one.name for one in world.ask(names=("Anna", UNKNOWN_NAME))] == [None, "Anna"]
    assert world.queries.seen_in(ANNOTATED[1]) == ()
    cut, *others = sorted(world.failures(), key=lambda one: one.path)
    stamp = FileStamp(1234, NOON + timedelta(microseconds=123456)) if version > "0001" else None
    assert [cut, *others] == [replace(FAILURES[0], stamp=stamp), *FAILURES[1:]]


def test_the_same_is_counted(world: World, version: str) -> None:
    skipped = {SkipReason.NOT_NTH_FRAME: 2, SkipReason.TOO_OLD: 1}
    assert world.queries.totals() == Totals(
        annotated=4,
        failed=3,
        detections=4,
        faces=3,
        waiting={Origin.LIVE: 9, Origin.RECONCILE: 2, Origin.BACKFILL: 3},
        oldest_waiting={
            Origin.LIVE: NOON + timedelta(seconds=61),
            Origin.RECONCILE: NOON + timedelta(seconds=62),
            Origin.BACKFILL: NOON + timedelta(seconds=60),
        },
        skipped=skipped if version > "0001" else {},
        failures={Reason.TRUNCATED: 1, Reason.VANISHED: 1, Reason.UNREADABLE: 1},
        newest_captured_at=NOON + timedelta(hours=1),
        # Of Hall the newest event has nothing annotated yet; its next capture puts that right.
        newest_by_monitor={"Photos": NOON + timedelta(hours=1)},
        pruned=3 if version == "0006" else 0,
    )


def test_the_same_captures_are_known(world: World) -> None:
    known = [*ANNOTATED, PHOTO, *LIVE, ODD_LIVE, *RECONCILED, *BACKFILLED]
    # One that had vanished waits again when it is met: it is there after all.
    known += [one.capture for one in FAILURES if one.capture and one.reason != Reason.VANISHED]
    for origin in Origin:
        assert world.backlog.add(known, origin) == 0


def test_what_waited_is_leased_in_the_new_order(world: World) -> None:
    """What was leased is so until the start frees it, and what was put off until it is due."""
    live = [LIVE[4], LIVE[6], ODD_LIVE, LIVE[3], LIVE[5], LIVE[7]]
    order = [lease.capture for lease in world.backlog.lease(99)]
    assert order == [*live, *RECONCILED, *BACKFILLED]
    assert world.backlog.free_all() == len(LEASED) + len(order)
    world.clock.sleep(29)
    again = world.backlog.lease(2)
    assert [(one.capture, one.attempts) for one in again] == [(LIVE[0], 2), (LIVE[4], 2)]
    attempts = {one.capture: one.attempts for one in world.backlog.lease(99)}
    assert [attempts[one] for one in LEASED] == [2, 2]
    everything = [*LIVE, ODD_LIVE, *RECONCILED, *BACKFILLED]
    world.store.record([annotation(one) for one in everything], [])
    assert world.queries.totals().waiting == {}


def test_new_frames_of_an_old_event_are_counted_from_one(world: World) -> None:
    world.store.record([annotation(one) for one in [*LIVE, ODD_LIVE]], [])
    world.backlog.add(captures(event(2), 10, 17, 9, 13), Origin.LIVE)
    order = [lease.capture.frame for lease in world.backlog.lease(4)]
    assert order == [17, 9, 13, 10]


def test_nothing_old_was_made_on_the_fallback_or_stands_still(world: World) -> None:
    assert world.backlog.redo_fallback(Window()) == 0
    assert {one.stay for one in world.ask(stationary=True)} == {None}


def test_an_upgraded_database_goes_on(old: Path) -> None:
    """With old captures of the same monitor before the new ones, and its foreign keys on."""
    with open_database(old, forbidden_root=None) as upgraded:
        store = SqlStore(upgraded, ManualClock(), stationary_at)
        parked = captures(event(7), *range(1, 31))
        store.record([stood_in(one, CAR) for one in parked], [])
        found = SqlQueries(upgraded).sightings(CaptureQuery(labels=("car",)))
        assert [(one.frame, one.stay) for one in found] == [(1, Stay.ARRIVED)]
        assert SqlBacklog(upgraded, ManualClock()).redo_fallback(Window()) == len(parked)
        with upgraded.writing() as connection, pytest.raises(Exception, match="FOREIGN KEY"):
            connection.exec_driver_sql("DELETE FROM provenance")


def test_old_faces_are_named_and_tagged(world: World, upgraded: Database, version: str) -> None:
    """From 0003 on a bundle named Anna; in 0004 a person said who the other face is not."""
    asked = partial(world.queries.stored_faces, FaceQuestion())
    by_name = {one.identification.name: one for one in asked()}
    assert set(by_name) == {"Anna", None}
    assert by_name["Anna"].recogniser == ("family@8899aabbccdd" if version >= "0003" else None)
    assert by_name[None].recogniser is None
    assert all(one.track is None for one in asked())
    spoken_of = {"Bob": by_name[None].id} if version >= "0004" else {}
    assert {name: one.id for one in asked() for name in one.denied} == spoken_of
    book = SqlFaceBook(upgraded, world.clock)
    assert book.tag([by_name[None].id], Tag("Eva", NOON)) == 1
    people = [(one.name, one.faces) for one in world.queries.event_people(Window())]
    assert people == [("Eva", 1), ("Anna", 1)]
    world.store.record([annotation(ANNOTATED[2], detection(faces=[face(Identity.UNKNOWN)]))], [])
    assert [one.identification.name for one in asked()] == ["Anna", "Eva"]
    assert max(one.id for one in asked()) > 3, "no id is used again"


def test_an_upgrade_that_fails_leaves_the_old_version(old: Path) -> None:
    with closing(sqlite3.connect(old)) as connection:
        before = list(connection.iterdump())
        connection.execute("CREATE TABLE notice (in_the_way INTEGER)")
    with pytest.raises(Exception, match="notice already exists"):
        open_database(old, forbidden_root=None)
    with closing(sqlite3.connect(old)) as connection:
        connection.execute("DROP TABLE notice")
        assert list(connection.iterdump()) == before
