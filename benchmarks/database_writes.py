"""How many bytes a thousand captures make the database write, as they come from live monitors.

    python benchmarks/database_writes.py [--captures 4000] [--directory DIR]

Four monitors record events of 50 frames, a frame each at the same moment. Captures are added,
leased and recorded through the backlog and the store as under a supervisor that keeps up: all that
has come is done before more comes. "Written" is what SQLite hands to the kernel, its log and the
checkpoints together (`wchar` of /proc/self/io); "to disk" is what the kernel means to bring to the
disk (`write_bytes`), where several writes of one page shortly after each other count once. DIR has
to lie on a disk: a tmpfs brings nothing anywhere.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count, islice
from pathlib import Path

from annotator.clock import SystemClock
from annotator.config import StationarySettings
from annotator.domain import Annotation, BoundingBox, Capture, Detection, Event, Origin, Provenance
from db.backlog import SqlBacklog
from db.engine import Database, open_database
from db.store import SqlStore

FRAMES, MONITORS, LEASED_AT_ONCE, WARM_UP = 50, 4, 8, 2400
START = datetime(2024, 5, 1, 12, tzinfo=UTC)
PROVENANCE = Provenance("ssd_mobilenet_v2_coco@0123456789ab", "edgetpu")
PERSON = Detection("person", 0, 0.8437, BoundingBox(600, 200, 900, 1000))
CAR = Detection("car", 2, 0.8437, BoundingBox(1200, 600, 1700, 900))
SEEN: dict[str, tuple[Detection, ...]] = {
    "nothing": (),
    "a person": (PERSON,),
    "a parked car": (CAR,),
}


@dataclass(frozen=True)
class Written:
    """Bytes since the process began."""

    by_sqlite: int
    to_disk: int

    def per_capture(self, since: Written, captures: int) -> Written:
        return Written(
            (self.by_sqlite - since.by_sqlite) // captures,
            (self.to_disk - since.to_disk) // captures,
        )


def main() -> None:
    arguments = _arguments()
    print(f"{'seen':>12} {'come at once':>12} {'written':>10} {'to disk':>10}  KB per 1000")
    with tempfile.TemporaryDirectory(prefix="annotator-", dir=arguments.directory) as scratch:
        for seen, detections in SEEN.items():
            for at_once in (4, 16, 64):
                path = Path(scratch) / f"{seen}-{at_once}.sqlite"
                with open_database(path, forbidden_root=None) as database:
                    each = measured(database, arguments.captures, at_once, detections)
                print(f"{seen:>12} {at_once:12} {each.by_sqlite:10} {each.to_disk:10}")


def measured(
    database: Database, captures: int, at_once: int, detections: tuple[Detection, ...]
) -> Written:
    """What each capture makes the database write, once it is in its stride."""
    settings, live = StationarySettings(), live_captures()
    backlog = SqlBacklog(database, SystemClock())
    store = SqlStore(database, SystemClock(), lambda monitor: settings)
    run(backlog, store, live, WARM_UP, at_once, detections)
    before = written()
    run(backlog, store, live, captures, at_once, detections)
    return written().per_capture(before, captures)


def run(
    backlog: SqlBacklog,
    store: SqlStore,
    live: Iterator[Capture],
    captures: int,
    at_once: int,
    detections: tuple[Detection, ...],
) -> None:
    for _ in range(0, captures, at_once):
        backlog.add(list(islice(live, at_once)), Origin.LIVE)
        while leases := backlog.lease(LEASED_AT_ONCE):
            seen = [
                Annotation(
                    lease.capture, _captured_at(lease.capture), 1920, 1080, detections, PROVENANCE
                )
                for lease in leases
            ]
            store.record(seen, [])


def live_captures() -> Iterator[Capture]:
    for minute in count():
        begun = START + timedelta(minutes=minute)
        at_once = [
            Event(f"Monitor {monitor}", str(monitor), f"{begun:%y/%m/%d/%H/%M/%S}", begun)
            for monitor in range(1, MONITORS + 1)
        ]
        for frame in range(1, FRAMES + 1):
            for event in at_once:
                yield Capture(event, f"{frame:05d}-capture.jpg", frame)


def _captured_at(capture: Capture) -> datetime:
    assert capture.event.started_at is not None
    return capture.event.started_at + timedelta(milliseconds=200 * capture.frame)


def written() -> Written:
    lines = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return Written(by_sqlite=int(lines["wchar"]), to_disk=int(lines["write_bytes"]))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--captures", type=int, default=4000)
    parser.add_argument("--directory", type=Path, help="where the databases are made and removed")
    return parser.parse_args()


if __name__ == "__main__":
    main()
