"""The migrations make what schema.py says, once, and all or nothing."""

from __future__ import annotations

import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData, Table, inspect

import db.migrations
from annotator.errors import DatabaseError
from db.engine import Database, open_database
from db.schema import SCHEMA_VERSION, metadata


def described(table: Table) -> dict[str, object]:
    """What a table promises, in a form that can be compared."""
    unique = {
        tuple(column.name for column in constraint.columns)
        for constraint in table.constraints
        if constraint.__visit_name__ == "unique_constraint"
    }
    return {
        "columns": {
            # SQLite calls an INTEGER PRIMARY KEY nullable; it never is.
            column.name: (str(column.type), column.nullable and not column.primary_key)
            for column in table.columns
        },
        "primary key": [c.name for c in table.primary_key.columns],
        "unique": unique,
    }


def test_the_tables_are_those_of_the_schema(database: Database) -> None:
    made = MetaData()
    made.reflect(database.engine)
    assert set(made.tables) - {"alembic_version"} == set(metadata.tables)
    for name, table in metadata.tables.items():
        assert described(made.tables[name]) == described(table), name


def test_the_references_are_those_of_the_schema(migrated: Path) -> None:
    with closing(sqlite3.connect(f"file:{migrated}?mode=ro&immutable=1", uri=True)) as connection:
        for name, table in metadata.tables.items():
            made = {
                (column, f"{target}.{target_column}", on_delete)
                for _, _, target, column, target_column, _, on_delete, _ in connection.execute(
                    f"PRAGMA foreign_key_list({name})"
                )
            }
            assert made == {
                (key.parent.name, key.target_fullname, key.ondelete or "NO ACTION")
                for key in table.foreign_keys
            }, name


def test_the_indices_are_those_of_the_schema(database: Database) -> None:
    found = inspect(database.engine)
    for name, table in metadata.tables.items():
        made = {index["name"]: index["column_names"] for index in found.get_indexes(name)}
        planned = {
            index.name: [re.split(r"[. ]", str(part))[1] for part in index.expressions]
            for index in table.indexes
        }
        assert made == planned, name


def test_every_table_is_strict(migrated: Path) -> None:
    with closing(sqlite3.connect(f"file:{migrated}?mode=ro&immutable=1", uri=True)) as connection:
        tables = connection.execute("PRAGMA table_list").fetchall()
    loose = {name for _, name, kind, _, _, strict in tables if kind == "table" and not strict}
    system = {"sqlite_schema", "sqlite_temp_schema", "sqlite_sequence"}
    assert loose <= {"alembic_version", *system}


def test_the_newest_migration_is_the_version_of_the_schema() -> None:
    (directory,) = db.migrations.__path__
    assert ScriptDirectory(directory).get_heads() == [SCHEMA_VERSION]


def test_opening_an_up_to_date_database_writes_nothing(migrated: Path, tmp_path: Path) -> None:
    path = tmp_path / "annotator.sqlite"
    shutil.copyfile(migrated, path)
    before = path.read_bytes()
    open_database(path, forbidden_root=None).close()
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_an_empty_file_is_upgraded(tmp_path: Path) -> None:
    """The oldest database there is: a crash before the first migration leaves it."""
    path = tmp_path / "annotator.sqlite"
    path.touch()
    with open_database(path, forbidden_root=None) as database, database.reading() as connection:
        version = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one()
    assert version == SCHEMA_VERSION


def test_a_migration_that_fails_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "annotator.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num TEXT PRIMARY KEY)")
        connection.execute("CREATE TABLE tally (in_the_way INTEGER)")
    with pytest.raises(DatabaseError, match="tally already exists"):
        open_database(path, forbidden_root=None)
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
    assert {name for (name,) in rows} == {"alembic_version", "tally"}
