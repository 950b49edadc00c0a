"""`watch` and `backfill`: the supervisor over the database, with scouts at the store."""

from __future__ import annotations

import difflib
import logging
import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from annotator.app.children import scout_starter, start_probe, start_worker
from annotator.app.signals import stop_signals
from annotator.clock import SystemClock
from annotator.config import Config
from annotator.domain import Origin, Station, Window
from annotator.errors import BusyError, RuntimeUnavailable, StoreError, StoreUnavailable

if TYPE_CHECKING:
    from annotator.child import Graveyard
    from annotator.nvr.tree import EventTree
    from annotator.reconcile import Reconciliation
    from annotator.supervisor import Progress, Supervisor
    from db.backlog import SqlBacklog
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
    from annotator.child import Graveyard
    from annotator.nvr.tree import open_tree
    from annotator.outposts import Walk
    from annotator.reconcile import Reconciliation
    from annotator.wire import Walking

    clock, graveyard, state = SystemClock(), Graveyard(), BackfillState()
    config = config.with_places(store=config.store_root.absolute())
    with stop_signals() as signalled, _database(config) as (backlog, store):
        tree = open_tree(config.store)
        tree.check()
        window = _window_with(window, tree, paths)
        _check_monitors(window, tree)
        with _supervisor_or_none(config, backlog, store, graveyard, state) as supervisor:
            order = Walking(window, store.store_identity())
            walk = Walk(scout_starter(config, graveyard), order, clock, WALK_STALL_S)
            reconciliation = Reconciliation(walk, backlog, store, Origin.BACKFILL, config)
            try:
                while not signalled:
                    reconciliation.turn()
                    if reconciliation.lost is not None:
                        raise StoreUnavailable(
                            reconciliation.lost.message, reconciliation.lost.next_step
                        )
                    # Asked first: what the walk has added is then counted below.
                    state.walking = reconciliation.running
                    _work(supervisor, backlog, reconciliation, state)
                    tell(state)
                    if not state.walking and _is_over(supervisor, state):
                        break
                else:
                    state.interrupted = True
            finally:
                reconciliation.stop()
    return state


def redo_fallback(
    config: Config, window: Window, paths: Sequence[Path], tell: Callable[[BackfillState], None]
) -> BackfillState:
    """Annotate anew what the CPU annotated in an Edge TPU's place; otherwise as `backfill`."""
    from annotator.child import Graveyard
    from annotator.nvr.tree import open_tree

    state = BackfillState(walking=False)
    config = config.with_places(store=config.store_root.absolute())
    with stop_signals() as signalled, _database(config) as (backlog, store):
        tree = open_tree(config.store)
        tree.check()
        window = _window_with(window, tree, paths)
        _check_monitors(window, tree)
        with _supervisor_or_none(config, backlog, store, Graveyard(), state) as supervisor:
            if supervisor and all(one.delegate == "cpu" for one in supervisor.stations):
                raise RuntimeUnavailable(
                    "there is no Edge TPU to do it on", "run `annotator doctor`, which says why"
                )
            state.added = backlog.redo_fallback(window)
            while not signalled:
                _work(supervisor, backlog, None, state)
                tell(state)
                if _is_over(supervisor, state):
                    break
            else:
                state.interrupted = True
    return state


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
        _database(config) as (backlog, store),
        _supervisor(config, backlog, store, graveyard, "watch") as supervisor,
        telling(config, supervisor) as onlooker,
    ):
        store_watch = StoreWatch(
            start_scout, store.store_identity(), config.mount, clock, graveyard, _recovery(config)
        )
        daemon = Daemon(
            supervisor,
            store_watch,
            start_scout,
            backlog,
            store,
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
    from annotator.app.children import probe_of

    with _database(config) as (_, store):
        identity = probe_of(config)(None)
        store.set_store_identity(identity)
    return identity


def retry_failures(config: Config, reasons: Sequence[str], paths: Sequence[str]) -> int:
    """Make failed captures wait again; how many."""
    from annotator.domain import Reason

    with _database(config) as (backlog, _):
        return backlog.retry([Reason(reason) for reason in reasons], paths)


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


def _window_with(window: Window, tree: EventTree, paths: Sequence[Path]) -> Window:
    """`paths`, as a person types them (from here or from the root), made relative to the root."""
    relative = []
    for path in paths:
        below = tree.relative(path.resolve() if path.exists() else path)
        if below is None or not (tree.root / below).exists():
            where = f"is not below the store {tree.root}" if below is None else "does not exist"
            raise StoreError(
                f"{path} {where}", "name a path inside the store, or another store with --store"
            )
        relative.append(below)
    return replace(window, paths=tuple(relative))


def _check_monitors(window: Window, tree: EventTree) -> None:
    known = [monitor.name for monitor in tree.monitors().monitors]
    for name in window.monitors:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there is: {', '.join(sorted(known))}"
            raise StoreError(f"the store has no monitor {name!r}", hint)


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


@contextmanager
def _database(config: Config) -> Iterator[tuple[SqlBacklog, SqlStore]]:
    from db.backlog import SqlBacklog
    from db.engine import open_database
    from db.store import SqlStore

    with open_database(config.database_path, forbidden_root=config.store.root) as database:
        clock = SystemClock()
        store = SqlStore(database, clock, lambda monitor: config.for_monitor(monitor).stationary)
        yield SqlBacklog(database, clock), store


@contextmanager
def _supervisor(
    config: Config, backlog: SqlBacklog, store: SqlStore, graveyard: Graveyard, role: str
) -> Iterator[Supervisor]:
    """The one supervisor of this database. Raises BusyError where there is one already."""
    from annotator.app.stations import stations_for
    from annotator.supervisor import Supervisor
    from db.lock import SupervisorLock

    with SupervisorLock(config.database_path).acquire(role):
        freed = backlog.free_all()
        if freed:
            log.info("%d captures were in hand when the last run ended; they wait again", freed)
        stations = stations_for(config)
        if stations == (Station(),):
            stations *= worker_processes(config)
        shared_out = _shared_out(config, len(stations))
        supervisor = Supervisor(
            backlog,
            store,
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
    config: Config,
    backlog: SqlBacklog,
    store: SqlStore,
    graveyard: Graveyard,
    state: BackfillState,
) -> Iterator[Supervisor | None]:
    """A supervisor for backfill; None where the daemon has one and does the work."""
    from db.lock import holder

    try:
        with _supervisor(config, backlog, store, graveyard, "backfill") as supervisor:
            state.progress = supervisor.progress
            yield supervisor
    except BusyError:
        state.handed_over_to = holder(config.database_path)
        if state.handed_over_to is None or state.handed_over_to.role != "watch":
            raise
        yield None
