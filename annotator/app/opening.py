"""The database that is there already, to ask and to name faces in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from annotator.clock import SystemClock

if TYPE_CHECKING:
    from annotator.config import Config
    from db.face_book import SqlFaceBook
    from db.queries import SqlQueries


class HasDatabase(Protocol):
    """A Config, or an `annotator.places.Places`, which is there sooner."""

    @property
    def database_path(self) -> Path: ...


@contextmanager
def questions(config: HasDatabase) -> Iterator[SqlQueries]:
    """Read-only; a running daemon does not mind. Raises DatabaseError."""
    from db.engine import open_read_only
    from db.queries import SqlQueries

    with open_read_only(config.database_path) as database:
        yield SqlQueries(database)


@contextmanager
def face_book(config: Config) -> Iterator[tuple[SqlFaceBook, SqlQueries]]:
    """To write in a database that is there; a running daemon waits. Raises DatabaseError."""
    from db.engine import open_database, open_read_only
    from db.face_book import SqlFaceBook
    from db.queries import SqlQueries

    open_read_only(config.database_path).close()  # else it would be made
    with open_database(config.database_path, forbidden_root=config.store.root) as database:
        yield SqlFaceBook(database, SystemClock()), SqlQueries(database)
