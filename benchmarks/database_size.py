"""How many bytes of database a capture, a detection and a face take, and how fast they get there.

    python benchmarks/database_size.py [--captures 1000000] [--keep annotator.sqlite]

Captures come as a backfill brings them, newest event first in events of 50 frames, while four
monitors go on recording: for every batch of the backfill one of live captures, a frame of each
monitor in turn. All go through the backlog and the store as under the supervisor, in batches of 8.
Ids begin where they would stand after 100 million captures, since small numbers take fewer bytes.
"""

from __future__ import annotations

import argparse
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

from annotator.clock import SystemClock
from annotator.config import StationarySettings
from annotator.domain import (
    EMBEDDING_BYTES,
    Annotation,
    BoundingBox,
    Capture,
    Detection,
    Event,
    Face,
    Gate,
    Identification,
    Identity,
    Origin,
    Provenance,
)
from db.backlog import SqlBacklog
from db.engine import Database, open_database
from db.store import SqlStore

FRAMES, MONITORS, BATCH, LISTED = 50, 4, 8, 1000
EVENT_GAP = timedelta(seconds=60)
START = datetime(2024, 5, 1, 12, tzinfo=UTC)
PROVENANCE = Provenance("ssd_mobilenet_v2_coco@0123456789ab", "edgetpu")
LAST_EVENT_ID = 2_000_000
LAST_DETECTION_ID = 100_000_000


@dataclass(frozen=True)
class Size:
    """Bytes of the file in pages that hold something, and in pages that wait for reuse."""

    used: int
    free: int


class Run:
    """The part of the supervisor, over one database, for captures that all look the same."""

    def __init__(self, database: Database, detections: tuple[Detection, ...]) -> None:
        self._backlog = SqlBacklog(database, SystemClock())
        settings = StationarySettings()
        self._store = SqlStore(database, SystemClock(), lambda monitor: settings)
        self._detections = detections

    def fill(self, count: int) -> None:
        """Annotate `count` captures, half of them live."""
        live, old = live_captures(), old_captures()
        for turn in range(0, count, 2 * BATCH):
            if turn % (2 * LISTED) == 0:
                listed = min(LISTED, (count - turn) // 2)
                self._backlog.add(list(islice(old, listed)), Origin.BACKFILL)
            for _ in range(BATCH // MONITORS):
                self._backlog.add(list(islice(live, MONITORS)), Origin.LIVE)
            for _ in range(2):
                leases = self._backlog.lease(BATCH)
                self._store.record([self._annotation(lease.capture) for lease in leases], [])
        assert self._backlog.waiting() == 0

    def _annotation(self, capture: Capture) -> Annotation:
        started_at = capture.event.started_at
        assert started_at is not None
        captured_at = started_at + timedelta(milliseconds=200 * capture.frame)
        return Annotation(capture, captured_at, 1920, 1080, self._detections, PROVENANCE)


def main() -> None:
    arguments = _arguments()
    count = arguments.captures // (2 * LISTED) * 2 * LISTED
    found = Face(
        BoundingBox(700, 220, 780, 320),
        0.9123,
        151.7,
        Gate.USABLE,
        bytes(EMBEDDING_BYTES),
        Identification(Identity.KNOWN, "Anna", 0.8765, 0.4321),
    )
    person = Detection("person", 0, 0.8437, BoundingBox(600, 200, 900, 1000))
    with tempfile.TemporaryDirectory(prefix="annotator-benchmark-") as scratch:
        path = arguments.keep or Path(scratch) / "empty.sqlite"
        empty = measured(path, count, ())
        print(f"{empty.used / count:.1f} bytes per capture without detections")
        print(f"{empty.free / count:.1f} more in free pages, where the backlog was")
        few = count // 10 // (2 * LISTED) * 2 * LISTED
        base = measured(Path(scratch) / "base.sqlite", few, ()).used
        detected = measured(Path(scratch) / "detected.sqlite", few, (person,)).used
        print(f"{(detected - base) / few:.1f} bytes per detection")
        car = replace(person, label="car")
        parked = measured(Path(scratch) / "parked.sqlite", few, (car,)).used
        print(f"{(parked - base) / few:.1f} bytes per detection of a parked car")
        person_with_face = person.with_faces((found,))
        seen = measured(Path(scratch) / "seen.sqlite", few, (person_with_face,)).used
        print(f"{(seen - detected) / few:.1f} bytes per face with its embedding")


def measured(path: Path, count: int, detections: tuple[Detection, ...]) -> Size:
    """The size after `count` captures, each with these detections."""
    with open_database(path, forbidden_root=None) as database:
        begin_late(path)
        before = size(path)
        began = time.perf_counter()
        Run(database, detections).fill(count)
        rate = count / (time.perf_counter() - began)
    after = size(path)
    print(f"{count} captures with {len(detections)} detections, {rate:.0f} captures/s")
    return Size(after.used - before.used, after.free)


def begin_late(path: Path) -> None:
    """Make ids go on from where they stand after 100 million captures."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(
            f"""
            INSERT INTO monitor VALUES (1, 'gone', 'gone');
            INSERT INTO event (id, monitor_id, path, frame_format, first_frame)
            VALUES ({LAST_EVENT_ID}, 1, 'gone', '', 1);
            INSERT INTO provenance VALUES (1, '', '', 0, '', '', '');
            INSERT INTO label VALUES (1, 'gone');
            INSERT INTO capture VALUES ({LAST_EVENT_ID}, 1, '', 0, 0, 1, 1, 1, NULL);
            INSERT INTO detection VALUES
                ({LAST_DETECTION_ID}, {LAST_EVENT_ID}, 1, '', 0, 1, 1, 0, 0.5, 0, 0, 1, 1,
                 NULL, NULL);
            INSERT INTO face VALUES
                ({LAST_DETECTION_ID}, {LAST_DETECTION_ID}, 0, 'blurred', NULL, NULL, NULL,
                 0.5, 0, 0, 0, 1, 1, {LAST_EVENT_ID}, NULL, 0, NULL, NULL);
            """
        )


def size(path: Path) -> Size:
    with closing(sqlite3.connect(path)) as connection:
        page_size, pages, free = (
            connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_size", "page_count", "freelist_count")
        )
    return Size(page_size * (pages - free), page_size * free)


def events(step: timedelta) -> Iterator[Event]:
    """One event after the other, the monitors in turn."""
    begun = START
    while True:
        for monitor in range(1, MONITORS + 1):
            begun += step
            yield Event(f"Monitor {monitor}", str(monitor), f"{begun:%y/%m/%d/%H/%M/%S}", begun)


def old_captures() -> Iterator[Capture]:
    for event in events(-EVENT_GAP):
        for frame in range(1, FRAMES + 1):
            yield Capture(event, f"{frame:05d}-capture.jpg", frame)


def live_captures() -> Iterator[Capture]:
    following = events(EVENT_GAP)
    while True:
        at_once = list(islice(following, MONITORS))
        for frame in range(1, FRAMES + 1):
            for event in at_once:
                yield Capture(event, f"{frame:05d}-capture.jpg", frame)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--captures", type=int, default=1_000_000)
    parser.add_argument("--keep", type=Path, help="where to leave the database without detections")
    return parser.parse_args()


if __name__ == "__main__":
    main()
