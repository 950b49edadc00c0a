"""A consistent copy of the database while others write in it."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from annotator.errors import DatabaseError
from db.place import mountinfo_of_this_process, store_above
from db.translate import database_errors, explained

PAGES_AT_ONCE = 100
"""Between two looks at whether to stop."""
_STEPS_BETWEEN_LOOKS = 1_000
_DATED = re.compile(r"annotator-\d{8}T\d{6}Z\.sqlite", re.ASCII)


def back_up(
    source: Path,
    target: Path,
    *,
    overwrite: bool = False,
    forbidden_root: Path | None = None,
    tell: Callable[[int, int], None] = lambda done, total: None,
    stopped: Callable[[], bool] = lambda: False,
) -> bool:
    """Copy the database `source`, of whatever version, to the file `target`; False if `stopped`.

    Written beside its place, checked and then renamed, so what has the name is whole. One snapshot
    is read: writers neither wait nor make the copy begin anew. It tells of bytes, done and of all.
    Raises DatabaseError.
    """
    source, target = source.absolute(), target.absolute()
    _refuse(source, target, forbidden_root, overwrite=overwrite)
    part = target.with_name(f".{target.name}.part")
    try:
        _remove(part)
        whole = _copy(source, part, tell, stopped) and _check(part, stopped)
        if whole:
            _put_in_place(part, target, overwrite=overwrite)
        return whole
    except OSError as error:
        raise DatabaseError(
            f"the backup {target} cannot be written: {error.strerror}",
            "name another place, or run as a user that may write there",
        ) from error
    finally:
        with suppress(OSError):
            _remove(part)


def dated_name(now: datetime) -> str:
    """What a backup of this moment is called in a folder of backups."""
    return f"annotator-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}.sqlite"


def drop_old_backups(folder: Path, keep: int) -> tuple[Path, ...]:
    """Remove all but the newest `keep` backups with dated names; which those were.

    Raises DatabaseError."""
    found = sorted(one for one in folder.iterdir() if _DATED.fullmatch(one.name))
    old = tuple(found[: max(0, len(found) - keep)])
    for one in old:
        try:
            one.unlink()
        except OSError as error:
            raise DatabaseError(
                f"the old backup {one} cannot be removed: {error.strerror}",
                "the new one is good; remove the old ones by hand",
            ) from error
    return old


def _refuse(source: Path, target: Path, root: Path | None, *, overwrite: bool) -> None:
    if below := store_above(target, root, mountinfo_of_this_process()):
        raise DatabaseError(
            f"the backup {target} would lie in the event store {below}, which is only read",
            "name another place, on another disk than the database's",
        )
    if not source.exists():
        raise DatabaseError(f"there is no database at {source}", "name another with --database")
    if target.is_dir() or not target.name:
        raise DatabaseError(
            f"{target} is a folder", "name a file, or give --keep for dated names in a folder"
        )
    if os.path.realpath(source) == os.path.realpath(target):
        raise DatabaseError(f"{target} is the database itself", "name another file")
    if target.exists() and not overwrite:
        raise DatabaseError(f"there is {target} already", "name another file, or give --force")


def _copy(
    source: Path, part: Path, tell: Callable[[int, int], None], stopped: Callable[[], bool]
) -> bool:
    def told(_status: int, remaining: int, pages: int) -> None:
        tell((pages - remaining) * page_bytes, pages * page_bytes)
        if stopped():
            raise _Stopped

    part.parent.mkdir(parents=True, exist_ok=True)
    with _connected(source, "ro") as reading, database_errors(source):
        # A transaction pins the snapshot: else every write of another process would make the copy
        # begin anew (https://www.sqlite.org/c3ref/backup_finish.html).
        reading.execute("BEGIN")
        _require_ours(reading, source)
        ((page_bytes,),) = reading.execute("PRAGMA page_size").fetchall()
        ((pages,),) = reading.execute("PRAGMA page_count").fetchall()
        _require_room(part.parent, pages * page_bytes)
        with _connected(part, "rwc") as writing:
            # Nobody else may look at it, and after a crash nobody needs it.
            writing.execute("PRAGMA locking_mode = EXCLUSIVE")
            writing.execute("PRAGMA synchronous = OFF")
            try:
                reading.backup(writing, pages=PAGES_AT_ONCE, progress=told)
                # One file by itself, that can be read where nothing can be written.
                writing.execute("PRAGMA journal_mode = DELETE")
            except _Stopped:
                return False
            except sqlite3.Error as error:
                raise _unwritten(error, source, part) from error
    return True


def _check(part: Path, stopped: Callable[[], bool]) -> bool:
    with _connected(part, "ro") as copy:
        copy.set_progress_handler(stopped, _STEPS_BETWEEN_LOOKS)
        try:
            ((verdict,),) = copy.execute("PRAGMA integrity_check(1)").fetchall()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
                return False
            raise explained(error, part) from error
        except sqlite3.DatabaseError as error:
            raise explained(error, part) from error
    if verdict != "ok":
        raise DatabaseError(
            f"the copy is damaged, and so may be the database: {verdict}",
            "keep the backups there are; `sqlite3 DATABASE 'PRAGMA integrity_check'` tells more",
        )
    return True


def _put_in_place(part: Path, target: Path, *, overwrite: bool) -> None:
    descriptor = os.open(part, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if overwrite:
        part.replace(target)
    else:
        # Unlike a rename this never replaces what somebody put there meanwhile.
        try:
            target.hardlink_to(part)
        except FileExistsError:
            raise DatabaseError(
                f"there is {target} already", "name another file, or give --force"
            ) from None
        except OSError:
            part.replace(target)  # a file system without links
    _sync_folder(target.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):  # a network file system may not know how
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _require_ours(reading: sqlite3.Connection, source: Path) -> None:
    """Of any version: before an upgrade a copy is wanted most."""
    is_ours = "SELECT 1 FROM sqlite_schema WHERE name = 'alembic_version'"
    if reading.execute(is_ours).fetchone() is None:
        raise DatabaseError(f"{source} is no database of annotator", "name another with --database")


def _require_room(folder: Path, needed_bytes: int) -> None:
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < needed_bytes:
        raise DatabaseError(
            f"the backup needs {needed_bytes / 1e6:.0f} MB in {folder}, "
            f"where {free_bytes / 1e6:.0f} MB are free",
            "free some space, or name another place",
        )


def _unwritten(error: sqlite3.Error, source: Path, part: Path) -> DatabaseError:
    if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL:
        return DatabaseError(
            f"no room left in {part.parent} for the backup",
            "free some space, or name another place",
        )
    explanation = explained(error, source)
    return DatabaseError(f"the backup failed: {explanation}", explanation.next_step)


def _connected(path: Path, mode: str) -> closing[sqlite3.Connection]:
    uri = f"file:{quote(str(path))}?mode={mode}"
    with database_errors(path):
        return closing(sqlite3.connect(uri, uri=True, isolation_level=None))


def _remove(part: Path) -> None:
    for end in ("", "-journal", "-wal", "-shm"):
        part.with_name(part.name + end).unlink(missing_ok=True)


class _Stopped(Exception):
    pass
