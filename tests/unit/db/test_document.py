"""What docs/database.md says of views and questions is so, with the plain sqlite3 program."""

from __future__ import annotations

import re
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from annotator.domain import (
    Capture,
    CaptureQuery,
    Detection,
    Event,
    Gate,
    Origin,
    Reason,
    SkipReason,
    Tag,
)
from db.backlog import SqlBacklog
from db.engine import open_database
from db.face_book import SqlFaceBook
from db.queries import SqlQueries
from db.store import SqlStore
from tests.contracts.backlog import CAR, annotation, captures, detection, failure, stationary_at
from tests.contracts.faces import MADE_BY, face
from tests.databases import Databases
from tests.fakes.clock import ManualClock

DOCUMENT = (Path(__file__).parents[3] / "docs" / "database.md").read_text()
QUESTIONS = re.findall(r"```sql\n(.*?)```", DOCUMENT, flags=re.DOTALL)


def at(monitor: str, local: datetime) -> Event:
    return Event(monitor, monitor, f"{local:%y/%m/%d/%H/%M/%S}", local.astimezone(UTC))


@pytest.fixture(scope="module")
def lived(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with something of everything, seen yesterday; not to be changed."""
    path = databases.put(tmp_path_factory.mktemp("lived") / "annotator.sqlite")
    midnight = datetime.now(UTC).astimezone().replace(hour=0, minute=0, second=0, microsecond=0)
    evening = midnight - timedelta(hours=4)
    with open_database(path, forbidden_root=None) as database:
        clock = ManualClock(midnight.astimezone(UTC))
        store, backlog = SqlStore(database, clock, stationary_at), SqlBacklog(database, clock)
        door = at("FrontDoor", evening)

        def see(one: Capture, *seen: Detection) -> None:
            store.record([replace(annotation(one, *seen), provenance=MADE_BY)], [])

        people = detection(faces=[face("Anna", 1), face("Eva", 2, x=300)])
        for one in captures(door, 1, 2, 3):
            see(one, people, detection("cat"))
        stranger, blurred = (
            face(None),
            replace(face(), gate=Gate.BLURRED, embedding=None, identification=None),
        )
        for minutes in (10, 20):
            for one in captures(at("FrontDoor", evening + timedelta(minutes=minutes)), 1):
                see(one, detection(faces=[stranger, blurred]))
        parking = at("Drive", midnight - timedelta(hours=1))
        for one in captures(parking, *range(1, 40)):
            see(one, *([CAR] if one.frame < 30 else []))
        for one in captures(at("Garden", evening), 1, 2):
            see(one)
        store.record([], [failure(*captures(door, 4), reason=Reason.CORRUPT)])
        backlog.skip(captures(door, 5), SkipReason.NOT_NTH_FRAME)
        backlog.add(captures(door, 6), Origin.LIVE)
        book, queries = SqlFaceBook(database, clock), SqlQueries(database)
        nobody = [one.face_id for one in queries.sightings(CaptureQuery(names=("unknown",)))]
        book.group({one: 17 for one in nobody if one is not None})
        hers = next(iter(queries.sightings(CaptureQuery(names=("Anna",)))))
        assert hers.face_id is not None
        book.tag([hers.face_id], Tag("Anna", clock.now()))
        (one,) = [one for one in captures(door, 1, 2, 3) if one.frame == hers.frame]
        see(one, detection(faces=[face("Eva", 2, x=300)]))
        with database.writing() as connection:
            connection.exec_driver_sql(
                "UPDATE event SET gone_at = began_at + 1 WHERE id = (SELECT max(id) FROM event)"
            )
    return path


def test_there_are_at_least_twenty_questions() -> None:
    assert len(QUESTIONS) >= 20


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_in_the_document_has_an_answer(lived: Path, question: str) -> None:
    program = shutil.which("sqlite3")
    if program is None:
        pytest.skip("Debian's sqlite3 program is not installed")
    done = subprocess.run(
        [program, "-readonly", "-bail", "-header", str(lived), question],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    header, *rows = done.stdout.splitlines()
    assert rows, header


@pytest.fixture
def plain(lived: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(f"file:{lived}?mode=ro", uri=True)) as connection:
        yield connection


def test_every_view_and_its_columns_are_in_the_document(plain: sqlite3.Connection) -> None:
    views = plain.execute("SELECT name FROM sqlite_schema WHERE type = 'view'").fetchall()
    words = set(re.findall(r"`([a-z_0-9]+)`", DOCUMENT))
    # "xmin ... ymax" stands for all four.
    words |= {f"{face}{side}" for face in ("", "face_") for side in ("ymin", "xmax", "xmin")}
    for (view,) in views:
        columns = [row[1] for row in plain.execute(f"PRAGMA table_info({view})")]
        assert view in words
        assert set(columns) <= words, f"{view}: {set(columns) - words}"


def test_an_event_in_plain_sql(plain: sqlite3.Connection) -> None:
    found = plain.execute(
        "SELECT monitor, duration_s, captures, labels, names, unseen, gone FROM events"
        " ORDER BY began_at, monitor LIMIT 2"
    ).fetchall()
    assert found == [
        ("FrontDoor", 2.0, 3, "cat, person", "Eva, Anna", 2, 0),
        ("Garden", 1.0, 2, None, None, 0, 1),
    ]


def test_people_in_plain_sql(plain: sqlite3.Connection) -> None:
    found = plain.execute(
        "SELECT name, events, faces, last_at - first_at FROM people ORDER BY name"
    ).fetchall()
    assert found == [("Anna", 1, 2, 1000), ("Eva", 1, 3, 2000), ("unknown", 2, 2, 600_000)]


def test_counts_in_plain_sql(plain: sqlite3.Connection) -> None:
    labels = plain.execute(
        "SELECT monitor, label, still_there, sum(detections), sum(sightings) FROM label_counts"
        " GROUP BY 1, 2, 3"
    ).fetchall()
    assert labels == [
        ("Drive", "car", 0, 2, 2),
        ("Drive", "car", 1, 27, 27),
        ("FrontDoor", "cat", 0, 2, 2),
        ("FrontDoor", "person", 0, 5, 9),
    ]
    names = plain.execute(
        "SELECT name, monitor, still_there, sum(faces), min(quarter_at % 900000) FROM name_counts"
        " GROUP BY 1, 2, 3"
    ).fetchall()
    assert names == [
        ("Anna", "FrontDoor", 0, 2, 0),
        ("Eva", "FrontDoor", 0, 3, 0),
        ("unknown", "FrontDoor", 0, 2, 0),
    ]
