"""Housekeeping among processes: others write meanwhile, some are killed, and stores go away."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from annotator.app.census import Census, decode_reply
from annotator.app.children import probe_of
from annotator.app.keeping import prune
from annotator.child import Child, Graveyard
from annotator.clock import SystemClock
from annotator.config import Config, check_config
from annotator.errors import StoreUnavailable
from db.backup import back_up
from db.engine import open_database, open_read_only
from db.queries import SqlQueries
from db.store import SqlStore
from tests.contracts.backlog import annotation, captures, detection, event
from tests.fakes.clock import ManualClock
from tests.system.test_database_processes import ask, recorded, writer

ROOT = Path(__file__).parents[2]
EVENTS = 40


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """A store with events of two monitors, all annotated, and rules that leave little of them."""
    store = tmp_path / "events"
    config = check_config(
        {
            "store": {"root": str(store)},
            "database": {"path": str(tmp_path / "annotator.sqlite")},
            "mount": {"stall_s": 5},
            "watch": {"reconcile_listings_per_s": 100_000},
            "retention": {"detections_days": 1, "empty_days": 1},
        },
        "test",
    )
    with open_database(config.database_path, forbidden_root=None) as database:
        results = SqlStore(database, ManualClock())
        for minute in range(EVENTS):
            of = event(minute, ("Door", "Hall")[minute % 2])
            (store / of.directory).mkdir(parents=True)
            every = captures(of, *range(1, 101))
            seen = [annotation(one, *[detection()] * (one.frame % 4 == 0)) for one in every]
            results.record(seen, [])
        results.set_store_identity(probe_of(config)(None))
    return config


def run_prune(config: Config, *, look: bool = True, yes: bool = False) -> list[tuple[str, int]]:
    done = prune(config, dry_run=False, look=look, yes=yes, tell=lambda *told: None)
    if done.store_trouble:
        raise done.store_trouble
    return [(one.monitor, one.missing) for one in done.gone]


def gone(config: Config) -> int:
    return answer(config, "SELECT count(*) FROM event WHERE gone_at IS NOT NULL")


def answer(config: Config, question: str) -> int:
    with closing(sqlite3.connect(config.database_path)) as connection:
        return int(connection.execute(question).fetchone()[0])


def whole(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        counted = {
            subject: value
            for subject, part, value in connection.execute("SELECT * FROM tally WHERE part = ''")
        }
        question = "SELECT count(*) FROM captures WHERE state = '{}'"
        for subject, state in (("capture", "annotated"), ("pruned", "pruned")):
            (count,) = connection.execute(question.format(state)).fetchone()
            assert count == counted.get(subject, 0), state


def test_a_child_asks_the_store_what_is_gone(config: Config) -> None:
    for minute in (0, 2, 3):
        shutil.rmtree(config.store_root / event(minute, ("Door", "Hall")[minute % 2]).directory)
    assert run_prune(config) == [("Door", 2), ("Hall", 1)]
    assert gone(config) == 3


def test_another_store_marks_nothing(config: Config) -> None:
    with open_database(config.database_path, forbidden_root=None) as database:
        SqlStore(database, ManualClock()).set_store_identity("fuse.sshfs nvr:/events")
    shutil.rmtree(config.store_root)
    config.store_root.mkdir()
    with pytest.raises(StoreUnavailable, match="is not mounted"):
        run_prune(config)
    assert gone(config) == 0
    with open_database(config.database_path, forbidden_root=None) as database:
        SqlStore(database, ManualClock()).set_store_identity(probe_of(config)(None))
    run_prune(config)
    assert gone(config) == 0, "an empty one is not believed either"
    config.store_root.rmdir()
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        run_prune(config)
    assert gone(config) == 0


# Takes its greeting and is silent for ever after.
SILENT = "import sys, time; from multiprocessing.connection import Connection\n" + (
    "pipe = Connection(int(sys.argv[-1])); pipe.recv_bytes(); time.sleep(600)"
)


def test_a_store_that_hangs_is_given_up() -> None:
    graveyard = Graveyard()
    child = Child([sys.executable, "-c", SILENT], b"{}", decode_reply, graveyard)
    census = Census(child, SystemClock(), stall_s=0.5)
    with pytest.raises(StoreUnavailable, match="has not answered"):
        list(census.presences(["1/24"], lambda: False))
    census.close()
    assert len(graveyard) == 0


def test_a_child_that_dies_is_no_answer() -> None:
    child = Child([sys.executable, "-c", "pass"], b"{}", decode_reply, Graveyard())
    census = Census(child, SystemClock(), stall_s=30)
    with pytest.raises(StoreUnavailable):
        list(census.presences(["1/24"] * 300, lambda: False))
    census.close()


def test_a_backup_while_another_process_writes(tmp_path: Path) -> None:
    path = tmp_path / "annotator.sqlite"
    with writer(path, "Door") as process:
        ask(process, 200)
        assert recorded(process, 20) == 20
        ask(process, 10_000)
        for number in range(3):
            target = tmp_path / f"{number}.sqlite"
            back_up(path, target)
            whole(target)
            with open_read_only(target) as copy:
                totals = SqlQueries(copy).totals()
            assert totals.annotated >= 160
            assert totals.annotated % 8 == 0, "whole batches only"


# Prunes what [retention] of a configuration leaves, as fast as it can. Argument: the database.
PRUNER = """
import sys
from pathlib import Path
from annotator.clock import SystemClock
from annotator.config import RetentionSettings
from db.engine import open_database
from db.prune import SqlPruning

