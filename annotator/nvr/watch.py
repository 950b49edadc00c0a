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
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from typing import Any

from watchdog.events import DirCreatedEvent, FileCreatedEvent, FileSystemEventHandler
from watchdog.observers.api import BaseObserver, EventEmitter

from annotator.domain import Capture
from annotator.errors import StoreUnavailable
from annotator.nvr.hints import Hints
from annotator.nvr.live import LiveEnds, Run
from annotator.nvr.tree import EventTree

log = logging.getLogger(__name__)

LOOKERS = 8
"""How many directories of a network mount are looked at in parallel; a local disk needs one."""

GATHER_S = 0.05
"""How long after a hint a look waits for others, so that a burst costs few looks."""


def _ignored() -> None:
    pass


class LiveEmitter(EventEmitter):
    """Emits a FileCreatedEvent for each new capture; `arguments` are an EventEmitter's own."""

    def __init__(
        self,
        *arguments: Any,
        tree: EventTree,
        run: Run,
        hints: Hints,
        on_tick: Callable[[], None],
        **keywords: Any,
    ) -> None:
        super().__init__(*arguments, **keywords)
        self._tree = tree
        self._hints = hints
        self._ends = LiveEnds(tree, run, hints)
        self._on_tick = on_tick
        self._is_troubled = False
        self.has_root = True

    def on_thread_start(self) -> None:
        """Take in what is there already, before `start` returns; nothing later is overlooked."""
        for _ in self._ends.look(time.monotonic()):
            pass
        self._on_tick()

    def on_thread_stop(self) -> None:
        self._hints.woken.set()

    def queue_events(self, timeout: float) -> None:
        if self._hints.woken.wait(timeout) and self.stopped_event.wait(GATHER_S):
            return
        try:
            for capture in self._ends.look(time.monotonic()):
                self.queue_event(FileCreatedEvent(str(self._tree.absolute(capture))))
        except StoreUnavailable as error:
            self.has_root = not isinstance(error.__cause__, FileNotFoundError | NotADirectoryError)
            if not self._is_troubled:
                log.warning("%s; trying again every %g s", error, timeout)
            self._is_troubled = True
            return
        if self._is_troubled:
            log.info("%s can be listed again", self._tree.root)
        self.has_root, self._is_troubled = True, False
        self._on_tick()


class TreeWatch:
    """Tells of captures that appear in a tree after `start`.

    Start it before the tree is compared with the database, so that nothing falls between the two.
    `on_tick` is called, in a thread of the watch, after each look at the tree that got through.
    """

    def __init__(
        self,
        tree: EventTree,
        *,
        poll_interval_s: float,
        on_tick: Callable[[], None] = _ignored,
    ) -> None:
        self._tree = tree
        self._poll_interval_s = poll_interval_s
        self._on_tick = on_tick
        self._observer: BaseObserver | None = None
        self._helpers = ExitStack()

    def start(self, on_capture: Callable[[Capture], None]) -> None:
        """Call `on_capture`, in a thread of the watch, for each new capture.

        A capture may come twice, and before it is complete. Raises StoreUnavailable where there
        is nothing to watch; a store that goes away later does not end the watch.
        """
        self._tree.recognise()
        run: Run = map
        if not self._tree.is_local:
            run = self._helpers.enter_context(ThreadPoolExecutor(LOOKERS, "looker")).map
        hints = Hints(self._tree.root)
        emitter_class: Any = partial(
            LiveEmitter, tree=self._tree, run=run, hints=hints, on_tick=self._on_tick
        )
        observer = BaseObserver(emitter_class, timeout=self._poll_interval_s)
        observer.schedule(_Announcer(self._tree, on_capture), str(self._tree.root), recursive=True)
        try:
            if self._tree.is_local:
                self._helpers.callback(hints.stop)
                hints.start()
            observer.start()
        except BaseException:
            self._helpers.close()
            raise
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
        self._helpers.close()


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
