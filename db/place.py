"""May a database lie here?

SQLite's WAL needs memory shared between processes and locks that hold; a network file system gives
neither (https://www.sqlite.org/wal.html), and FUSE only where the file system behind it is local.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from annotator.errors import DatabaseError
from annotator.mountinfo import Mount, is_network, mount_of, parse_mountinfo, read_mountinfo

_NEXT_STEP = "set `path` in the [database] section to a place on a local disk"


def mounts_now() -> tuple[Mount, ...]:
    """As this process sees them; never blocks."""
    return tuple(parse_mountinfo(read_mountinfo()))


def require_database(path: Path) -> None:
    """Raise DatabaseError where there is no file, or none that this user may see."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise DatabaseError(
            f"there is no database at {path}",
            "run `annotator watch` or `annotator backfill` first, or name another with --database",
        ) from None
    except OSError as error:
        raise DatabaseError(
            f"the database {path} cannot be opened: {error.strerror}",
            "run as a user that may, such as the service's: `sudo -u annotator annotator ...`",
        ) from error


def refuse_bad_place(path: Path, forbidden_root: Path | None, mounts: Sequence[Mount]) -> None:
    """Raise DatabaseError for a path below `forbidden_root` or on a network file system.

    A name is judged as written before links are followed: a dead mount blocks whoever looks at it.
    """
    _refuse_network(path, mounts)
    _refuse_network(Path(os.path.realpath(path)), mounts)
    if below := store_above(path, forbidden_root, mounts):
        raise DatabaseError(
            f"the database {path} would lie in the event store {below}, "
            "which is only read and may be a network mount",
            _NEXT_STEP,
        )


def store_above(path: Path, root: Path | None, mounts: Sequence[Mount]) -> Path | None:
    """The store's root where a path lies below it; what may be on a dead mount is not looked at
    unless the path itself is."""
    if root is None:
        return None
    roots = [root.absolute()]
    if not _network_kind(roots[0], mounts):
        roots.append(Path(os.path.realpath(root)))
    places = (path, Path(os.path.realpath(path)))
    return next((one for one in roots if any(one in place.parents for place in places)), None)


def _refuse_network(path: Path, mounts: Sequence[Mount]) -> None:
    if kind := _network_kind(path, mounts):
        raise DatabaseError(
            f"the database {path} would lie on a network file system ({kind}), "
            "where SQLite's locks do not hold",
            _NEXT_STEP,
        )


def _network_kind(path: Path, mounts: Sequence[Mount]) -> str | None:
    """The type of the network file system that an absolute path lies on, by its letters."""
    mount = mount_of(str(path), mounts)
    return mount.kind if mount is not None and is_network(mount.kind) else None
