"""`watch` and `backfill`: the supervisor over the database, with scouts at the store."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from annotator.app.children import scout_starter, start_probe, start_worker
from annotator.app.signals import stop_signals
from annotator.clock import SystemClock
from annotator.config import Config
from annotator.domain import Origin, Station, Window
from annotator.errors import BusyError, RuntimeUnavailable, StoreUnavailable

if TYPE_CHECKING:
    from annotator.child import Graveyard
    from annotator.reconcile import Reconciliation
    from annotator.supervisor import Progress, Supervisor
    from db.backlog import SqlBacklog
    from db.engine import Database
    from db.lock import LockHolder
    from db.store import SqlStore

log = logging.getLogger(__name__)

TURN_S = 0.5
WALK_STALL_S = 120.0


@dataclass(slots=True)
class BackfillState:
    """What a progress bar needs; brought up to date while the backfill runs."""

    walking: bool = True
    handed_over_to: LockHolder | None = None
    done: int = 0
    waiting: int = 0
    interrupted: bool = False
    events: int = 0
    captures: int = 0
    added: int = 0
    unlistable: int = 0
    progress: Progress | None = None
    counted_at_s: float = -math.inf


def backfill(
    config: Config, window: Window, paths: Sequence[Path], tell: Callable[[BackfillState], None]
) -> BackfillState:
    """Annotate whatever of the window the database has not met; `tell` is called all along.

    With a daemon running, the captures go onto its backlog and this process only looks on.
    """
    from annotator.outposts import Walk
    from annotator.reconcile import Reconciliation
    from annotator.wire import Walking

    state = BackfillState()
    with _backfilling(config, window, paths, state) as job:
        order = Walking(job.window, job.records.store.store_identity())
        walk = Walk(scout_starter(job.config, job.graveyard), order, SystemClock(), WALK_STALL_S)
        reconciliation = Reconciliation(
            walk, job.records.backlog, job.records.store, Origin.BACKFILL, job.config
        )
        try:
            _work_off(job, reconciliation, state, tell)
        finally:
            reconciliation.stop()
    return state


def redo_fallback(
    config: Config, window: Window, paths: Sequence[Path], tell: Callable[[BackfillState], None]
) -> BackfillState:
    """Annotate anew what the CPU annotated in an Edge TPU's place; otherwise as `backfill`."""
    state = BackfillState(walking=False)
    with _backfilling(config, window, paths, state) as job:
        if job.supervisor and all(one.delegate == "cpu" for one in job.supervisor.stations):
            raise RuntimeUnavailable(
                "there is no Edge TPU to do it on", "run `annotator doctor`, which says why"
            )
        state.added = job.records.backlog.redo_fallback(job.window)
        _work_off(job, None, state, tell)
    return state


@dataclass(frozen=True, slots=True)
class _Backfilling:
    """What is at hand for a backfill of any kind; `signalled` is not empty once it is to stop.

    There is no supervisor where a daemon has one and does the work.
    """

    config: Config
    window: Window
    records: _Records
    supervisor: Supervisor | None
    graveyard: Graveyard
    signalled: Sequence[bool]


@contextmanager
def _backfilling(
    config: Config, window: Window, paths: Sequence[Path], state: BackfillState
) -> Iterator[_Backfilling]:
    """Begin one: `paths` come into the window, and the store has to be there and know it all."""
    from annotator.app.clerk import open_clerk
    from annotator.child import Graveyard

    graveyard = Graveyard()
    config = config.with_places(store=config.store_root.absolute())
    with open_clerk(config) as clerk:
        window = clerk.on_the_spot(window, paths)
    with (
        stop_signals() as signalled,
        _records(config) as records,
        _supervisor_or_none(config, records, graveyard, state) as supervisor,
    ):
        yield _Backfilling(config, window, records, supervisor, graveyard, signalled)


def _work_off(
    job: _Backfilling,
    walk: Reconciliation | None,
    state: BackfillState,
    tell: Callable[[BackfillState], None],
) -> None:
    """Until the walk, if there is one, is over and nothing waits. Raises StoreUnavailable."""
    while not job.signalled:
        if walk is not None:
            walk.turn()
            if walk.lost is not None:
                raise StoreUnavailable(walk.lost.message, walk.lost.next_step)
            # Asked first: what the walk has added is then counted below.
            state.walking = walk.running
        _work(job.supervisor, job.records.backlog, walk, state)
        tell(state)
        if not state.walking and _is_over(job.supervisor, state):
            return
    state.interrupted = True


def _work(
    supervisor: Supervisor | None,
    backlog: SqlBacklog,
    walk: Reconciliation | None,
    state: BackfillState,
) -> None:
    """One round of the own supervisor, or a look at the daemon's."""
    if walk is not None:
        state.events, state.captures = walk.events, walk.captures
        state.added, state.unlistable = walk.added, walk.unlistable
    if supervisor is None:
        if walk is None or not walk.running:
            SystemClock().sleep(TURN_S)
        state.waiting = backlog.waiting(Origin.BACKFILL)
        state.done = max(0, state.added - state.waiting)
        return
    supervisor.turn(TURN_S, [walk.connection] if walk and walk.connection else [])
    # Counting costs half as much as all else that is done here for a capture.
    now_s = SystemClock().monotonic()
    if supervisor.idle or now_s - state.counted_at_s >= TURN_S:
        state.waiting, state.counted_at_s = backlog.waiting(), now_s
    state.done = supervisor.progress.annotated + supervisor.progress.failed


def _is_over(supervisor: Supervisor | None, state: BackfillState) -> bool:
    """Nothing waits. Counted just now, if nothing is in hand."""
    return state.waiting == 0 and (supervisor is None or supervisor.idle)


