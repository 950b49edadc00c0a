"""Is the store really there? Lists the root, and remembers which file system it is on.

After an unmount the mount point is an empty local directory that lists well, so a listing alone
proves nothing: the file system must also be the one that was there before.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from annotator.errors import StoreUnavailable

MOUNTINFO = Path("/proc/self/mountinfo")

_ESCAPED = re.compile(rb"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Mount:
    """A mounted file system: where, of which type ("fuse.sshfs", "ext4"), and from what."""

    point: str
    kind: str
    source: str

    def __str__(self) -> str:
        return f"{self.source} ({self.kind}) on {self.point}"


def parse_mountinfo(data: bytes) -> Iterator[Mount]:
    """The mounts in /proc/self/mountinfo, oldest first; lines of another form are left out.

    Format: proc(5). The file is bytes, because a mount point may have any name.
    """
    for line in data.splitlines():
        fields = line.split(b" ")
        if b"-" in fields[6:]:
            kind, source = (*fields[fields.index(b"-", 6) + 1 :], b"", b"")[:2]
            yield Mount(_unescaped(fields[4]), _unescaped(kind), _unescaped(source))


def mount_of(path: str, mounts: Iterator[Mount]) -> Mount | None:
    """The mount that an absolute path without links lies on; the newest where they are stacked."""
    holding = [mount for mount in mounts if PurePosixPath(path).is_relative_to(mount.point)]
    return max(reversed(holding), key=lambda mount: len(mount.point), default=None)


def unavailable(root: Path, error: OSError) -> StoreUnavailable:
    """The StoreUnavailable that an error from the root, or from below it, stands for."""
    next_step = (
        f"let the annotator's user read and enter {root}"
        if isinstance(error, PermissionError)
        else f"check [store] root and that the NVR is mounted (`findmnt --target {root}`, "
        "`systemctl list-units --type=mount`)"
    )
    return StoreUnavailable(
        f"the event store {root} cannot be reached: {os.strerror(error.errno or 0)}", next_step
    )


class RootProbe:
    """Asks for the root again and again, and expects to find it on the same file system."""

    def __init__(self, root: Path, mountinfo: Path = MOUNTINFO) -> None:
        self._root = root
        self._mountinfo = mountinfo
        self._expected: Mount | None = None

    def check(self) -> None:
        """Raise StoreUnavailable unless the root can be listed and is recognised."""
        try:
            # First, because listing is what makes an automount mount.
            with os.scandir(self._root) as entries:
                next(entries, None)
        except OSError as error:
            raise unavailable(self._root, error) from error
        self.recognise()

    def recognise(self) -> None:
        """Raise StoreUnavailable if the root is no longer on the mount it was on before.

        A mount that came over the one seen before, nearer to the root, is the store that was
        waited for. Where the system does not tell its mounts, every root is recognised.
        """
        try:
            mounts = parse_mountinfo(self._mountinfo.read_bytes())
        except OSError:
            return
        found, expected = mount_of(os.path.realpath(self._root), mounts), self._expected
        if found is None or found == expected:
            return
        if expected is not None and len(found.point) <= len(expected.point):
            raise StoreUnavailable(
                f"the event store {self._root} should be on {expected}, but is on {found}",
                f"mount it again: `mount {expected.point}`",
            )
        self._expected = found


def _unescaped(field: bytes) -> str:
    return os.fsdecode(_ESCAPED.sub(lambda match: bytes([int(match[1], 8) & 0xFF]), field))
