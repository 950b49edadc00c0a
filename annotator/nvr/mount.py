"""Is the store really there, and is it the same one?

After an unmount the mount point is an empty local directory that lists well, and a cached listing
still answers when the connection is dead. So the store must be on the file system that it was on
before, which /proc/self/mountinfo tells without ever blocking, and must answer a question that no
cache can answer, which may block for as long as the other side likes.
"""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from annotator import mountinfo
from annotator.errors import StoreUnavailable
from annotator.mountinfo import MOUNTINFO, Mount, mount_of, parse_mountinfo, read_mountinfo
from annotator.nvr.beneath import opened
from annotator.unit_names import escape_path

FUSE_CONNECTIONS = Path("/sys/fs/fuse/connections")
UUIDS = Path("/dev/disk/by-uuid")

_MOST_LINKS = 40  # the kernel's own limit
_SYSTEMCTL_TIMEOUT_S = 10.0


def is_network(identity: str) -> bool:
    """Whether an identity is that of a network mount or of any other FUSE file system."""
    return mountinfo.is_network(identity.partition(" ")[0])


def identify(root: Path, mounted: bytes | None = None) -> str:
    """What tells this store from others, after a reboot too. Never blocks.

    A network mount's type and source ("fuse.sshfs cam@nvr:/events"), a disk's type and UUID; the
    bare type where it has none, "" where the system does not tell. An automount that is yet to be
    mounted is "autofs …", and an unmounted mount point is what the disk under it is.
    """
    mount = mount_holding(root, mounted)
    return _identity(mount) if mount else ""


def ask(root: Path) -> None:
    """Ask the store something that no cache can answer. May block for as long as it likes.

    Raises StoreUnavailable. Asks for a name that nobody uses, since names that are not there are
    not remembered by sshfs, and asking below an automount point mounts it.
    """
    try:
        with opened(root, "", os.O_PATH | os.O_DIRECTORY) as descriptor:
            try:
                os.stat(f".annotator-{secrets.token_hex(8)}", dir_fd=descriptor)
            except FileNotFoundError:
                return
    except OSError as error:
        raise unavailable(root, error) from error


def recover_abort(
    root: Path,
    *,
    mounted: bytes | None = None,
    connections: Path = FUSE_CONNECTIONS,
    systemctl: Sequence[str] = ("systemctl",),
) -> str:
    """Free whatever is blocked in the sshfs mount that holds `root`, and mount it anew.

    Says what was done, or why not; raises nothing and waits for nothing but systemctl's answer.
    Only a FUSE connection of sshfs is ever aborted: everything in it fails at once with an error.
    """
    mount = mount_holding(root, mounted)
    if mount is None or mount.kind != "fuse.sshfs":
        return f"nothing is done: {root} is on {mount or 'no known mount'}, which is not sshfs"
    connection = connections / mount.device.rpartition(":")[2]
    try:
        (connection / "abort").write_bytes(b"1")
    except OSError as error:
        aborted = f"{connection}/abort cannot be written ({os.strerror(error.errno or 0)})"
    else:
        aborted = f"aborted the connection of {mount}"
    return f"{aborted}; {_restarted(f'{escape_path(Path(mount.point))}.mount', systemctl)}"


def mount_holding(root: Path, mounted: bytes | None = None) -> Mount | None:
    """The mount that a root lies on; None where the system does not tell. Never blocks."""
    mounts = tuple(parse_mountinfo(read_mountinfo() if mounted is None else mounted))
    return mount_of(_resolved(root, mounts), mounts)


def resolved(root: Path) -> Path:
    """A root without the links that lead to it, as far as they can be followed without touching
    what may block."""
    return Path(_resolved(root, tuple(parse_mountinfo(read_mountinfo()))))


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

    def __init__(self, root: Path, mountinfo_file: Path = MOUNTINFO) -> None:
        self._root = root
        self._mountinfo_file = mountinfo_file
        self._expected: Mount | None = None
        self._recognised: tuple[bytes, str | None] | None = None

    @property
    def mount(self) -> Mount | None:
        """What the root was last recognised on."""
        return self._expected

    def check(self, expected: str | None = None) -> None:
        """Raise StoreUnavailable unless the root answers, can be listed and is recognised."""
        # First, because this is what makes an automount mount.
        ask(self._root)
        try:
            with os.scandir(self._root) as entries:
                next(entries, None)
        except OSError as error:
            raise unavailable(self._root, error) from error
        self.recognise(expected)

    def recognise(self, expected: str | None = None) -> None:
        """Raise StoreUnavailable if the root is not on the mount it was on before. Never blocks.

        `expected` is the identity that it must have, if any. A mount that came over the one seen
        before, nearer to the root, is the store that was waited for. Where the system does not
        tell its mounts, every root is recognised.
        """
        mounted = read_mountinfo(self._mountinfo_file)
        if self._recognised == (mounted, expected):
            return
        found = mount_holding(self._root, mounted)
        if found is None:
            return
        if expected is not None and _identity(found) != expected:
            raise StoreUnavailable(
                f"the event store {self._root} should be {expected}, but is on {found}",
                f"mount it: `mount {self._root}`",
            )
        before = self._expected
        if before is not None and found != before and len(found.point) <= len(before.point):
            raise StoreUnavailable(
                f"the event store {self._root} should be on {before}, but is on {found}",
                f"mount it again: `mount {before.point}`",
            )
        self._expected, self._recognised = found, (mounted, expected)


def _resolved(root: Path, mounts: Sequence[Mount]) -> str:
    """The root without the links that lead to it, as far as no mount that may block is touched."""
    path, links = "/", 0
    ahead = list(reversed(PurePosixPath(root).parts[1:]))
    while ahead:
        name = ahead.pop()
        here, path = path, os.path.normpath(os.path.join(path, name))  # noqa: PTH118
        mount = mount_of(path, mounts)
        if mount and mount.may_block:
            return os.path.normpath(os.path.join(path, *reversed(ahead)))  # noqa: PTH118
        try:
            target = PurePosixPath(os.readlink(path))  # noqa: PTH115
        except OSError:
            continue
        links += 1
        if links > _MOST_LINKS:
            break
        ahead += reversed(target.parts[1:] if target.is_absolute() else target.parts)
        path = "/" if target.is_absolute() else here
    return path


def _identity(mount: Mount) -> str:
    """See `identify`."""
    if mount.may_block:
        return f"{mount.kind} {mount.source}"
    uuid = _uuid(mount)
    return f"{mount.kind} {uuid}" if uuid else mount.kind


def _uuid(mount: Mount) -> str | None:
    """The UUID by which the system knows a disk's file system."""
    major, _, minor = mount.device.partition(":")
    devices = {os.makedev(int(major), int(minor))} if major.isdigit() and minor.isdigit() else set()
    try:
        if mount.source.startswith("/dev/"):  # btrfs has a device number of its own
            devices.add(Path(mount.source).stat().st_rdev)
        links = sorted(UUIDS.iterdir())
    except OSError:
        return None
    for link in links:
        try:
            if link.stat().st_rdev in devices:
                return link.name
        except OSError:
            continue
    return None


def _restarted(unit: str, systemctl: Sequence[str]) -> str:
    command = [*systemctl, "--no-block", "restart", unit]
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=_SYSTEMCTL_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{unit} could not be restarted: {error}"
    if done.returncode:
        reason = done.stderr.decode(errors="replace").strip()
        return f"{unit} could not be restarted: {reason or f'exit code {done.returncode}'}"
    return f"{unit} is being restarted"
