"""One process per Edge TPU: a second one that opens a USB device kills the first.

The lock is an abstract Unix socket named after the physical device. It is no file, so nobody can
forget it or lack the rights to it; the kernel takes it away with the process, however that ends;
and it tells who has it. It holds among all annotators in one network namespace. It does not know of
one in a container with a network of its own, nor of other programs (Frigate, pycoral): those are
met when the device is opened, by an error or by a crash.
"""

from __future__ import annotations

import hashlib
import socket
import struct
from dataclasses import dataclass
from threading import RLock

_MOST_ASKING = 128
"""So many may ask who it is; after that the lock holds all the same, but without a name."""


@dataclass(slots=True)
class _Held:
    listener: socket.socket
    users: int


_held: dict[str, _Held] = {}
_guard = RLock()  # a delegate may be finalised, and let go, while another is being taken


def try_hold(path: str) -> bool:
    """Take the device at `path` for this process; each True needs a `release`."""
    with _guard:
        if path in _held:
            _held[path].users += 1
            return True
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listener.bind(_address(path))
        except OSError:
            listener.close()
            return False
        listener.listen(_MOST_ASKING)
        _held[path] = _Held(listener, users=1)
        return True


def release(path: str) -> None:
    with _guard:
        held = _held[path]
        held.users -= 1
        if held.users == 0:
            held.listener.close()
            del _held[path]


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has a device; `pid` is None where the kernel does not tell."""

    pid: int | None

    def __str__(self) -> str:
        return f"process {self.pid}" if self.pid else "another process"


def holder_of(path: str) -> Holder | None:
    """Which process has the device at `path`, this one included; None where none has."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.setblocking(False)
        try:
            asking.connect(_address(path))
        except ConnectionRefusedError:
            return None
        except BlockingIOError:
            return Holder(None)
        size = struct.calcsize("3i")  # struct ucred: pid, uid, gid
        credentials = asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
        (pid, _, _) = struct.unpack("3i", credentials)
        return Holder(pid or None)  # 0 in another process namespace


def _address(path: str) -> str:
    # A socket's name has room for 107 bytes; a path may have more.
    return f"\0annotator-edgetpu-{hashlib.sha256(path.encode()).hexdigest()[:32]}"