def watch(config: Config) -> None:
    """The daemon; returns after SIGTERM or SIGINT. Raises AnnotatorError."""
    from annotator.app.telling import telling
    from annotator.child import Graveyard
    from annotator.daemon import Daemon
    from annotator.outposts import StoreWatch

    clock, graveyard = SystemClock(), Graveyard()
    config = config.with_places(store=config.store_root.absolute())
    start_scout = scout_starter(config, graveyard)
    stop = _Stop()
    with (
        stop_signals(stop),
        _records(config) as records,
        _supervisor(config, records, graveyard, "watch") as supervisor,
        telling(config, records.database, supervisor) as onlooker,
    ):
        identity = records.store.store_identity()
        store_watch = StoreWatch(
            start_scout, identity, config.mount, clock, graveyard, _recovery(config)
        )
        daemon = Daemon(
            supervisor,
            store_watch,
            start_scout,
            records.backlog,
            records.store,
            config,
            clock,
            _notifier(),
            onlooker,
        )
        stop.calls(daemon.stop)
        log.info("watching %s", config.store_root)
        daemon.run()
    log.info("stopped")


class _Stop:
    """A stop that may be asked for before there is something to stop."""

    def __init__(self) -> None:
        self._asked = False
        self._act: Callable[[], None] | None = None

    def __call__(self) -> None:
        self._asked = True
        if self._act:
            self._act()

    def calls(self, act: Callable[[], None]) -> None:
        self._act = act
        if self._asked:
            act()


def accept_store(config: Config) -> str:
    """Take the store as it is mounted now for the right one from now on; its identity."""
    from annotator.app.clerk import open_clerk

    with open_clerk(config) as clerk:
        identity = clerk.identity()
    with _records(config) as records:
        records.store.set_store_identity(identity)
    return identity


def retry_failures(config: Config, reasons: Sequence[str], paths: Sequence[str]) -> int:
    """Make failed captures wait again; how many."""
    from annotator.domain import Reason

    with _records(config) as records:
        return records.backlog.retry([Reason(reason) for reason in reasons], paths)


TWO_WORKERS_BYTES = 3 * 2**30
"""A worker and its face process take some 220 MB; on less memory than this there is one pair."""


def worker_processes(config: Config) -> int:
    """How many share the CPU: [worker] processes, else two where cores and memory allow.

    Two pairs of one thread each finish a third earlier than one pair with two, since faces cost
    most and dlib uses one core; without faces it makes no difference.
    """
    if config.worker.processes:
        return config.worker.processes
    memory_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    is_small = (os.cpu_count() or 1) < 2 or memory_bytes < TWO_WORKERS_BYTES
    return 1 if is_small else 2


def _recovery(config: Config) -> Callable[[], str] | None:
    if config.mount.recover == "off":
        return None
    from annotator.nvr.mount import recover_abort

    return lambda: recover_abort(config.store_root)


def _notifier() -> Callable[[str], None]:
    """sd_notify; says nothing where no service manager listens."""
    import sdnotify

    notifier = sdnotify.SystemdNotifier()
    if notifier.socket is not None:
        notifier.socket.setblocking(False)  # a listener that does not listen cannot stop us
    tell: Callable[[str], None] = notifier.notify
    return tell


@dataclass(frozen=True, slots=True)
class _Records:
    """The database, open to write, and what this process writes there."""

    database: Database
    backlog: SqlBacklog
    store: SqlStore


@contextmanager
def _records(config: Config) -> Iterator[_Records]:
    from db.backlog import SqlBacklog
    from db.engine import open_database
    from db.store import SqlStore

    with open_database(config.database_path, forbidden_root=config.store.root) as database:
        clock = SystemClock()
        store = SqlStore(database, clock, lambda monitor: config.for_monitor(monitor).stationary)
        yield _Records(database, SqlBacklog(database, clock), store)


@contextmanager
def _supervisor(
    config: Config, records: _Records, graveyard: Graveyard, role: str
) -> Iterator[Supervisor]:
    """The one supervisor of this database. Raises BusyError where there is one already."""
    from annotator.app.stations import stations_for
    from annotator.supervisor import Supervisor
    from db.lock import SupervisorLock

    with SupervisorLock(config.database_path).acquire(role):
        freed = records.backlog.free_all()
        if freed:
            log.info("%d captures were in hand when the last run ended; they wait again", freed)
        stations = stations_for(config)
        if stations == (Station(),):
            stations *= worker_processes(config)
        shared_out = _shared_out(config, len(stations))
        supervisor = Supervisor(
            records.backlog,
            records.store,
            lambda station: start_worker(shared_out, station, graveyard),
            lambda station: start_probe(shared_out, station, graveyard),
            config.worker,
            config.watch,
            SystemClock(),
            stations=stations,
            device_retry_s=config.inference.device_retry_s,
        )
        try:
            yield supervisor
        finally:
            supervisor.close()


def _shared_out(config: Config, processes: int) -> Config:
    """The configuration of one of several workers: its share of the processor's cores."""
    if config.inference.threads or processes == 1:
        return config
    threads = max(1, (os.cpu_count() or 1) // processes)
    return config.model_copy(
        update={"inference": config.inference.model_copy(update={"threads": threads})}
    )


@contextmanager
def _supervisor_or_none(
    config: Config, records: _Records, graveyard: Graveyard, state: BackfillState
) -> Iterator[Supervisor | None]:
    """A supervisor for backfill; None where the daemon has one and does the work."""
    from db.lock import holder

    try:
        with _supervisor(config, records, graveyard, "backfill") as supervisor:
            state.progress = supervisor.progress
            yield supervisor
    except BusyError:
        state.handed_over_to = holder(config.database_path)
        if state.handed_over_to is None or state.handed_over_to.role != "watch":
            raise
        yield None
