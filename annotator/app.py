"""The composition root: the only module that knows which adapter stands behind which port.

Every function imports what it builds, so that `--help` and `query` load nothing heavy. A command
of the CLI is one call of a function here.
"""

from __future__ import annotations

import difflib
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from annotator.clock import SystemClock
from annotator.config import Config, StoreSettings
from annotator.domain import (
    Annotation,
    Capture,
    CaptureQuery,
    Detection,
    Failure,
    Origin,
    Sighting,
    Totals,
    Window,
)
from annotator.errors import BusyError, CaptureUnreadable, StoreError
from annotator.reconcile import Reconciled

if TYPE_CHECKING:
    from annotator.child import WorkerProcess
    from annotator.nvr.tree import EventTree
    from annotator.supervisor import Progress, Supervisor
    from db.backlog import SqlBacklog
    from db.lock import LockHolder
    from db.queries import SqlQueries
    from db.store import SqlStore

log = logging.getLogger(__name__)

TURN_S = 0.5


# detect: one picture after the other in this process; no database, no daemon


@dataclass(frozen=True, slots=True)
class Looked:
    """One picture of `detect`: where it is and what came of it."""

    path: Path
    result: Annotation | Failure


def detect(config: Config, paths: Sequence[Path]) -> Iterator[Looked]:
    """Look at pictures, and at every picture below a folder. Raises AnnotatorError."""
    from annotator.inference.vision import build_vision
    from annotator.pipeline import annotate

    trees = [(_tree_around(config, path.resolve()), path) for path in paths]
    vision = build_vision(config)
    for tree, path in trees:
        for found in _captures_at(tree, path):
            if isinstance(found, Failure):
                yield Looked(tree.root / found.path, found)
                continue
            where = tree.absolute(found) if path.is_dir() else path
            try:
                content = tree.read(found)
                result = annotate(found, content, vision, config.for_monitor(found.monitor))
            except CaptureUnreadable as error:
                yield Looked(where, Failure(str(where), error.reason, str(error), found))
            else:
                yield Looked(where, result)


def _tree_around(config: Config, path: Path) -> EventTree:
    """The configured store where `path` lies in it, else a plain folder of pictures."""
    from annotator.nvr.tree import open_tree

    root = config.store.root
    if root is not None and path.is_relative_to(root.resolve()):
        return open_tree(config.store)
    return open_tree(
        StoreSettings(
            root=path if path.is_dir() else path.parent,
            layout="auto" if path.is_dir() else "plain",
            max_capture_mb=config.store.max_capture_mb,
        )
    )


def _captures_at(tree: EventTree, path: Path) -> Iterator[Capture | Failure]:
    path = path.resolve()
    if path.is_dir():
        for found in tree.walk(Window(paths=(str(path),))):
            if isinstance(found, Failure):
                yield found
            else:
                yield from found[1]
        return
    capture = tree.capture(path)
    if capture is None:
        raise StoreError(
            f"{path} does not look like a picture", "name .jpg files, or a folder of them"
        )
    yield capture


# backfill and watch: the supervisor over the database


@dataclass(slots=True)
class BackfillState:
    """What a progress bar needs; brought up to date while the backfill runs."""

    walking: bool = True
    handed_over_to: LockHolder | None = None
    done: int = 0
    waiting: int = 0
    interrupted: bool = False
    walk: Reconciled = field(default_factory=Reconciled)
    progress: Progress | None = None


def backfill(
    config: Config, window: Window, paths: Sequence[Path], tell: Callable[[BackfillState], None]
) -> BackfillState:
    """Annotate whatever of the window the database has not met; `tell` is called all along.

    With a daemon running, the captures go onto its backlog and this process only looks on.
    """
    from annotator.nvr.tree import open_tree
    from db.lock import holder

    with _signals() as signalled:
        tree = open_tree(config.store.model_copy(update={"root": config.store_root}))
        tree.check()
        window = _window_with(window, tree, paths)
        _check_monitors(window, tree)
        state = BackfillState()
        with _database(config) as (backlog, store), ExitStack() as running:
            supervisor: Supervisor | None = None
            try:
                supervisor = running.enter_context(_supervisor(config, backlog, store, "backfill"))
                state.progress = supervisor.progress
            except BusyError:
                state.handed_over_to = holder(config.database_path)
                if state.handed_over_to is None or state.handed_over_to.role != "watch":
                    raise
            walker = running.enter_context(ThreadPoolExecutor(1, thread_name_prefix="walk"))
            running.callback(signalled.append, True)
            walk = walker.submit(
                lambda: _walk(tree, backlog, store, window, state.walk, lambda: bool(signalled))
            )
            while not signalled:
                walked = walk.done()  # asked first: what it has added is then counted below
                if walked:
                    walk.result()
                if supervisor is None:
                    SystemClock().sleep(TURN_S)
                    state.waiting = backlog.waiting(Origin.BACKFILL)
                    state.done = max(0, state.walk.added - state.waiting)
                else:
                    supervisor.turn(TURN_S)
                    state.waiting = backlog.waiting()
                    state.done = supervisor.progress.annotated + supervisor.progress.failed
                state.walking = not walked
                tell(state)
                if walked and state.waiting == 0:
                    break
            else:
                state.interrupted = True
    return state


