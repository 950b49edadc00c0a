"""Which events are still there, asked one by one: a listing may be cut short, a name is not."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from pathlib import Path

from annotator.nvr.beneath import is_mount_gone, opened
from annotator.nvr.mount import unavailable


class Presence(Enum):
    """What the store says of a directory."""

    THERE = "there"
    MISSING = "missing"
    UNKNOWN = "unknown"
    """It could not be looked at."""


def presences(
    root: Path, directories: Iterable[str], pause: Callable[[], None] = lambda: None
) -> Iterator[Presence]:
    """Of each directory, relative to the root, what the store says. May block for as long as it
    likes. Raises StoreUnavailable where the store itself goes away.

    Where a directory above is missing as well, such as a whole day's, what else lies below it is
    not asked for. `pause` is called before each question.
    """
    missing_above: str | None = None
    for directory in directories:
        if missing_above is not None and f"{directory}/".startswith(f"{missing_above}/"):
            yield Presence.MISSING
            continue
        pause()
        found = _look(root, directory)
        if found is Presence.MISSING:
            missing_above = _highest_missing(root, directory)
        yield found


def root_device(root: Path) -> str:
    """What the root is on right now; another one after every new mount. Raises StoreUnavailable."""
    try:
        return str(root.stat().st_dev)
    except OSError as error:
        raise unavailable(root, error) from error


def _look(root: Path, directory: str) -> Presence:
    try:
        with opened(root, directory, os.O_PATH | os.O_DIRECTORY):
            return Presence.THERE
    except OSError as error:
        if is_mount_gone(error):
            raise unavailable(root, error) from error
        if error.errno == errno.ENOENT:
            return Presence.MISSING
        return Presence.UNKNOWN


def _highest_missing(root: Path, directory: str) -> str:
    parts = directory.split("/")
    for length in range(1, len(parts)):
        above = "/".join(parts[:length])
        if _look(root, above) is Presence.MISSING:
            return above
    return directory
