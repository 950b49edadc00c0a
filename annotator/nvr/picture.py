"""The bytes of a picture: of a regular file only, and never many more than are allowed."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from annotator.domain import Reason
from annotator.errors import CaptureUnreadable
from annotator.nvr.beneath import read_up_to


def read_picture(path: Path, max_bytes: int) -> bytes:
    """What is in a picture that a person named, wherever that lies, whole or not.

    Never waits for a pipe's other end. Raises CaptureUnreadable.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
        try:
            content = content_of(descriptor, max_bytes)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise CaptureUnreadable(
            Reason.UNREADABLE, f"it cannot be read: {os.strerror(error.errno or 0)}"
        ) from error
    if len(content) > max_bytes:
        raise CaptureUnreadable(Reason.TOO_LARGE, f"it is larger than {max_bytes / 1e6:g} MB")
    return content


def content_of(descriptor: int, max_bytes: int) -> bytes:
    """An open file's content; of more than `max_bytes` one byte more, which tells that it is.

    Raises CaptureUnreadable for what is no file, and OSError.
    """
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise CaptureUnreadable(Reason.UNREADABLE, "it is not a file")
    return read_up_to(descriptor, max_bytes + 1)
