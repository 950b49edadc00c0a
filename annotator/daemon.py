"""The hands-off process: watch, reconcile, keep the supervisor turning, stop cleanly.

Nothing here touches the store: scouts do. So nothing that blocks in a dead mount can stop a round,
the shutdown, or the service manager's watchdog.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Protocol

from annotator.admission import admit
from annotator.config import Config
from annotator.domain import Capture, Origin, Window
from annotator.errors import DatabaseUnwritable
from annotator.health import Health, write_health
from annotator.outposts import StartScout, StoreWatch, Walk
from annotator.ports import AnnotationStore, Backlog, Clock
from annotator.reconcile import Reconciliation
from annotator.supervisor import Supervisor
from annotator.wire import Walking

TURN_S = 1.0
SUMMARY_S = 60.0
GATHER_S = 1.0
"""Arrivals are written at once after a pause, else together: measured, four times as many captures
per transaction halve what an SD card has to take."""
RETRY_S = 5.0
WALK_STALL_S = 60.0
ADVANCE_S = 600.0
"""Work that is there and can be done must advance within this, many times any limit of a single
capture; else something is wrong that only a restart mends, and the watchdog is no longer petted."""

Notify = Callable[[str], None]
"""Tells the service manager how things stand, in sd_notify's messages."""

log = logging.getLogger(__name__)


class Onlooker(Protocol):
    """Wants to know how the daemon gets on, and returns at once."""

    def recorded(self) -> None:
        """There are new results in the database."""

    def health(self, health: Health) -> None:
        """On every change, and once a minute."""


