"""The hands-off process: watch, reconcile on a timer, keep the supervisor turning, stop cleanly."""

from __future__ import annotations

import logging
import queue
import socket
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta

from annotator.config import WatchSettings
from annotator.domain import Capture, Origin, Window
from annotator.errors import StoreUnavailable
from annotator.ports import AnnotationStore, Backlog, CaptureStore, Clock, Watch
from annotator.reconcile import Reconciled, reconcile
from annotator.supervisor import Supervisor

TURN_S = 1.0
SUMMARY_S = 60.0
RETRY_S = 5.0

log = logging.getLogger(__name__)


Notify = Callable[[str], None]
"""Tells the service manager how things stand, in sd_notify's messages."""


class Daemon:
    """`run` until `stop` is called, from a signal handler or another thread."""

    def __init__(
        self,
        supervisor: Supervisor,
        store: CaptureStore,
        backlog: Backlog,
        results: AnnotationStore,
        make_watch: Callable[[], Watch],
        settings: WatchSettings,
        clock: Clock,
        notify: Notify,
    ) -> None:
        self._supervisor = supervisor
        self._store = store
        self._backlog = backlog
        self._results = results
        self._make_watch = make_watch
        self._settings = settings
        self._clock = clock
        self._notify = notify
        self._stopping = False
        self._arrived: queue.SimpleQueue[Capture] = queue.SimpleQueue()
        # A full socket means that a wake-up is on its way already: nobody ever blocks on it.
        self._woken, self._waker = socket.socketpair()
        self._woken.setblocking(False)
        self._waker.setblocking(False)
        self._watch: Watch | None = None
        self._watch_due = 0.0
        self._reconcile_due = 0.0
        self._summary_due = 0.0
        self._walk: Future[Reconciled] | None = None
        self._store_gone = False
        self._reported = (0, 0)

    def stop(self) -> None:
        """Ask `run` to return soon; safe in a signal handler."""
        self._stopping = True
        self._wake()

    def run(self) -> None:
        """Returns after `stop`. Raises AnnotatorError where going on makes no sense."""
        self._summary_due = self._clock.monotonic() + SUMMARY_S
        with ThreadPoolExecutor(1, thread_name_prefix="reconcile") as walker:
            try:
                self._notify("READY=1")
                while not self._stopping:
                    self._keep_watching()
                    self._keep_reconciling(walker)
                    self._welcome()
                    self._supervisor.turn(TURN_S, wake=(self._woken,))
                    self._notify("WATCHDOG=1")
                    self._summarise()
            finally:
                self._stopping = True
                self._notify("STOPPING=1")
                if self._watch:
                    self._watch.stop()
                self._welcome()
                self._supervisor.close()
        self._woken.close()
        self._waker.close()

    # one round, step by step

    def _keep_watching(self) -> None:
        now = self._clock.monotonic()
        if self._watch is not None and not self._watch.alive():
            log.warning("the watch has died; starting another")
            self._watch.stop()
            self._watch = None
            self._reconcile_due = now  # a failed watch means: look at the tree again
        if self._watch is None and now >= self._watch_due:
            self._watch_due = now + RETRY_S
            watch = self._make_watch()
            try:
                watch.start(self._announce)
            except StoreUnavailable as error:
                self._store_is_gone(error)
            else:
                self._watch = watch

    def _keep_reconciling(self, walker: ThreadPoolExecutor) -> None:
        now = self._clock.monotonic()
        if self._walk is not None and self._walk.done():
            walk, self._walk = self._walk, None
            try:
                met = walk.result()
            except StoreUnavailable as error:
                self._reconcile_due = now + RETRY_S
                self._store_is_gone(error)
            else:
                if self._store_gone:
                    log.info("the store is back")
                self._store_gone = False
                if met.added or met.unreadable:
                    log.info(
                        "reconciled: %d new of %d captures in %d events, %d unreadable folders",
                        *(met.added, met.captures, met.events, met.unreadable),
                    )
        if self._walk is None and now >= self._reconcile_due:
            self._reconcile_due = now + self._settings.reconcile_s
            self._walk = walker.submit(self._reconcile)

    def _reconcile(self) -> Reconciled:
        since = self._clock.now() - timedelta(seconds=self._settings.reconcile_window_s)
        met = reconcile(
            self._store,
            self._backlog,
            self._results,
            Window(since=since),
            Origin.RECONCILE,
            stopping=lambda: self._stopping,
        )
        self._wake()
        return met

    def _announce(self, capture: Capture) -> None:
        """Called in the watch's thread."""
        self._arrived.put(capture)
        self._wake()

    def _welcome(self) -> None:
        with suppress(BlockingIOError):
            while self._woken.recv(4096):
                pass
        arrived: list[Capture] = []
        while not self._arrived.empty():
            arrived.append(self._arrived.get_nowait())
        if arrived:
            self._backlog.add(arrived, Origin.LIVE)

    def _wake(self) -> None:
        with suppress(BlockingIOError):
            self._waker.send(b"!")

    def _summarise(self) -> None:
        if self._clock.monotonic() < self._summary_due:
            return
        self._summary_due = self._clock.monotonic() + SUMMARY_S
        progress = self._supervisor.progress
        done = (progress.annotated, progress.failed)
        if done != self._reported:
            annotated, failed = done[0] - self._reported[0], done[1] - self._reported[1]
            waiting = self._backlog.waiting()
            log.info("%d captures annotated, %d failed, %d wait", annotated, failed, waiting)
            self._reported = done

    def _store_is_gone(self, error: StoreUnavailable) -> None:
        if not self._store_gone:
            log.warning("%s; %s", error, error.next_step)
        self._store_gone = True
