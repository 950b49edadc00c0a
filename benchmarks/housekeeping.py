"""What `annotator prune`, `backup` and `vacuum` do to a database of mostly empty captures.

    python -m benchmarks.housekeeping [--captures 1000000] [--database KEPT]

The database comes about as in database_size.py: half live, half old, through the backlog. In every
tenth event a person is seen in every third frame.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from collections import Counter
from datetime import timedelta
from itertools import islice
from pathlib import Path

from annotator.clock import SystemClock
from annotator.config import RetentionSettings
from annotator.domain import Annotation, BoundingBox, Capture, Detection, Event, Origin
from benchmarks.database_size import (
    BATCH,
    LISTED,
    MONITORS,
    PROVENANCE,
    Size,
    begin_late,
    live_captures,
    old_captures,
    size,
)
from db.backlog import SqlBacklog
from db.backup import back_up
from db.engine import open_database
from db.prune import SqlPruning
from db.store import SqlStore
from db.vacuum import vacuum

PERSON = Detection("person", 0, 0.8437, BoundingBox(600, 200, 900, 1000))
PERSON_EVERY_NTH_EVENT, PERSON_EVERY_NTH_FRAME = 10, 3


class Seen:
    """What is seen: events are numbered as they are met."""

    def __init__(self) -> None:
        self._events: dict[Event, int] = {}

    def annotation(self, capture: Capture) -> Annotation:
        number = self._events.setdefault(capture.event, len(self._events))
        is_person = (
            number % PERSON_EVERY_NTH_EVENT == 0 and capture.frame % PERSON_EVERY_NTH_FRAME == 0
        )
        assert capture.event.started_at is not None
        captured_at = capture.event.started_at + timedelta(milliseconds=200 * capture.frame)
        detections = (PERSON,) if is_person else ()
        return Annotation(capture, captured_at, 1920, 1080, detections, PROVENANCE)


def fill(path: Path, count: int) -> Size:
    """Annotate so many captures; the size before."""
    seen, live, old = Seen(), live_captures(), old_captures()
    with open_database(path, forbidden_root=None) as database:
        begin_late(path)
        before = size(path)
        backlog, store = SqlBacklog(database, SystemClock()), SqlStore(database, SystemClock())
        for turn in range(0, count, 2 * BATCH):
            if turn % (2 * LISTED) == 0:
                backlog.add(list(islice(old, LISTED)), Origin.BACKFILL)
            for _ in range(BATCH // MONITORS):
                backlog.add(list(islice(live, MONITORS)), Origin.LIVE)
            for _ in range(2):
                leases = backlog.lease(BATCH)
                store.record([seen.annotation(lease.capture) for lease in leases], [])
        assert backlog.waiting() == 0
    return before


def prune(path: Path, settings: RetentionSettings, what: str) -> None:
    went, took_ms = Counter[str](), list[float]()
    with open_database(path, forbidden_root=None) as database:
        pruning = SqlPruning(database, SystemClock(), lambda monitor: settings)
        began_s = time.perf_counter()
        expected = sum(one.count for turn in pruning.expected() for one in turn.pruned)
        counted_s = time.perf_counter() - began_s
        before_s = began_s = time.perf_counter()
        for turn in pruning.turns():
            now_s = time.perf_counter()
            took_ms.append(1000 * (now_s - before_s))
            before_s = now_s
            for one in turn.pruned:
                went[one.what] += one.count
        total_s = time.perf_counter() - began_s
    print(
        f"{what}: {expected} counted in {counted_s:.1f} s; {went.total()} went in {total_s:.1f} s, "
        f"{len(took_ms)} turns of {statistics.median(took_ms):.1f} ms (median), "
        f"{statistics.quantiles(took_ms, n=100)[98]:.1f} (99 %), {max(took_ms):.1f} (longest)"
    )


def main() -> None:
    arguments = _arguments()
    count = arguments.captures // (2 * LISTED) * 2 * LISTED
    with tempfile.TemporaryDirectory(prefix="annotator-benchmark-") as scratch:
        path = Path(scratch) / "annotator.sqlite"
        if arguments.database and arguments.database.exists():
            shutil.copyfile(arguments.database, path)
            before = Size(0, 0)
        else:
            before = fill(path, count)
            if arguments.database:
                shutil.copyfile(path, arguments.database)
        _print_size("as it grew", path, count, before)
        began_s = time.perf_counter()
        back_up(path, Path(scratch) / "copy.sqlite")
        print(f"backup with its check: {time.perf_counter() - began_s:.1f} s")
        prune(path, RetentionSettings(empty_days=1), "empty captures")
        _print_size("folded", path, count, before)
        prune(path, RetentionSettings(detections_days=1), "detections")
        _print_size("without detections", path, count, before)
        began_s = time.perf_counter()
        vacuum(path)
        print(f"vacuum: {time.perf_counter() - began_s:.1f} s")
        _print_size("after it", path, count, before)


def _print_size(what: str, path: Path, count: int, before: Size) -> None:
    now = size(path)
    print(
        f"{what}: {(now.used - before.used) / count:.2f} bytes per capture, "
        f"{now.free / 2**20:.1f} of {(now.free + now.used) / 2**20:.1f} MB free in the file"
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--captures", type=int, default=1_000_000)
    parser.add_argument(
        "--database", type=Path, help="take this one; where it is not there, keep one there"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
