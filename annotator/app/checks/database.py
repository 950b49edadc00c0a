"""The database's place and state."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from annotator.app.checks import Check, Patient, ok, problem, warning
from annotator.errors import DatabaseError

LITTLE_BYTES = 2**30
"""The write-ahead log and an upgrade want room as well."""
TOO_LITTLE_BYTES = 100 * 2**20


def database(patient: Patient) -> Iterator[Check]:
    from db.condition import condition_of
    from db.place import mounts_now, refuse_bad_place

    name, path = "database", patient.config.database_path.absolute()
    refuse_bad_place(path, patient.config.store.root, mounts_now())
    folder = _existing(path.parent)
    if folder == path.parent and not os.access(folder, os.R_OK | os.X_OK):
        raise DatabaseError(f"this user may not look into {folder}", _as_owner(folder))
    is_writable = os.access(folder, os.W_OK | os.X_OK)
    if not path.exists():
        if not is_writable:
            raise DatabaseError(f"{path} cannot be made: {folder} is closed", _as_owner(folder))
        yield ok(name, f"{path} will be made at the first start")
        return
    found = condition_of(path)
    described = f"{path}, schema {found.schema}, {found.size_bytes / 1e6:.1f} MB"
    if found.journal_mode != "wal":
        raise DatabaseError(
            f"{described}: its journal is {found.journal_mode}, not a write-ahead log",
            "start `annotator watch`, which turns it on",
        )
    if is_writable and os.access(path, os.W_OK):
        yield ok(name, described)
    else:
        yield warning(name, f"{described}; this user may only read it", _as_owner(folder))


def disk(patient: Patient) -> Iterator[Check]:
    folder = _existing(patient.config.database_path.absolute().parent)
    free = shutil.disk_usage(folder).free
    found = f"{free / 1e9:.1f} GB free for the database"
    if free < TOO_LITTLE_BYTES:
        yield problem("disk", DatabaseError(found, "make room, or set another [database] path"))
    elif free < LITTLE_BYTES:
        yield warning("disk", found, "make room, or set another [database] path")
    else:
        yield ok("disk", found)


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above that is there."""
    return next(place for place in (folder, *folder.parents) if os.path.lexists(place))


def _as_owner(folder: Path) -> str:
    try:
        return f"run as its owner: `sudo -u {folder.owner()} annotator doctor`"
    except (KeyError, OSError):
        return "run as the user that the daemon runs as"
