"""Plain SQL by a person: read-only, one statement, bounded in time and memory."""

from __future__ import annotations

import difflib
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from annotator.errors import QueryError
from db.engine import open_read_only
from db.translate import database_errors

Value = str | int | float | bytes | None

MAX_VALUE_BYTES = 16 * 2**20
MAX_HEAP_BYTES = 512 * 2**20
"""Of SQLite in this process, so that no question takes a small board's memory."""
STEPS_BETWEEN_LOOKS = 10_000
"""Of SQLite's machine, between two looks at the clock: a millisecond or so."""

_ALLOWED = {
    sqlite3.SQLITE_SELECT,
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_FUNCTION,
    sqlite3.SQLITE_RECURSIVE,
}
_ALLOWED_PRAGMAS = {
    *("table_info", "table_xinfo", "table_list", "index_list", "index_info", "index_xinfo"),
    *("database_list", "foreign_key_list", "compile_options", "function_list", "user_version"),
    *("page_size", "page_count", "freelist_count"),
}
_MISSING = re.compile(r"no such (?:table|column): (?:\w+\.)?(\S+)")


@dataclass(frozen=True, slots=True)
class Answer:
    """The names of the columns, and the rows as they are read."""

    columns: tuple[str, ...]
    rows: Iterator[tuple[Value, ...]]


@contextmanager
def answered(path: Path, statement: str, timeout_s: float) -> Iterator[Answer]:
    """Run one statement that only reads.

    Raises DatabaseError, or QueryError where the statement is wrong, would change something, or
    takes longer than `timeout_s`, reading its rows included.
    """
    open_read_only(path).close()  # whether there is a database of ours, and of this version
    uri = f"file:{quote(str(path.absolute()))}?mode=ro"
    with (
        database_errors(path),
        closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection,
        _explained(connection, timeout_s),
    ):
        _confine(connection, timeout_s)
        cursor = connection.execute(statement)
        if cursor.description is None:
            raise QueryError("there is nothing to answer", "ask with a SELECT")
        yield Answer(tuple(str(column[0]) for column in cursor.description), cursor)


def _confine(connection: sqlite3.Connection, timeout_s: float) -> None:
    connection.execute("PRAGMA query_only = ON")
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute(f"PRAGMA hard_heap_limit = {MAX_HEAP_BYTES}")
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_VALUE_BYTES)
    connection.set_authorizer(_authorize)
    deadline_s = time.monotonic() + timeout_s
    connection.set_progress_handler(lambda: time.monotonic() > deadline_s, STEPS_BETWEEN_LOOKS)


def _authorize(action: int, what: str | None, *_: str | None) -> int:
    """Extensions cannot be loaded, unless Python was told so."""
    if action in _ALLOWED:
        return sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_PRAGMA and what in _ALLOWED_PRAGMAS:
        return sqlite3.SQLITE_OK
    # What declaring a table-valued function, such as json_each, asks for; it writes nothing.
    if action == sqlite3.SQLITE_UPDATE and what == "sqlite_master":
        return sqlite3.SQLITE_OK
    return sqlite3.SQLITE_DENY


@contextmanager
def _explained(connection: sqlite3.Connection, timeout_s: float) -> Iterator[None]:
    """What is wrong with the statement, and not with the database."""
    try:
        yield
    except (sqlite3.Warning, sqlite3.ProgrammingError) as error:
        if "binding" in str(error):
            raise QueryError(
                "the statement has a parameter, and nothing to put there",
                "write the value itself",
            ) from error
        raise QueryError(f"not one statement: {error}", "ask one question at a time") from error
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        if code == sqlite3.SQLITE_INTERRUPT:
            raise QueryError(
                f"no answer within {timeout_s:g} s",
                "ask for less, such as one month or with LIMIT, or give it time with --timeout",
            ) from error
        # Some statements that are not allowed come without the code for it.
        refused = code in (sqlite3.SQLITE_AUTH, sqlite3.SQLITE_READONLY)
        if refused or "not authorized" in str(error):
            raise QueryError(
                f"only questions are answered: {error}",
                "to change something use the other commands, such as `annotator tag`",
            ) from error
        if code in (sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_TOOBIG):
            raise QueryError("the answer takes too much memory", "ask for less") from error
        if code in (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_RANGE):
            raise QueryError(
                f"{error}{_nearest(connection, str(error))}",
                "docs/database.md lists views and columns, as does "
                "`annotator sql \"SELECT name FROM pragma_table_list WHERE type = 'view'\"`",
            ) from error
        raise


def _nearest(connection: sqlite3.Connection, message: str) -> str:
    missing = _MISSING.match(message)
    if missing is None:
        return ""
    known = connection.execute(
        "SELECT name FROM pragma_table_list WHERE schema = 'main' UNION "
        "SELECT c.name FROM pragma_table_list AS t, pragma_table_xinfo(t.name) AS c "
        "WHERE t.type = 'view'"
    )
    names = [name for (name,) in known if name != missing[1]]
    near = difflib.get_close_matches(missing[1], names, n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else ""
