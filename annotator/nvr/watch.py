"""The Watch of an event tree: a watchdog observer made for a recorder's store.

The operating system sees nothing of what a recorder writes on the other side of a network mount,
and watchdog's own PollingObserver lists the whole archive at every tick. `LiveEmitter` takes its
place: what a tick costs depends on the events that are live, not on those that are past.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from watchdog.events import DirCreatedEvent, FileCreatedEvent, FileSystemEventHandler
from watchdog.observers.api import BaseObserver, EventEmitter

from annotator.domain import Capture
from annotator.errors import StoreUnavailable
from annotator.nvr.live import LiveEnds
from annotator.nvr.tree import EventTree

log = logging.getLogger(__name__)


class LiveEmitter(EventEmitter):
    """Emits a FileCreatedEvent for each new capture; `arguments` are an EventEmitter's own."""

    def __init__(self, *arguments: Any, tree: EventTree, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self._tree = tree
        self._ends = LiveEnds(tree)
        self._is_troubled = False
        self.has_root = True

    def on_thread_start(self) -> None:
        """Take in what is there already, before `start` returns; nothing later is overlooked."""
        for _ in self._ends.look(time.monotonic()):
            pass

    def queue_events(self, timeout: float) -> None:
        if self.stopped_event.wait(timeout):
            return
        try:
            for capture in self._ends.look(time.monotonic()):
                self.queue_event(FileCreatedEvent(str(self._tree.absolute(capture))))
        except StoreUnavailable as error:
            self.has_root = not isinstance(error.__cause__, FileNotFoundError | NotADirectoryError)
            if not self._is_troubled:
                log.warning("%s; trying again every %g s", error, timeout)
            self._is_troubled = True
        else:
            if self._is_troubled:
                log.info("%s can be listed again", self._tree.root)
            self.has_root, self._is_troubled = True, False


class TreeWatch:
    """Tells of captures that appear in a tree after `start`.

    Start it before the tree is compared with the database, so that nothing falls between the two.
    """

    def __init__(self, tree: EventTree, *, poll_interval_s: float) -> None:
        self._tree = tree
        self._poll_interval_s = poll_interval_s
        self._observer: BaseObserver | None = None

    def start(self, on_capture: Callable[[Capture], None]) -> None:
        """Call `on_capture`, in a thread of the watch, for each new capture.

        A capture may come twice, and before it is complete. Raises StoreUnavailable where there
        is nothing to watch; a store that goes away later does not end the watch.
        """
        emitter_class: Any = partial(LiveEmitter, tree=self._tree)
        observer = BaseObserver(emitter_class, timeout=self._poll_interval_s)
        observer.schedule(_Announcer(self._tree, on_capture), str(self._tree.root), recursive=True)
        observer.start()
        self._observer = observer

    def alive(self) -> bool:
        """False before `start`, once a thread of the watch has died, and while the root is gone."""
        observer = self._observer
        return (
            observer is not None
            and observer.is_alive()
            and all(
                isinstance(emitter, LiveEmitter) and emitter.is_alive() and emitter.has_root
                for emitter in observer.emitters
            )
        )

    def stop(self) -> None:
        """Returns when no thread of the watch is left; waits for a listing that is under way."""
        observer, self._observer = self._observer, None
        if observer is not None:
            observer.stop()
            observer.join()


class _Announcer(FileSystemEventHandler):
    def __init__(self, tree: EventTree, on_capture: Callable[[Capture], None]) -> None:
        self._tree = tree
        self._on_capture = on_capture

    def on_created(self, event: DirCreatedEvent | FileCreatedEvent) -> None:
        # An exception in a handler ends watchdog's dispatcher: nothing more would be delivered.
        try:
            capture = self._tree.capture(os.fsdecode(event.src_path))
            if capture is not None:
                self._on_capture(capture)
        except Exception:
            log.exception("a new capture was not announced: %r", event.src_path)