rules = RetentionSettings(detections_days=1, empty_days=1)
with open_database(Path(sys.argv[1]), forbidden_root=None) as database:
    for turn in SqlPruning(database, SystemClock(), lambda name: rules).turns():
        print(turn.done, flush=True)
"""


@contextmanager
def pruner(path: Path) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        [sys.executable, "-c", PRUNER, str(path)], stdout=subprocess.PIPE, cwd=ROOT
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("turns", [1, 3, 6])
def test_killed_while_it_prunes_it_goes_on(config: Config, turns: int) -> None:
    path = config.database_path
    with pruner(path) as process:
        assert process.stdout is not None
        assert sum(1 for _ in zip(range(turns), process.stdout, strict=False)) == turns
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    whole(path)
    assert answer(config, "SELECT count(*) FROM captures") == EVENTS * 100
    run_prune(config, look=False)
    whole(path)
    assert answer(config, "SELECT count(*) FROM captures") == EVENTS * 100
    # The newest detection of all stays.
    assert answer(config, "SELECT count(*) FROM detection") == 1


def test_others_write_while_it_prunes(config: Config) -> None:
    """Neither fails, and nothing of either is lost."""
    path = config.database_path
    with writer(path, "Street") as one, pruner(path) as process:
        ask(one, 20)
        assert process.stdout is not None
        turns = sum(1 for _ in process.stdout)
        assert recorded(one, 20) == 20
        assert process.wait() == 0
    assert turns > 5
    whole(path)
    assert answer(config, "SELECT count(*) FROM captures WHERE monitor LIKE 'Street%'") == 20 * 8
    run_prune(config, look=False)
    assert answer(config, "SELECT count(*) FROM detection") == 1


def test_it_stops_when_it_is_told_to_and_goes_on(config: Config) -> None:
    """By SIGTERM, as the service manager sends it, in the middle of something."""
    told: list[str] = []

    def tell(what: str, done: int, total: int) -> None:
        told.append(what)
        if told.count("detections") == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    done = prune(config, dry_run=False, look=True, yes=False, tell=tell)
    assert done.interrupted
    assert told.count("detections") == 2
    assert 0 < sum(one.count for one in done.pruned) < EVENTS * 100
    whole(config.database_path)
    done = prune(config, dry_run=False, look=True, yes=False, tell=lambda *told: None)
    assert not done.interrupted
    assert answer(config, "SELECT count(*) FROM detection") == 1
