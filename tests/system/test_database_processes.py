"""The database among processes: one is killed in the middle, others read and write meanwhile."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from annotator.domain import CaptureQuery
from db.backlog import SqlBacklog
from db.engine import open_database, open_read_only
from db.queries import SqlQueries
from tests.fakes.clock import ManualClock
from tests.unit.db.test_stationary import (
    LONG_DAY,
    check_objects,
    expected,
    found,
    record,
    store_of,
)

BATCH, DETECTIONS = 8, 25

# Records a batch for each line it is given, and says so. Arguments: database, monitor.
WRITER = f"""
import sys
from pathlib import Path
from db.engine import open_database
from db.store import SqlStore
from tests.contracts.backlog import annotation, captures, detection, event
from tests.fakes.clock import ManualClock

database = open_database(Path(sys.argv[1]), forbidden_root=None)
store = SqlStore(database, ManualClock())
for minute, _ in enumerate(sys.stdin):
    batch = captures(event(minute % 60, f"{{sys.argv[2]}} {{minute}}"), *range({BATCH}))
    store.record([annotation(one, *[detection()] * {DETECTIONS}) for one in batch], [])
    print(minute, flush=True)
"""


# Adds and leases a batch for each line it is given, and says so. Argument: database.
LEASER = f"""
import sys
from pathlib import Path
from annotator.domain import Origin
from db.backlog import SqlBacklog
from db.engine import open_database
from tests.contracts.backlog import captures, event
from tests.fakes.clock import ManualClock

backlog = SqlBacklog(open_database(Path(sys.argv[1]), forbidden_root=None), ManualClock())
for minute, _ in enumerate(sys.stdin):
    backlog.add(captures(event(minute), *range({BATCH})), Origin.LIVE)
    backlog.lease({BATCH // 2})
    print(minute, flush=True)
"""


# Records a batch of a long day with a parked car for each line it is given. Argument: database.
PARKER = """
import sys
from pathlib import Path
from db.engine import open_database
from tests.unit.db.test_stationary import LONG_DAY, store_of

database = open_database(Path(sys.argv[1]), forbidden_root=None)
store = store_of(database)
for batch, _ in enumerate(sys.stdin):
    store.record(LONG_DAY[batch * 8 : batch * 8 + 8], [])
    print(batch, flush=True)
"""


@contextmanager
def writer(path: Path, monitor: str, program: str = WRITER) -> Iterator[subprocess.Popen[bytes]]:
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", program, str(path), monitor],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=root,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def ask(process: subprocess.Popen[bytes], batches: int) -> None:
    assert process.stdin is not None
    process.stdin.write(b"\n" * batches)
    process.stdin.flush()


def recorded(process: subprocess.Popen[bytes], batches: int) -> int:
    """Wait for so many batches; how many there were before the process ended."""
    assert process.stdout is not None
    return sum(1 for _ in zip(range(batches), process.stdout, strict=False))


@pytest.mark.parametrize("batches", [1, 2, 3, 5])
def test_killed_while_it_records_leaves_whole_batches(tmp_path: Path, batches: int) -> None:
    path = tmp_path / "annotator.sqlite"
    with writer(path, "Door") as process:
        ask(process, 10_000)
        assert recorded(process, batches) == batches
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        batches += recorded(process, 10_000)
    with open_read_only(path) as reader:
        totals = SqlQueries(reader).totals()
        assert len(list(SqlQueries(reader).sightings(CaptureQuery()))) == totals.detections
    assert totals.annotated % BATCH == 0
    assert totals.annotated // BATCH in (batches, batches + 1), "what was said to be written is"
    assert totals.detections == totals.annotated * DETECTIONS
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        assert connection.execute("SELECT count(*) FROM capture").fetchone() == (totals.annotated,)


def test_killed_with_leases_in_hand_loses_neither_captures_nor_attempts(tmp_path: Path) -> None:
    path = tmp_path / "annotator.sqlite"
    with writer(path, "Door", LEASER) as process:
        ask(process, 3)
        assert recorded(process, 3) == 3
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    with open_database(path, forbidden_root=None) as database:
        backlog = SqlBacklog(database, ManualClock())
        assert backlog.waiting() == 3 * BATCH
        assert backlog.free_all() == 3 * BATCH // 2
        attempts = [lease.attempts for lease in backlog.lease(99)]
        assert sorted(attempts) == [1] * (3 * BATCH // 2) + [2] * (3 * BATCH // 2)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@pytest.mark.parametrize("batches", [4, 9])
def test_killed_while_a_car_is_parked_it_is_one_car_afterwards(
    tmp_path: Path, batches: int
) -> None:
    path = tmp_path / "annotator.sqlite"
    with writer(path, "Door", PARKER) as process:
        ask(process, batches)
        assert recorded(process, batches) == batches
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    with open_database(path, forbidden_root=None) as database:
        record(store_of(database), LONG_DAY[batches * 8 :])
        assert found(database) == expected(LONG_DAY)
        check_objects(database)


def test_two_writers_and_a_reader_get_on(tmp_path: Path) -> None:
    path = tmp_path / "annotator.sqlite"
    open_database(path, forbidden_root=None).close()
    with (
        writer(path, "Door") as one,
        writer(path, "Hall") as two,
        open_read_only(path) as reader,
    ):
        queries = SqlQueries(reader)
        seen = 0
        for _ in range(20):
            ask(one, 1)
            ask(two, 1)
            found = len(list(queries.sightings(CaptureQuery())))
            assert found % (BATCH * DETECTIONS) == 0, "whole batches only"
            assert found >= seen
            seen = found
            assert recorded(one, 1) == recorded(two, 1) == 1
        assert queries.totals().detections == 40 * BATCH * DETECTIONS
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
