"""The recorder's own numbers of events, as its web pages and its delete filter know them.

Medium and shallow layouts name the event's directory by its number. The deep one has a hidden
symlink in the day's directory: `.12345` -> `18/30/00` (ZoneMinder's web side makes it).
"""

from __future__ import annotations

import os
import re
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from annotator.domain import Event
from annotator.nvr.beneath import is_mount_gone, opened
from annotator.nvr.mount import unavailable

DAYS_KEPT = 32
"""So many days' numbers are remembered: a day of each monitor, since events come by time."""

_DEEP = re.compile(r"\d\d(?:/\d\d){5}", re.ASCII)
_NUMBERED = re.compile(r"(?:\d{4}-\d\d-\d\d/)?(\d+)", re.ASCII)
_LINK = re.compile(r"\.(\d+)", re.ASCII)
_DAY_PARTS = 3


def is_told_by_the_store(event: Event) -> bool:
    """Whether only the store can tell an event's number, if anything can."""
    return _DEEP.fullmatch(event.path) is not None


def number_in_name(event: Event) -> str | None:
    """The number that an event's directory is named by; None where it is not."""
    numbered = _NUMBERED.fullmatch(event.path)
    return numbered[1] if numbered else None


class EventNumbers:
    """Reads each day's directory once as long as it is remembered: ask event after event.

    May block for as long as the store likes; `going_on` is called after everything that it has
    answered.
    """

    def __init__(self, root: Path, going_on: Callable[[], None] = lambda: None) -> None:
        self._root = root
        self._going_on = going_on
        self._days: OrderedDict[str, dict[str, str]] = OrderedDict()

    def of(self, event: Event) -> str | None:
        """None where neither the name nor the store tells. Raises StoreUnavailable."""
        if not is_told_by_the_store(event):
            return number_in_name(event)
        parts = event.path.split("/")
        day = "/".join((event.monitor_directory, *parts[:_DAY_PARTS]))
        if day not in self._days:
            self._days[day] = self._links(day)
            if len(self._days) > DAYS_KEPT:
                self._days.popitem(last=False)
        self._days.move_to_end(day)
        return self._days[day].get("/".join(parts[_DAY_PARTS:]))

    def _links(self, day: str) -> dict[str, str]:
        """Number by event, of those that begin on one day of a monitor."""
        found = dict[str, str]()
        try:
            with (
                opened(self._root, day, os.O_DIRECTORY) as descriptor,
                os.scandir(descriptor) as entries,
            ):
                for entry in entries:
                    link = _LINK.fullmatch(entry.name)
                    if link and entry.is_symlink():
                        target = os.readlink(entry.name, dir_fd=descriptor)
                        found[str(PurePosixPath(target))] = link[1]
                        self._going_on()
        except OSError as error:
            if is_mount_gone(error):
                raise unavailable(self._root, error) from error
        return found