def _walk(
    tree: EventTree,
    backlog: SqlBacklog,
    store: SqlStore,
    window: Window,
    so_far: Reconciled,
    stopping: Callable[[], bool],
) -> None:
    from annotator.reconcile import reconcile

    origin = Origin.BACKFILL
    reconcile(tree, backlog, store, window, origin, so_far=so_far, stopping=stopping)


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


def watch(config: Config) -> None:
    """The daemon; returns after SIGTERM or SIGINT. Raises AnnotatorError."""
    from annotator.daemon import Daemon
    from annotator.nvr.tree import open_tree
    from annotator.nvr.watch import TreeWatch

    tree = open_tree(config.store.model_copy(update={"root": config.store_root}))
    with _database(config) as (backlog, store):
        with _supervisor(config, backlog, store, "watch") as supervisor:
            daemon = Daemon(
                supervisor,
                tree,
                backlog,
                store,
                lambda: TreeWatch(tree, poll_interval_s=config.watch.poll_interval_s),
                config.watch,
                SystemClock(),
                _notifier(),
            )
            with _signals(daemon.stop):
                log.info("watching %s", config.store_root)
                daemon.run()
        log.info("stopped")


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
        yield SqlBacklog(database, SystemClock()), SqlStore(database, SystemClock())


@contextmanager
def _supervisor(
    config: Config, backlog: SqlBacklog, store: SqlStore, role: str
) -> Iterator[Supervisor]:
    """The one supervisor of this database. Raises BusyError where there is one already."""
    from annotator.supervisor import Supervisor
    from db.lock import SupervisorLock

    with SupervisorLock(config.database_path).acquire(role):
        freed = backlog.free_all()
        if freed:
            log.info("%d captures were in hand when the last run ended; they wait again", freed)
        supervisor = Supervisor(
            backlog,
            store,
            lambda: start_worker(config),
            config.worker,
            config.watch,
            SystemClock(),
        )
        try:
            yield supervisor
        finally:
            supervisor.close()


def start_worker(config: Config) -> WorkerProcess:
    from annotator.child import WorkerProcess

    return WorkerProcess(
        [sys.executable, "-m", "annotator.app"], greeting=config.model_dump_json().encode()
    )


def run_worker(descriptor: int) -> None:
    """The whole life of a worker process, at its end of the pipe."""
    from multiprocessing.connection import Connection

    from annotator.inference.vision import build_vision
    from annotator.nvr.tree import open_tree
    from annotator.wire import MAX_MESSAGE_BYTES
    from annotator.worker import HUNG_UP, serve

    logging.basicConfig(level=logging.WARNING, format="worker: %(message)s")
    with Connection(descriptor) as connection, suppress(*HUNG_UP):
        config = Config.model_validate_json(connection.recv_bytes(MAX_MESSAGE_BYTES))
        serve(connection, open_tree(config.store), lambda: build_vision(config), config)


