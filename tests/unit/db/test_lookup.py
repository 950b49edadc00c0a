"""What the pages look up in the database: captures and events by path, who and what there is."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.clock import SystemClock
from annotator.domain import Capture, Event, Origin, SkipReason
from db.backlog import SqlBacklog
from db.engine import Database, open_database, open_read_only
from db.lookup import SqlLookup
from tests.databases import Databases

CAPTURES = (
    Capture(Event("FrontDoor", "1", "24/05/01/12/00/00"), "00007-capture.jpg", 7),
    Capture(Event("FrontDoor", "1", "24/05/01/12/00/00"), "00100-capture.jpg", 100),
    Capture(Event("Hall", "Hall", "17"), "odd <b>%2F'\".jpg", 0),
    Capture(Event("Hall", "Hall", ""), "cat-3.jpg", 3),
    Capture(Event("events", "", ""), "in-the-root-12.jpg", 12),
    Capture(Event("Hall", "Hall", "b/c"), "1.jpg", 1),
)


@pytest.fixture(scope="module")
def path(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = databases.put(tmp_path_factory.mktemp("lookup") / "annotator.sqlite")
    with open_database(made, forbidden_root=None) as database:
        backlog = SqlBacklog(database, SystemClock())
        backlog.add(CAPTURES[1:], Origin.LIVE)
        backlog.skip(CAPTURES[:1], SkipReason.TOO_OLD)
    return made


@pytest.fixture(scope="module")
def database(path: Path) -> Iterator[Database]:
    with open_read_only(path) as opened:
        yield opened


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda one: one.path)
def test_what_is_there_is_found_by_its_path(database: Database, capture: Capture) -> None:
    lookup = SqlLookup(database)
    assert lookup.capture(capture.path) == capture
    assert lookup.event(capture.event.directory) == capture.event
    assert capture.event in [lookup.numbered_event(number) for number in range(1, 9)]


@pytest.mark.parametrize(
    "asked",
    [
        "",
        "1",
        "1/24/05/01/12/00/00",
        "1/24/05/01/12/00/00/00008-capture.jpg",
        "1/24/05/01/12/00/00/7-capture.jpg",
        "FrontDoor/24/05/01/12/00/00/00007-capture.jpg",
        "1/24/05/01/12/00/00/../00/00007-capture.jpg",
        "/Hall/cat-3.jpg",
        "Hall//cat-3.jpg",
        "Hall/cat-3.jpg/",
        "Hall/CAT-3.jpg",
        "Hall/17/" + "9" * 300 + ".jpg",
        "Hall/%",
    ],
)
def test_what_is_not_there_is_not_found(database: Database, asked: str) -> None:
    assert SqlLookup(database).capture(asked) is None


@given(st.text(max_size=40))
def test_any_text_may_be_asked_for(database: Database, text: str) -> None:
    assert SqlLookup(database).capture(text) is None
    assert SqlLookup(database).event(f"nothing/{text}") is None


def test_who_and_what_there_is(database: Database) -> None:
    lookup = SqlLookup(database)
    assert lookup.monitors() == ("FrontDoor", "Hall", "events")
    assert lookup.labels() == ()
    assert lookup.names() == ()


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT vector FROM embedding",
        "SELECT mirrored FROM embedding",
        "SELECT face_id FROM embedding",
        "SELECT * FROM embedding",
        "SELECT e.* FROM face JOIN embedding AS e ON e.face_id = face.id",
        "WITH x AS (SELECT vector AS v FROM embedding) SELECT v FROM x",
        "ATTACH ':memory:' AS other",
        "DELETE FROM backlog",
        "CREATE TEMP TABLE t (x)",
        "SELECT load_extension('x')",
    ],
)
def test_a_page_cannot_change_anything_or_read_embeddings(
    database: Database, statement: str
) -> None:
    with (
        closing(SqlLookup(database).connect()) as connection,
        pytest.raises(sqlite3.DatabaseError, match=r"prohibited|not authorized"),
    ):
        connection.execute(statement)


def test_a_page_can_ask_and_count_and_its_values_are_bounded(database: Database) -> None:
    with closing(SqlLookup(database).connect()) as connection:
        assert connection.execute("SELECT count(*) FROM embedding").fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM captures").fetchone() == (6,)
        assert connection.execute("SELECT value FROM json_each('[1]')").fetchone() == (1,)
        with pytest.raises(sqlite3.DataError, match="too big"):
            connection.execute("SELECT zeroblob(1000000)")
