"""A consistent copy of the database while others write in it."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from annotator.errors import DatabaseError
from db.place import mounts_now, require_database, store_above
from db.translate import database_errors, explained

PAGES_AT_ONCE = 100
"""Between two looks at whether to stop."""
_STEPS_BETWEEN_LOOKS = 1_000
_DATED = re.compile(r"annotator-\d{8}T\d{6}Z\.sqlite", re.ASCII)
_HALF = re.compile(rf"\.{_DATED.pattern}\.part(-journal)?", re.ASCII)
_LONGEST_S = 86400.0
"""No copy takes a day."""
_BESIDE = ("", "-wal", "-shm", "-journal", ".lock", ".health")
"""How the names of what belongs to a database end."""


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
    part = target.with_name(f".{target.name}.part")
    try:
        _refuse(source, target, forbidden_root, overwrite=overwrite)
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


def drop_old_backups(newest: Path, keep: int) -> tuple[Path, ...]:
    """Of the backups with dated names beside `newest` remove all but the last `keep`; which those
    were. `newest`, which was just made, always stays.

    One that claims to be of later was made while a clock was wrong, and counts as the oldest. What
    a backup has left that was killed goes too. Raises DatabaseError.
    """
    names = {one.name for one in newest.parent.iterdir()}
    found = sorted(filter(_DATED.fullmatch, names), key=lambda name: (name <= newest.name, name))
    old = tuple(newest.with_name(name) for name in found[:-keep])
    for one in (*old, *_abandoned(newest, names)):
        try:
            one.unlink()
        except OSError as error:
            raise DatabaseError(
                f"the old backup {one} cannot be removed: {error.strerror}",
                "the new one is good; remove the old ones by hand",
            ) from error
    return old


def _abandoned(newest: Path, names: Iterable[str]) -> Iterator[Path]:
    """Halves of copies that nobody works on any more."""
    over_s = newest.stat().st_mtime - _LONGEST_S
    for name in filter(_HALF.fullmatch, names):
        half = newest.with_name(name)
        with suppress(FileNotFoundError):  # it may just be whole
            if half.stat().st_mtime < over_s:
                yield half


def _refuse(source: Path, target: Path, root: Path | None, *, overwrite: bool) -> None:
    if below := store_above(target, root, mounts_now()):
        raise DatabaseError(
            f"the backup {target} would lie in the event store {below}, which is only read",
            "name another place, on another disk than the database's",
        )
    require_database(source)
    if target.is_dir() or not target.name:
        raise DatabaseError(
            f"{target} is a folder", "name a file, or give --keep for dated names in a folder"
        )
    if os.path.realpath(target) in {f"{os.path.realpath(source)}{end}" for end in _BESIDE}:
        raise DatabaseError(f"{target} is the database's own", "name another file")
    if target.exists() and not target.is_file():
        raise DatabaseError(f"{target} is no file", "name one")
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
        # Whoever may not read the database may not read its copy.
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, source.stat().st_mode & 0o777))
        with _connected(part, "rw") as writing:
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
