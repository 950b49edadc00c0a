"""What the operating system says of a local disk, so that quiet directories need no looking at.

inotify sees nothing of a network mount, loses events when its queue is full, and has limits; so
these are hints only, and whatever is not covered by them is looked at as ever.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileCreatedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers.api import BaseObserver, ObservedWatch
from watchdog.observers.inotify import InotifyObserver

from annotator.nvr.layout import Branch

log = logging.getLogger(__name__)

MOST_COVERED = 64
"""watchdog runs a thread for each directory; four monitors need about 30."""

# Not what listing a directory causes, which would call for another listing.
_TELLING: list[type[FileSystemEvent]] = [
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileCreatedEvent,
    FileMovedEvent,
]


class Hints:
    """Names that have appeared in the directories that `cover` named; `woken` is set with each."""

    def __init__(self, root: Path) -> None:
        self.woken = threading.Event()
        self._root = root
        self._observer: BaseObserver | None = None
        self._watches: dict[Branch, ObservedWatch] = {}
        self._names: defaultdict[Branch, set[str]] = defaultdict(set)
        self._gone: set[Branch] = set()
        self._lock = threading.Lock()

    def start(self) -> None:
        """Without inotify there are no hints, and that is no error."""
        try:
            self._observer = InotifyObserver()
            self._observer.start()
        except OSError as error:
            self._observer = None
            log.info("inotify cannot be used, the store is polled: %s", error)

    def stop(self) -> None:
        """Returns when no thread of it is left."""
        observer, self._observer = self._observer, None
        if observer is not None:
            observer.stop()
            observer.join()
        self._watches.clear()

    def covers(self, branch: Branch) -> bool:
        """Whether whatever appears in a directory is told."""
        return branch in self._watches and branch not in self._gone

    def cover(self, branches: Iterable[Branch]) -> set[Branch]:
        """Cover these, the first ones first, and no others; the ones that were not until now."""
        observer = self._observer
        if observer is None:
            return set()
        wanted = list(branches)[:MOST_COVERED]
        with self._lock:
            gone, self._gone = self._gone, set()
        for branch in self._watches.keys() - (set(wanted) - gone):
            observer.unschedule(self._watches.pop(branch))
        added = set[Branch]()
        for branch in wanted:
            if branch in self._watches:
                continue
            try:
                self._watches[branch] = observer.schedule(
                    _Ear(self, branch), str(self._root / branch.path), event_filter=_TELLING
                )
            except OSError as error:
                log.debug("%s is polled: %s", branch.path, error)
                break  # none are left, or it has just vanished: the next turn will tell
            added.add(branch)
        return added

    def take(self) -> dict[Branch, set[str]]:
        """The names that have appeared since the last time; some may be gone again."""
        self.woken.clear()
        with self._lock:
            names, self._names = self._names, defaultdict(set)
        return names

    def note(self, branch: Branch, event: FileSystemEvent) -> None:
        """Called in a thread of the observer."""
        here = self._root / branch.path
        with self._lock:
            for path in (event.src_path, event.dest_path):
                if path and (place := Path(os.fsdecode(path))).parent == here:
                    self._names[branch].add(place.name)
                elif path and place == here:
                    self._gone.add(branch)
        self.woken.set()


class _Ear(FileSystemEventHandler):
    def __init__(self, hints: Hints, branch: Branch) -> None:
        self._hints = hints
        self._branch = branch

    def on_any_event(self, event: FileSystemEvent) -> None:
        self._hints.note(self._branch, event)
