"""What is mounted where, as /proc/self/mountinfo tells it; reading that never blocks.

All here is lexical: no path is looked at, so a dead mount cannot hold anybody up.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

MOUNTINFO = Path("/proc/self/mountinfo")

# fmt: off
_NETWORK_KINDS = frozenset({
    "9p", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "glusterfs", "gpfs", "lustre", "ncpfs",
    "nfs", "nfs4", "prl_fs", "pvfs2", "smb2", "smb3", "smbfs", "vboxsf", "vmhgfs",
})
# fmt: on
_LOCAL_FUSE_KINDS = frozenset({"fuseblk", "fuse.fuse-overlayfs"})
_ESCAPED = re.compile(rb"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Mount:
    """A mounted file system: where, of which type ("fuse.sshfs", "ext4"), and from what.

    `device` is "major:minor"; a network mount gets another each time it is mounted.
    """

    point: str
    kind: str
    source: str
    device: str = field(default="", compare=False)

    @property
    def may_block(self) -> bool:
        """Whether touching it may wait for another computer, or for it to be mounted at all."""
        return is_network(self.kind) or self.kind == "autofs"

    def __str__(self) -> str:
        return f"{self.source} ({self.kind}) on {self.point}"


def is_network(kind: str) -> bool:
    """Whether files of this type are served by another machine, or by a program we cannot know."""
    if kind in _LOCAL_FUSE_KINDS:
        return False
    return kind in _NETWORK_KINDS or kind == "fuse" or kind.startswith("fuse.")


def read_mountinfo(file: Path = MOUNTINFO) -> bytes:
    """What is mounted, as this process sees it, to be parsed; empty where the system tells none."""
    try:
        return file.read_bytes()
    except OSError:
        return b""


def parse_mountinfo(data: bytes) -> Iterator[Mount]:
    """The mounts, oldest first; lines of another form are left out.

    The format is in proc(5): `id parent major:minor root point options [tags...] - type source
    super-options`. It is bytes, because a mount point may have any name.
    """
    for line in data.split(b"\n"):
        fields = line.split(b" ")
        if b"-" in fields[6:]:
            kind, source = (*fields[fields.index(b"-", 6) + 1 :], b"", b"")[:2]
            point, device = _unescaped(fields[4]), _unescaped(fields[2])
            yield Mount(point, _unescaped(kind), _unescaped(source), device)


def mount_of(path: str, mounts: Iterable[Mount]) -> Mount | None:
    """The mount that an absolute path without links lies on; the newest where they are stacked."""
    holding = [mount for mount in mounts if f"{path}/".startswith(f"{mount.point.rstrip('/')}/")]
    return max(reversed(holding), key=lambda mount: len(mount.point), default=None)


def _unescaped(field: bytes) -> str:
    return os.fsdecode(_ESCAPED.sub(lambda match: bytes([int(match[1], 8) & 0xFF]), field))
