"""What `annotator browse` asks of the database beside the questions: what is where, by name."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from typing import Any, cast

from sqlalchemy import Connection, Select, bindparam, select, text

from annotator.domain import Capture, Event
from db.engine import Database
from db.keys import CAPTURE_COLUMNS, event_from
from db.plain import MAX_HEAP_BYTES
from db.schema import embedding, event, label, monitor
from db.values import printable

MAX_CELL_BYTES = 256 * 1024
"""Of one value in an answer; a page may have a thousand rows."""

_ALLOWED = {
    sqlite3.SQLITE_SELECT,
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_FUNCTION,
    sqlite3.SQLITE_RECURSIVE,
    sqlite3.SQLITE_PRAGMA,
}
_LARGEST_FRAME = 2**63 - 1


class SqlLookup:
    """Fits `annotator.browse.needs.Lookup`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def connect(self) -> sqlite3.Connection:
        """A connection of the caller's own that only reads, for any one thread at a time.

        It gives away no embedding: those are what a person's face can be recognised by.
        """
        pooled = self._database.engine.raw_connection()
        connection = cast(sqlite3.Connection, pooled.driver_connection)
        pooled.detach()
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute(f"PRAGMA hard_heap_limit = {MAX_HEAP_BYTES}")
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_CELL_BYTES)
        connection.set_authorizer(_authorize)
        return connection

    def capture(self, path: str) -> Capture | None:
        directory, _, file_name = path.rpartition("/")
        # A frame is 0, or a number in its file's name (see `annotator.nvr.layout`).
        frames = {int(digits) for digits in re.findall(r"[0-9]+", file_name)} | {0}
        with self._database.reading() as connection:
            for event_id, its_event in _events_at(connection, directory):
                known = {"event_id": event_id, "path": printable(path)}
                for frame in sorted(frames, reverse=True):  # 0 is rare
                    if frame <= _LARGEST_FRAME and connection.scalar(
                        _CAPTURE, {**known, "frame": frame}
                    ):
                        return Capture(its_event, file_name, frame)
        return None

    def event(self, directory: str) -> Event | None:
        with self._database.reading() as connection:
            return next((found for _, found in _events_at(connection, directory)), None)

    def numbered_event(self, event_id: int) -> Event | None:
        with self._database.reading() as connection:
            row = connection.execute(_NUMBERED, {"id": event_id}).one_or_none()
        return None if row is None else event_from(row)

    def monitors(self) -> tuple[str, ...]:
        with self._database.reading() as connection:
            names = connection.scalars(select(monitor.c.name).distinct().order_by(monitor.c.name))
            return tuple(names)

    def labels(self) -> tuple[str, ...]:
        with self._database.reading() as connection:
            return tuple(connection.scalars(select(label.c.name).order_by(label.c.name)))

    def names(self) -> tuple[str, ...]:
        with self._database.reading() as connection:
            return tuple(connection.scalars(_NAMES))


def _events_at(connection: Connection, directory: str) -> Iterator[tuple[int, Event]]:
    """The events with this directory: one, unless captures lie in the root itself too."""
    top, _, path = directory.partition("/")
    for at in ({"top": top, "called": path}, {"top": "", "called": directory}):
        row = connection.execute(_EVENT, at).one_or_none()
        if row is not None:
            yield row.id, event_from(row)


def _authorize(action: int, what: str | None, column: str | None, *_: str | None) -> int:
    if action == sqlite3.SQLITE_READ and what == embedding.name and column:
        return sqlite3.SQLITE_DENY  # counting its rows names no column
    if action in _ALLOWED and column != "load_extension":
        return sqlite3.SQLITE_OK
    # What declaring a table-valued function, such as json_each, asks for; it writes nothing.
    if action == sqlite3.SQLITE_UPDATE and what == "sqlite_master":
        return sqlite3.SQLITE_OK
    return sqlite3.SQLITE_DENY


_NUMBERED: Select[Any] = (
    select(event.c.id, *CAPTURE_COLUMNS).join(monitor).where(event.c.id == bindparam("id"))
)
_EVENT: Select[Any] = (
    select(event.c.id, *CAPTURE_COLUMNS)
    .join(monitor)
    .where(monitor.c.directory == bindparam("top"), event.c.path == bindparam("called"))
)
_CAPTURE = text(
    "SELECT 1 FROM captures WHERE event_id = :event_id AND frame = :frame AND path = :path"
)
# One look into the index per name, however many faces each has.
_NAMES = text(
    """
    WITH RECURSIVE known (name) AS (
        SELECT min(name) FROM face
        UNION ALL
        SELECT (SELECT min(name) FROM face WHERE name > known.name) FROM known
        WHERE known.name IS NOT NULL
    )
    SELECT name FROM known WHERE name IS NOT NULL
    """
)
