"""Writing the file anew, without the pages that nothing uses any more."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from annotator.errors import DatabaseError
from db.engine import PAGE_BYTES, open_database
from db.lock import SupervisorLock
from db.place import require_database
from db.translate import explained

_STEPS_BETWEEN_LOOKS = 1_000


@dataclass(frozen=True, slots=True)
class Vacuumed:
    """The size of the file before and after, and of its pages."""

    before_bytes: int
    after_bytes: int
    page_bytes_before: int
    page_bytes_after: int


def vacuum(
    path: Path,
    *,
    forbidden_root: Path | None = None,
    busy_timeout_s: float = 5.0,
    stopped: Callable[[], bool] = lambda: False,
) -> Vacuumed | None:
    """Rewrite the database, with pages of the size that new ones have; None if `stopped`.

    Nobody else may have it open: SQLite keeps all others waiting until it is done. Whatever happens
    within, the next who opens the file finds all of it. Raises BusyError where an annotator works
    on it, DatabaseError where somebody else does or the disk has too little room.
    """
    path = path.absolute()
    require_database(path)
    open_database(path, forbidden_root=forbidden_root).close()  # ours, and of this version
    with SupervisorLock(path).acquire("vacuum"), _alone(path, busy_timeout_s) as connection:
        before = _sizes(connection)
        _require_room(path, connection)
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        done = _rewrite(connection, stopped)
        after = _sizes(connection)
        connection.execute("PRAGMA journal_mode = WAL")
    return Vacuumed(before[0], after[0], before[1], after[1]) if done else None


def _rewrite(connection: sqlite3.Connection, stopped: Callable[[], bool]) -> bool:
    connection.set_progress_handler(stopped, _STEPS_BETWEEN_LOOKS)
    try:
        connection.execute("VACUUM")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
        return False
    finally:
        connection.set_progress_handler(None, 0)
    return True


@contextmanager
def _alone(path: Path, busy_timeout_s: float) -> Iterator[sqlite3.Connection]:
    """The only connection, without a write-ahead log: with one, pages keep their size."""
    uri = f"file:{quote(str(path))}?mode=rw"
    with closing(
        sqlite3.connect(uri, uri=True, isolation_level=None, timeout=busy_timeout_s)
    ) as connection:
        try:
            connection.execute("PRAGMA journal_mode = DELETE")
            # SQLite's copy: /tmp may be in memory. For this there is no other way while a program
            # runs (https://www.sqlite.org/pragma.html#pragma_temp_store_directory).
            folder = str(path.parent).replace("'", "''")
            connection.execute(f"PRAGMA temp_store_directory = '{folder}'")
            try:
                yield connection
            finally:
                connection.execute("PRAGMA temp_store_directory = ''")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise DatabaseError(
                    f"another program has the database {path} open",
                    f"close it, such as `annotator browse` (`fuser {path}` names it)",
                ) from error
            raise explained(error, path) from error
        except sqlite3.Error as error:
            raise explained(error, path) from error


def _sizes(connection: sqlite3.Connection) -> tuple[int, int]:
    """Bytes of the file, and of a page."""
    ((pages,),) = connection.execute("PRAGMA page_count").fetchall()
    ((page_bytes,),) = connection.execute("PRAGMA page_size").fetchall()
    return pages * page_bytes, page_bytes


def _require_room(path: Path, connection: sqlite3.Connection) -> None:
    """For the copy, and for what is kept of the file until it is written over."""
    size_bytes, page_bytes = _sizes(connection)
    ((free_pages,),) = connection.execute("PRAGMA freelist_count").fetchall()
    needed_bytes = 2 * size_bytes - free_pages * page_bytes
    free_bytes = shutil.disk_usage(path.parent).free
    if free_bytes < needed_bytes:
        raise DatabaseError(
            f"rewriting the database needs {needed_bytes / 1e6:.0f} MB beside it, "
            f"and {free_bytes / 1e6:.0f} MB are free",
            "free some space, or move the database to a larger disk for it",
        )
