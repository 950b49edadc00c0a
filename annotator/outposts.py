"""The scouts as their parent sees them: the store's state, new captures, walks through it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from multiprocessing.connection import Connection

from annotator.child import Child, ChildLost, Graveyard
from annotator.config import MountSettings
from annotator.domain import Capture, Failure, MountState
from annotator.ports import Clock
from annotator.wire import (
    Appeared,
    Beat,
    Changed,
    Met,
    Report,
    StoreLost,
    Unlistable,
    Walked,
    Walking,
    Watching,
)

NOT_ASKED = "it has not been asked yet"
MAX_RETRY_S = 60.0
MAX_BLOCKED = 4
"""So many scouts may hang in dead mounts; more would teach nothing."""

log = logging.getLogger(__name__)

StartScout = Callable[[Watching | Walking], Child[Report]]


@dataclass(frozen=True, slots=True)
class StoreHealth:
    """How the store stands, since when, and what was said about it."""

    state: MountState
    since: datetime
    detail: str = ""


class StoreWatch:
    """Keeps one watching scout alive and tells what it sees; `turn` is one round, never blocks.

    `expected` is the identity that the store must have, None while any will do; `found` is the one
    that it had when it answered last.
    """

    def __init__(
        self,
        start_scout: StartScout,
        identity: str | None,
        settings: MountSettings,
        clock: Clock,
        graveyard: Graveyard,
        recover: Callable[[], str] | None = None,
    ) -> None:
        self.expected = identity
        self.found: str | None = None
        self.health = StoreHealth(MountState.OFFLINE, clock.now(), NOT_ASKED)
        self._start_scout = start_scout
        self._settings = settings
        self._clock = clock
        self._graveyard = graveyard
        self._recover = recover
        self._scout: Child[Report] | None = None
        self._is_new = False
        self._gap = False
        self._heard_at_s = 0.0
        self._start_due_s = 0.0
        self._retry_s = settings.retry_s
        self._in_trouble_since_s: float | None = None

    def take_gap(self) -> bool:
        """Whether captures may have appeared unseen since this was asked last: a new scout tells
        only of what appears after its start."""
        gap, self._gap = self._gap, False
        return gap

    @property
    def online(self) -> bool:
        return self.health.state is MountState.ONLINE

    @property
    def connection(self) -> Connection | None:
        return self._scout.connection if self._scout else None

    def turn(self) -> tuple[Capture, ...]:
        """The captures that have appeared."""
        now_s = self._clock.monotonic()
        captures: tuple[Capture, ...] = ()
        if self._scout is None and now_s >= self._start_due_s:
            self._start(now_s)
        if self._scout is not None:
            captures = self._listen(self._scout, now_s)
        if self._scout is not None and now_s - self._heard_at_s >= self._settings.stall_s:
            self._dismiss(now_s)
            seconds = f"{self._settings.stall_s:g} s"
            self._change(MountState.STALLED, f"it has not answered for {seconds}")
        self._help(now_s)
        return captures

    def stop(self) -> None:
        if self._scout is not None:
            self._scout.kill()
            self._scout = None

    def _start(self, now_s: float) -> None:
        self._start_due_s = now_s + self._retry_s
        if len(self._graveyard) < MAX_BLOCKED:
            self._scout = self._start_scout(Watching(self.expected))
            self._is_new = True
            self._heard_at_s = now_s

    def _listen(self, scout: Child[Report], now_s: float) -> tuple[Capture, ...]:
        captures: list[Capture] = []
        try:
            for report in scout.messages():
                self._heard_at_s = now_s
                match report:
                    case Beat():
                        self.found = report.identity
                        self._gap, self._is_new = self._gap or self._is_new, False
                        self._retry_s = self._settings.retry_s
                        self._change(MountState.ONLINE, report.identity)
                    case Appeared():
                        captures += report.captures
                    case StoreLost():
                        is_wrong = report.is_other and self.expected is not None
                        state = MountState.WRONG_STORE if is_wrong else MountState.OFFLINE
                        self._dismiss(now_s)
                        self._change(state, f"{report.message}; {report.next_step}")
                        break
        except ChildLost as lost:
            log.debug("the scout %s", lost)
            self._dismiss(now_s)
        return tuple(captures)

    def _dismiss(self, now_s: float) -> None:
        self.stop()
        self._start_due_s = now_s + self._retry_s
        self._retry_s = min(MAX_RETRY_S, self._retry_s * 2)

    def _change(self, state: MountState, detail: str) -> None:
        before = self.health
        is_news = state is not before.state or before.detail == NOT_ASKED
        since = self._clock.now() if is_news else before.since
        self.health = StoreHealth(state, since, detail)
        if not is_news:
            return
        if state is MountState.ONLINE:
            self._in_trouble_since_s = None
            log.info("the store is online: %s", detail)
            return
        if self._in_trouble_since_s is None:
            self._in_trouble_since_s = self._clock.monotonic()
        log.warning("the store is %s: %s", state, detail)

    def _help(self, now_s: float) -> None:
        """Free a connection that has been dead for long, where the configuration wants that."""
        if self._recover is None or self.health.state is not MountState.STALLED:
            return
        since_s = self._in_trouble_since_s
        if since_s is not None and now_s - since_s >= self._settings.recover_after_s:
            self._in_trouble_since_s = now_s
            log.warning("recovering the mount: %s", self._recover())


@dataclass(slots=True)
class WalkProgress:
    """What a walk has met so far."""

    events: int = 0
    captures: int = 0
    unlistable: int = 0


class Walk:
    """One scout's walk, taken in piece by piece by `turn`, which never blocks."""

    def __init__(self, start_scout: StartScout, order: Walking, clock: Clock, stall_s: float):
        self.progress = WalkProgress()
        self.lost: StoreLost | None = None
        self._clock = clock
        self._stall_s = stall_s
        self._scout: Child[Report] | None = start_scout(order)
        self._heard_at_s = clock.monotonic()

    @property
    def running(self) -> bool:
        return self._scout is not None

    @property
    def connection(self) -> Connection | None:
        return self._scout.connection if self._scout else None

    def turn(
        self,
        met: Callable[[tuple[Capture, ...]], None],
        changed: Callable[[tuple[Capture, ...]], None],
        unlistable: Callable[[Failure], None],
    ) -> None:
        """Take in a little. The walk is over when it no longer runs; `lost` says why too early."""
        if self._scout is None:
            return
        try:
            # A few at a time: each may be a transaction, and live captures come first.
            reports = self._scout.messages(most=4)
        except ChildLost as error:
            self._end(StoreLost(f"the walk {error}", "it is tried again", is_other=False))
            return
        for report in reports:
            self._heard_at_s = self._clock.monotonic()
            match report:
                case Met():
                    self.progress.events += report.events
                    self.progress.captures += len(report.captures)
                    met(report.captures)
                case Changed():
                    changed(report.captures)
                case Unlistable():
                    self.progress.unlistable += 1
                    unlistable(report.failure)
                case Walked():
                    self._end(None)
                case StoreLost():
                    self._end(report)
        if self._clock.monotonic() - self._heard_at_s >= self._stall_s:
            self._end(StoreLost("the walk through the store hangs", "it is tried again", False))

    def stop(self) -> None:
        self._end(self.lost)

    def _end(self, lost: StoreLost | None) -> None:
        if self._scout is not None:
            self._scout.kill()
            self._scout = None
        self.lost = lost