class Daemon:
    """`run` until `stop` is called, from a signal handler or another thread."""

    def __init__(
        self,
        supervisor: Supervisor,
        watch: StoreWatch,
        start_scout: StartScout,
        backlog: Backlog,
        results: AnnotationStore,
        config: Config,
        clock: Clock,
        notify: Notify,
        onlooker: Onlooker,
    ) -> None:
        self._onlooker = onlooker
        self._supervisor = supervisor
        self._watch = watch
        self._start_scout = start_scout
        self._backlog = backlog
        self._results = results
        self._config = config
        self._clock = clock
        self._notify = notify
        self._stopping = False
        # A full socket means that a wake-up is on its way already: nobody ever blocks on it.
        self._woken, self._waker = socket.socketpair()
        self._woken.setblocking(False)
        self._waker.setblocking(False)
        self._arrived: list[Capture] = []
        self._admit_due_s = 0.0
        self._walk: Reconciliation | None = None
        self._walk_due_s = 0.0
        self._summary_due_s = 0.0
        self._done_before = (0, 0)
        self._per_minute = 0.0
        self._advanced = (0, 0, 0)
        self._advanced_at_s = clock.monotonic()
        self._health_written: Health | None = None

    def stop(self) -> None:
        """Ask `run` to return soon; safe in a signal handler."""
        self._stopping = True
        with suppress(BlockingIOError):
            self._waker.send(b"!")

    def run(self) -> None:
        """Returns after `stop`. Raises AnnotatorError where going on makes no sense."""
        self._summary_due_s = self._clock.monotonic() + SUMMARY_S
        try:
            self._notify("READY=1")
            while not self._stopping:
                self._turn()
        finally:
            self._notify("STOPPING=1")
            self._watch.stop()
            if self._walk:
                self._walk.stop()
            self._supervisor.close()
            self._woken.close()
            self._waker.close()

    def _turn(self) -> None:
        self._look_out()
        try:
            self._welcome()
            self._reconcile()
            self._expire()
        except DatabaseUnwritable as error:
            # What has arrived is kept, and the walk begins again when the database is well.
            log.debug("%s", error)
            self._admit_due_s = self._clock.monotonic() + RETRY_S
            self._give_up_walk(RETRY_S)
        patience_s = TURN_S
        if self._arrived:
            patience_s = min(TURN_S, max(0.0, self._admit_due_s - self._clock.monotonic()))
        annotated = self._supervisor.progress.annotated
        self._supervisor.turn(patience_s, self._wakers(), store_online=self._watch.online)
        if self._supervisor.progress.annotated != annotated:
            self._onlooker.recorded()
        if self._advances():
            self._notify("WATCHDOG=1")
        with suppress(DatabaseUnwritable):
            self._summarise()

    # one round, step by step

    def _look_out(self) -> None:
        self._arrived += self._watch.turn()
        if self._watch.take_gap():
            self._walk_due_s = self._clock.monotonic()

    def _welcome(self) -> None:
        with suppress(BlockingIOError):
            while self._woken.recv(4096):
                pass
        now_s = self._clock.monotonic()
        if self._arrived and now_s >= self._admit_due_s:
            admit(self._arrived, Origin.LIVE, self._backlog, self._config)
            self._arrived.clear()
            self._admit_due_s = now_s + GATHER_S
            self._remember_store()

    def _remember_store(self) -> None:
        """Captures have come from it, so it is the right one, and from now on the only one.

        Not before: an empty mount point would do as well as any store that has nothing in it yet.
        """
        if self._watch.expected is None and self._watch.found is not None:
            self._results.set_store_identity(self._watch.found)
            self._watch.expected = self._watch.found

    def _reconcile(self) -> None:
        if self._walk is not None:
            self._walk.turn()
            if not self._walk.running:
                self._finish_walk(self._walk)
        now_s = self._clock.monotonic()
        if self._walk is None and self._watch.online and now_s >= self._walk_due_s:
            self._walk_due_s = now_s + self._config.watch.reconcile_s
            self._walk = self._start_walk()

    def _start_walk(self) -> Reconciliation:
        since = self._clock.now() - timedelta(seconds=self._config.watch.reconcile_window_s)
        order = Walking(
            Window(since=since),
            self._watch.expected,
            self._results.unfinished(since),
            self._config.watch.reconcile_listings_per_s,
        )
        walk = Walk(self._start_scout, order, self._clock, WALK_STALL_S)
        return Reconciliation(walk, self._backlog, self._results, Origin.RECONCILE, self._config)

    def _finish_walk(self, walk: Reconciliation) -> None:
        self._walk = None
        if walk.captures:
            self._remember_store()
        if walk.lost is not None:
            log.debug("the walk broke off: %s", walk.lost.message)
            self._walk_due_s = self._clock.monotonic() + RETRY_S
        elif walk.added or walk.unlistable:
            log.info(
                "reconciled: %d new of %d captures in %d events, %d folders could not be read",
                *(walk.added, walk.captures, walk.events, walk.unlistable),
            )

    def _give_up_walk(self, again_after_s: float) -> None:
        if self._walk is not None:
            self._walk.stop()
            self._walk = None
        self._walk_due_s = self._clock.monotonic() + again_after_s

    def _expire(self) -> None:
        if self._clock.monotonic() < self._summary_due_s:
            return
        for monitor in self._backlog.monitors():
            max_age_s = self._config.for_monitor(monitor).backlog.max_age_s
            if max_age_s:
                before = self._clock.now() - timedelta(seconds=max_age_s)
                skipped = self._backlog.expire(monitor, before)
                if skipped:
                    log.warning("%s: %d captures waited too long: skipped", monitor, skipped)

    def _advances(self) -> bool:
        progress = self._supervisor.progress
        done = (progress.annotated, progress.failed, progress.restarts)
        waits_for_others = not self._watch.online or self._supervisor.stuck
        now_s = self._clock.monotonic()
        if done != self._advanced or waits_for_others or self._supervisor.idle:
            self._advanced, self._advanced_at_s = done, now_s
        return now_s - self._advanced_at_s < ADVANCE_S

    def _wakers(self) -> list[socket.socket | Connection]:
        scouts = (self._watch.connection, self._walk.connection if self._walk else None)
        return [self._woken, *(connection for connection in scouts if connection is not None)]

    def _summarise(self) -> None:
        now_s = self._clock.monotonic()
        if now_s >= self._summary_due_s:
            self._summary_due_s = now_s + SUMMARY_S
            progress = self._supervisor.progress
            done = (progress.annotated, progress.failed)
            annotated, failed = done[0] - self._done_before[0], done[1] - self._done_before[1]
            self._done_before, self._per_minute = done, float(annotated)
            if annotated or failed:
                waiting = self._backlog.waiting()
                log.info("%d captures annotated, %d failed, %d wait", annotated, failed, waiting)
            self._write_health()
        elif self._health_written is None or self._has_changed(self._health_written):
            self._write_health()

    def _has_changed(self, before: Health) -> bool:
        stood_in_for = self._supervisor.stood_in_for
        return (before.mount, before.stood_in_for) != (self._watch.health, stood_in_for)

    def _write_health(self) -> None:
        health = Health(
            written_at=self._clock.now(),
            mount=self._watch.health,
            workers=self._supervisor.worker_pids,
            worker_restarts=self._supervisor.progress.restarts,
            annotated_per_minute=self._per_minute,
            delegates=tuple(sorted(self._supervisor.progress.delegates)),
            database_stuck=self._supervisor.stuck,
            stood_in_for=self._supervisor.stood_in_for,
            waiting=self._backlog.waiting(),
        )
        self._health_written = health
        said = f"store {health.mount.state}, {health.waiting} wait"
        self._notify(f"STATUS={said}, {self._per_minute:.0f} in a minute")
        self._onlooker.health(health)
        try:
            write_health(self._database, health)
        except OSError as error:
            log.debug("the health file cannot be written: %s", error)

    @property
    def _database(self) -> Path:
        return self._config.database_path
