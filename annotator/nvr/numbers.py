"""The recorder's own numbers of events, as its web pages and its delete filter know them.

Medium and shallow layouts name the event's directory by its number. The deep one has a hidden
symlink in the day's directory: `.12345` -> `18/30/00` (ZoneMinder's web side makes it).
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from annotator.domain import Event
from annotator.nvr.beneath import is_mount_gone
from annotator.nvr.mount import unavailable

_DEEP = re.compile(r"\d\d(?:/\d\d){5}", re.ASCII)
_NUMBERED = re.compile(r"(?:\d{4}-\d\d-\d\d/)?(\d+)", re.ASCII)
_LINK = re.compile(r"\.(\d+)", re.ASCII)
_DAY_PARTS = 3


class EventNumbers:
    """Reads each day's directory once, and keeps the last one: ask event after event."""

    def __init__(self, root: Path | None) -> None:
        self._root = root
        self._day = ""
        self._numbers: dict[str, str] = {}

    def of(self, event: Event) -> str | None:
        """None where neither the name nor the store tells. Raises StoreUnavailable."""
        if _DEEP.fullmatch(event.path):
            parts = event.path.split("/")
            day = "/".join((event.monitor_directory, *parts[:_DAY_PARTS]))
            if day != self._day:
                self._day, self._numbers = day, self._links(day)
            return self._numbers.get("/".join(parts[_DAY_PARTS:]))
        numbered = _NUMBERED.fullmatch(event.path)
        return numbered[1] if numbered else None

    def _links(self, day: str) -> dict[str, str]:
        if self._root is None:
            return {}
        found = dict[str, str]()
        try:
            with os.scandir(self._root / day) as entries:
                for entry in entries:
                    link = _LINK.fullmatch(entry.name)
                    if link and entry.is_symlink():
                        found[str(Path(entry.path).readlink())] = link[1]
        except OSError as error:
            if is_mount_gone(error):
                raise unavailable(self._root, error) from error
        return found
