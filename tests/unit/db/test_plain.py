"""SQL by hand: what is answered, what is refused, and that it ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from annotator.errors import AnnotatorError, DatabaseError, QueryError
from db.engine import Database
from db.plain import Value, answered


def ask(database: Database, statement: str, timeout_s: float = 10) -> list[tuple[Value, ...]]:
    with answered(database.path, statement, timeout_s) as answer:
        return list(answer.rows)


def test_a_question_is_answered_with_the_names_of_its_columns(database: Database) -> None:
    with answered(database.path, "SELECT 1 AS one, x'00ff' AS bytes, NULL", 10) as answer:
        assert answer.columns[:2] == ("one", "bytes")
        assert list(answer.rows) == [(1, b"\x00\xff", None)]


def test_views_functions_and_the_schema_may_be_asked(database: Database) -> None:
    assert ask(database, "SELECT count(*) FROM sightings") == [(0,)]
    assert ("sightings",) in ask(database, "SELECT name FROM pragma_table_list")
    assert ask(
        database,
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 3) "
        "SELECT sum(i) FROM n",
    ) == [(6,)]


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM monitor",
        "INSERT INTO label (name) VALUES ('cat')",
        "CREATE TABLE mine (x)",
        "CREATE TEMP TABLE mine (x)",
        "ATTACH '/tmp/other.sqlite' AS other",
        "PRAGMA writable_schema = ON",
        "PRAGMA query_only = OFF",
        "UPDATE sqlite_master SET sql = ''",
        "VACUUM INTO '/tmp/copy.sqlite'",
        "BEGIN IMMEDIATE",
        "SELECT load_extension('x')",
        "SELECT 1; DELETE FROM monitor",
        "",
        "-- nothing",
    ],
)
def test_nothing_else_is_done(database: Database, statement: str) -> None:
    with pytest.raises(QueryError) as caught:
        ask(database, statement)
    assert caught.value.next_step


@pytest.mark.parametrize(
    ("statement", "hint"),
    [
        ("SELECT * FROM sighting", "did you mean sightings?"),
        ("SELECT lable FROM sightings", "did you mean label?"),
        ("SELEC 1", "syntax error"),
        ("SELECT ?", "has a parameter"),
        ("SELECT label FROM face", "did you mean labels?"),
    ],
)
def test_a_mistake_is_explained(database: Database, statement: str, hint: str) -> None:
    with pytest.raises(QueryError, match=hint.replace("?", r"\?")):
        ask(database, statement)


ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT "


@pytest.mark.parametrize("statement", [f"{ENDLESS} max(i) FROM n", f"{ENDLESS} i FROM n"])
def test_a_question_without_end_ends(database: Database, statement: str) -> None:
    with pytest.raises(QueryError, match=r"no answer within 0\.2 s"):
        ask(database, statement, timeout_s=0.2)


@pytest.mark.parametrize(
    "statement", ["SELECT zeroblob(1000000000)", "SELECT hex(randomblob(16000000))"]
)
def test_a_question_does_not_take_all_memory(database: Database, statement: str) -> None:
    with pytest.raises(QueryError, match="too much memory"):
        ask(database, statement)


def test_a_file_that_is_no_database_is_told_as_everywhere(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError) as caught, answered(tmp_path / "none", "SELECT 1", 1):
        pass
    assert isinstance(caught.value, AnnotatorError)
    assert not (tmp_path / "none").exists()
