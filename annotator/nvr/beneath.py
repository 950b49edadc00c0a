"""Opening what lies below a directory, and nothing else."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_STEP_DOWN = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW
_CHUNK_BYTES = 1 << 20

# What a network mount answers while it is gone; says nothing about the file asked for.
_MOUNT_GONE = frozenset(
    {
        errno.EIO,
        errno.ENOTCONN,
        errno.ECONNABORTED,
        errno.ECONNREFUSED,
        errno.ECONNRESET,
        errno.ESTALE,
        errno.ETIMEDOUT,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.ENETDOWN,
        errno.ENETUNREACH,
    }
)
# What this computer answers while it is short of something.
_SHORTAGE = frozenset({errno.EAGAIN, errno.EBUSY, errno.EMFILE, errno.ENFILE, errno.ENOMEM})


@contextmanager
def opened(root: Path, path: str, flags: int) -> Iterator[int]:
    """A descriptor of `path` (relative to `root`, "" is the root), open for reading.

    One name at a time and never through a symbolic link, so that whatever is swapped in meanwhile
    cannot lead out of the root. The steps only look names up, which costs a network mount no more
    than opening the whole path. Never waits for a pipe's other end. Raises OSError.
    """
    *directories, last = path.split("/") if path else ["."]
    here = os.open(root, os.O_PATH | os.O_DIRECTORY)
    try:
        for name in directories:
            below = os.open(name, _STEP_DOWN, dir_fd=here)
            os.close(here)
            here = below
        nofollow = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
        descriptor = os.open(last, os.O_RDONLY | nofollow | flags, dir_fd=here)
    finally:
        os.close(here)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def read_up_to(descriptor: int, limit_bytes: int) -> bytes:
    """All there is to read, cut at `limit_bytes`. Raises OSError."""
    chunks = list[bytes]()
    while limit_bytes > 0 and (chunk := os.read(descriptor, min(limit_bytes, _CHUNK_BYTES))):
        chunks.append(chunk)
        limit_bytes -= len(chunk)
    return b"".join(chunks)


def is_mount_gone(error: OSError) -> bool:
    """Whether the error tells of the mount and not of the file."""
    return error.errno in _MOUNT_GONE


def is_shortage(error: OSError) -> bool:
    """Whether the error tells of this computer and may pass."""
    return error.errno in _SHORTAGE
