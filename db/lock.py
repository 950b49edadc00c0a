"""One supervisor per database: a lock file beside it that says who runs.

The lock is the kernel's (flock), so a crash or a power cut leaves a file but no lock. Whoever holds
it must start its children with exec (multiprocessing's "spawn" or "forkserver"): a forked child
shares the lock and would keep it after its parent's death.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from annotator.errors import BusyError, DatabaseError

_TRIES = 5
_PAUSE_S = 0.05


@dataclass(frozen=True, slots=True)
class LockHolder:
    """Who runs; None for what its file does not tell (it may just be written)."""

    role: str
    pid: int | None
    started_at: datetime | None


class SupervisorLock:
    """The right to lease captures and record results of one database; also a context manager."""

    def __init__(self, database_path: Path) -> None:
        self._path = _lock_path(database_path)
        self._descriptor: int | None = None

    def acquire(self, role: str) -> SupervisorLock:
        """Take it, or raise BusyError that names who has it. `role` is a word such as "watch"."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise DatabaseError(
                f"cannot make the lock file {self._path}: {error.strerror}",
                "run as the user that owns the database's directory",
            ) from error
        if not _locked(descriptor):
            other = _described(descriptor)
            os.close(descriptor)
            who = f"`annotator {other.role}`" + (f" (process {other.pid})" if other.pid else "")
            raise BusyError(
                f"{who} already works on this database",
                "let it finish or stop it; `annotator status` shows what it does",
            )
        me = {"pid": os.getpid(), "role": role, "started_at": datetime.now(UTC).isoformat()}
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(me).encode() + b"\n", 0)
        self._descriptor = descriptor
        return self

    def release(self) -> None:
        """Give it up. The file stays: removing it could take away another's lock."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> SupervisorLock:
        return self

    def __exit__(self, *exception: object) -> None:
        self.release()


def holder(database_path: Path) -> LockHolder | None:
    """Who runs a supervisor on this database; None where nobody does."""
    try:
        descriptor = os.open(_lock_path(database_path), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DatabaseError(
            f"cannot read the lock file {_lock_path(database_path)}: {error.strerror}",
            "run as a user that may read the database's directory",
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _described(descriptor)
    else:
        return None
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    # More than one try, because `holder` has a shared lock for a moment.
    for last in (False,) * (_TRIES - 1) + (True,):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not last:
                time.sleep(_PAUSE_S)
        else:
            return True
    return False


def _described(descriptor: int) -> LockHolder:
    try:
        told = json.loads(os.pread(descriptor, 1000, 0))
        return LockHolder(
            role=str(told["role"]),
            pid=int(told["pid"]),
            started_at=datetime.fromisoformat(told["started_at"]),
        )
    except (ValueError, KeyError, TypeError):
        return LockHolder(role="(starting)", pid=None, started_at=None)


def _lock_path(database_path: Path) -> Path:
    return Path(f"{os.path.realpath(database_path)}.lock")
