"""May a database lie here?

SQLite's WAL needs memory shared between processes and locks that hold; a network file system gives
neither (https://www.sqlite.org/wal.html), and FUSE only where the file system behind it is local.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from annotator.errors import DatabaseError

# fmt: off
NETWORK_TYPES = frozenset({
    "9p", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "glusterfs", "gpfs", "lustre", "ncpfs",
    "nfs", "nfs4", "prl_fs", "pvfs2", "smb2", "smb3", "smbfs", "vboxsf", "vmhgfs",
})
# fmt: on
LOCAL_FUSE_TYPES = frozenset({"fuseblk", "fuse.fuse-overlayfs"})

_NEXT_STEP = "set `path` in the [database] section to a place on a local disk"


def filesystem_type(path: str, mountinfo: str) -> str | None:
    """The type of the file system that holds an absolute path; None where the text does not tell.

    Lexical: the path is not looked at, so a dead mount cannot block. The format is in proc(5):
    `id parent major:minor root mount-point options [tags...] - type source super-options`.
    """
    best: tuple[int, str] | None = None
    for line in mountinfo.splitlines():
        before, separator, after = line.partition(" - ")
        fields, types = before.split(" "), after.split(" ")
        if not separator or len(fields) < 6 or not types[0]:
            continue
        point = _unescaped(fields[4]).rstrip("/")
        # The deepest mount point wins, and the later of two on the same one.
        if (path + "/").startswith(point + "/") and (best is None or len(point) >= best[0]):
            best = (len(point), types[0])
    return best[1] if best else None


def is_network(filesystem: str) -> bool:
    """Whether files of this type are served by another machine, or by a program we cannot know."""
    if filesystem in LOCAL_FUSE_TYPES:
        return False
    return filesystem in NETWORK_TYPES or filesystem == "fuse" or filesystem.startswith("fuse.")


def mountinfo_of_this_process() -> str:
    """What is mounted, as this process sees it; reading it never blocks. "" where nothing tells."""
    place = Path("/proc/self/mountinfo")
    return place.read_text(errors="surrogateescape") if place.exists() else ""


def refuse_bad_place(path: Path, forbidden_root: Path | None, mountinfo: str) -> None:
    """Raise DatabaseError for a path below `forbidden_root` or on a network file system.

    A name is judged as written before links are followed: a dead mount blocks whoever looks at it.
    """
    _refuse_network(path, mountinfo)
    real = Path(os.path.realpath(path))
    _refuse_network(real, mountinfo)
    if below := store_above(path, forbidden_root, mountinfo):
        raise DatabaseError(
            f"the database {path} would lie in the event store {below}, "
            "which is only read and may be a network mount",
            _NEXT_STEP,
        )


def store_above(path: Path, root: Path | None, mountinfo: str) -> Path | None:
    """The store's root where a path lies below it; what may be on a dead mount is not looked at
    unless the path itself is."""
    if root is None:
        return None
    roots = [root.absolute()]
    if not is_network(filesystem_type(str(roots[0]), mountinfo) or ""):
        roots.append(Path(os.path.realpath(root)))
    places = (path, Path(os.path.realpath(path)))
    return next((one for one in roots if any(one in place.parents for place in places)), None)


def _refuse_network(path: Path, mountinfo: str) -> None:
    filesystem = filesystem_type(str(path), mountinfo)
    if filesystem is not None and is_network(filesystem):
        raise DatabaseError(
            f"the database {path} would lie on a network file system ({filesystem}), "
            "where SQLite's locks do not hold",
            _NEXT_STEP,
        )


def _unescaped(field: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)