@contextmanager
def _signals(stop: Callable[[], None] | None = None) -> Iterator[list[bool]]:
    """SIGINT and SIGTERM ask to stop: the list fills, `stop` is called. Handlers only set flags."""
    import signal

    signalled: list[bool] = []

    def on_signal(_number: int, _frame: object) -> None:
        signalled.append(True)
        if stop:
            stop()

    before = {
        number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield signalled
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


# questions: read-only


@contextmanager
def _queries(config: Config) -> Iterator[SqlQueries]:
    from db.engine import open_read_only
    from db.queries import SqlQueries

    with open_read_only(config.database_path) as database:
        yield SqlQueries(database)


def query(config: Config, question: CaptureQuery) -> Iterator[Sighting]:
    """Newest first. Raises QueryError, DatabaseError."""
    with _queries(config) as queries:
        yield from queries.sightings(question)


@dataclass(frozen=True, slots=True)
class Status:
    """How things stand."""

    database: Path
    store: Path | None
    running: LockHolder | None
    totals: Totals
    failures: tuple[Failure, ...]


def status(config: Config, failures: int) -> Status:
    from db.lock import holder

    with _queries(config) as queries:
        return Status(
            database=config.database_path,
            store=config.store.root,
            running=holder(config.database_path),
            totals=queries.totals(),
            failures=tuple(queries.failures(failures)),
        )


def show(config: Config, paths: Sequence[Path], output: Path) -> Iterator[tuple[Path, Path]]:
    """Draw what the database knows about captures; (capture, picture written) for each."""
    from annotator.nvr.tree import open_tree
    from annotator.view.draw import draw

    tree = open_tree(config.store.model_copy(update={"root": config.store_root}))
    with _queries(config) as queries:
        for path in paths:
            capture = tree.capture(path.resolve() if path.exists() else path)
            known = queries.seen_in(capture) if capture else None
            if capture is None or known is None:
                raise StoreError(
                    f"{path} has not been annotated",
                    f"run `annotator backfill {path}` first, or `annotator detect --save DIR`",
                )
            yield (
                tree.absolute(capture),
                save_drawing(draw(tree.read(capture).jpeg, known), capture.path, output),
            )


def save_drawing(jpeg: bytes, name: str, output: Path) -> Path:
    """Write a drawn picture under one flat name made from the capture's path."""
    target = output / name.strip("/").replace("/", "_")
    try:
        output.mkdir(parents=True, exist_ok=True)
        target.write_bytes(jpeg)
    except OSError as error:
        raise StoreError(
            f"cannot write {target}: {error.strerror}", "name another folder"
        ) from error
    return target


def draw_detections(picture: Path, detections: tuple[Detection, ...], output: Path) -> Path:
    """For `detect --save`: the picture with its boxes."""
    from annotator.view.draw import draw

    return save_drawing(draw(picture.read_bytes(), detections), picture.name, output)


# models


@dataclass(frozen=True, slots=True)
class Model:
    """A known model; `cpu` and `edgetpu` tell how its files are: good, missing or wrong."""

    name: str
    task: str
    width: int
    height: int
    licence: str
    about: str
    cpu: str
    edgetpu: str | None


@dataclass(frozen=True, slots=True)
class FetchedModel:
    name: str
    task: str
    about: str
    complaints: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CheckedModelFile:
    path: Path
    good: bool


Download = Callable[[str, int, int | None], None]
"""Called with a file's name, the bytes that are here, and the bytes in all where they are known."""


def models(config: Config) -> tuple[Model, ...]:
    from annotator.inference.catalogue import file_state, load_catalogue

    directory = config.models_directory
    return tuple(
        Model(
            name=entry.name,
            task=entry.task,
            width=entry.width,
            height=entry.height,
            licence=entry.licence,
            about=entry.about,
            cpu=file_state(directory, entry.cpu),
            edgetpu=file_state(directory, entry.edgetpu) if entry.edgetpu else None,
        )
        for entry in load_catalogue().entries
    )


def fetch_models(
    config: Config, names: Sequence[str], mirror: str, edgetpu: bool, tell: Download
) -> tuple[FetchedModel, ...]:
    """The named models, else the best that can be had for each task. Raises ModelError."""
    from annotator.inference import fetch
    from annotator.inference.catalogue import load_catalogue

    def progress(step: fetch.Progress) -> None:
        tell(step.file, step.done_bytes, step.total_bytes)

    catalogue, directory = load_catalogue(), config.models_directory
    if names:
        entries = [catalogue.entry(name) for name in names]
        fetch.fetch(entries, directory, mirror=mirror, edgetpu=edgetpu, progress=progress)
        fetched = tuple(fetch.Fetched(entry) for entry in entries)
    else:
        fetched = fetch.fetch_best(
            catalogue, directory, mirror=mirror, edgetpu=edgetpu, progress=progress
        )
    return tuple(
        FetchedModel(one.entry.name, one.entry.task, one.entry.about, one.complaints)
        for one in fetched
    )


def verify_models(config: Config) -> Iterator[CheckedModelFile]:
    """Every model file that is here."""
    from annotator.inference.catalogue import FileState, load_catalogue

    for checked in load_catalogue().verify(config.models_directory):
        if checked.state is not FileState.MISSING:
            yield CheckedModelFile(checked.path, checked.state is FileState.GOOD)


if __name__ == "__main__":
    run_worker(int(sys.argv[1]))
