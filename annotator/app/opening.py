"""The database that is there already, to ask and to name faces in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from annotator.clock import SystemClock

if TYPE_CHECKING:
    from annotator.config import Config
    from db.engine import Database
    from db.face_book import SqlFaceBook
    from db.notices import SqlNoticeBook
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


def store_identity(config: HasDatabase) -> str | None:
    """Of the store that captures were first taken from; None before. Raises DatabaseError."""
    from db.engine import open_read_only
    from db.store import SqlStore

    with open_read_only(config.database_path) as database:
        return SqlStore(database, SystemClock()).store_identity()


@contextmanager
def existing_database(config: Config) -> Iterator[Database]:
    """To write in a database that is there; a running daemon waits. Raises DatabaseError."""
    from db.engine import open_database, open_read_only

    open_read_only(config.database_path).close()  # else it would be made
    with open_database(config.database_path, forbidden_root=config.store.root) as database:
        yield database


@contextmanager
def face_book(config: Config) -> Iterator[tuple[SqlFaceBook, SqlQueries]]:
    """As `existing_database`."""
    from db.face_book import SqlFaceBook
    from db.queries import SqlQueries

    with existing_database(config) as database:
        yield SqlFaceBook(database, SystemClock()), SqlQueries(database)


@contextmanager
def notice_book(config: HasDatabase) -> Iterator[SqlNoticeBook]:
    """What was told, to look at. Raises DatabaseError."""
    from db.engine import open_read_only
    from db.notices import SqlNoticeBook

    with open_read_only(config.database_path) as database:
        yield SqlNoticeBook(database)
