"""A database as it is after years: synthetic, and written without the pipeline.

    python -m benchmarks.years annotator.sqlite [--captures 10000000]

Events of 50 captures, one a second, of six monitors, more of them by day than by night. Of what is
seen half is cars, nearly all of which are parked; a third is people, of whom half have a face that
is seen. The rest are ten rarer labels. Half of the events are empty. Everything is written in
the order of time, as if live, with the schema's triggers, but in large transactions.
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from db.engine import open_database

FRAMES = 50
MONITORS = ("FrontDoor", "Drive", "Garden", "Hall", "Yard", "PlayroomDoor")
BUSY = (5, 6, 3, 3, 4, 2)
PARKING = {2, 5}
LABELS = (
    *("person", "car", "cat", "dog", "bird", "truck", "bicycle", "motorcycle", "bus"),
    *("potted plant", "umbrella", "bear"),
)
PERSON, CAR = 1, 2
RARER = tuple(range(3, len(LABELS) + 1))
RARITY = (300, 150, 120, 80, 60, 20, 15, 12, 6, 1)
NAMES = ("Anna", "Bob", "Eva", "Ben", "Mia", "Tom", "Ida", "Max", "Lea", "Jan")
HOURS = (1, 1, 1, 1, 1, 2, 5, 9, 9, 7, 7, 8, 9, 8, 8, 9, 10, 11, 11, 9, 7, 5, 3, 2)
BEGIN = datetime(2022, 3, 1, tzinfo=UTC)
EVENTS_AT_ONCE = 2000
CAR_SHARE, PERSON_SHARE, STILL_SHARE = 0.52, 0.33, 0.9

Rows = dict[str, list[tuple[Any, ...]]]


@dataclass(frozen=True)
class Size:
    captures: int
    detections: int
    faces: int
    days: int


def main() -> None:
    arguments = _arguments()
    share = arguments.captures / 10_000_000
    size = Size(
        arguments.captures,
        arguments.detections or round(3_000_000 * share),
        arguments.faces or round(500_000 * share),
        arguments.days,
    )
    build(arguments.path, size, embeddings=arguments.embeddings)


def build(path: Path, size: Size, *, embeddings: bool = False) -> None:
    if path.exists():
        raise SystemExit(f"{path} is there already")
    open_database(path, forbidden_root=None).close()
    began = time.perf_counter()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -400000"):
            connection.execute(f"PRAGMA {pragma}")
        writer = Years(size, random.Random(1), embeddings=embeddings)
        for rows in writer.batches():
            connection.execute("BEGIN")
            for table, values in rows.items():
                marks = ", ".join("?" * len(values[0]))
                names = f"({', '.join(COLUMNS[table])})"
                statement = f"INSERT INTO {table} {names} VALUES ({marks})"
                connection.executemany(statement, values)
            connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode = WAL")
    took_s = time.perf_counter() - began
    print(
        f"{writer.captures} captures, {writer.detections} detections, {writer.faces} faces"
        f" in {took_s:.0f} s, {path.stat().st_size / 2**20:.0f} MB"
    )


BOX = ("xmin", "ymin", "xmax", "ymax")
CAPTURE = ("event_id", "frame", "file_name")
COLUMNS = {
    "monitor": ("id", "name", "directory"),
    "label": ("id", "name"),
    "provenance": (
        *("id", "detector", "delegate", "fallback", "face_detector", "embedder", "recogniser"),
    ),
    "recogniser": ("id", "name"),
    "event": ("id", "monitor_id", "path", "started_at", "frame_format", "first_frame"),
    "stationary": (
        *("id", "monitor_id", "label_id", *BOX, "first_seen", "first_event_id", "first_frame"),
        *("last_seen", "last_event_id", "last_frame", "sightings", "there", "stale"),
    ),
    "capture": (*CAPTURE, "captured_at", "annotated_at", "width", "height", "provenance_id"),
    "detection": (
        *("id", *CAPTURE, "captured_at", "monitor_id", "label_id", "class_id", "score", *BOX),
        *("stationary_id", "stay"),
    ),
    "face": (
        *("id", "detection_id", "captured_at", "verdict", "name", "probability", "distance"),
        *("score", "sharpness", *BOX, "event_id", "track", "seen_better", "recogniser_id"),
        "stranger",
    ),
    "embedding": ("face_id", "vector"),
    "failure": (*CAPTURE, "reason", "message", "attempts", "failed_at"),
    "skipped": (*CAPTURE, "reason"),
    "backlog": (*CAPTURE, "monitor_id", "origin", "fineness", "event_started_at", "added_at"),
}


@dataclass
class Parked:
    """A car in a drive."""

    id: int
    monitor: int
    first: tuple[int, int, int]
    last: tuple[int, int, int]
    sightings: int = 0

    def row(self, *, there: bool) -> tuple[Any, ...]:
        times = (*self.first, *self.last)
        return (
            *(self.id, self.monitor, CAR, 600, 400, 900, 600),
            *(*times, self.sightings, int(there), 0),
        )


@dataclass
class Years:
    """What happens, and how much of it there was until now."""

    size: Size
    random: random.Random
    embeddings: bool
    captures: int = 0
    detections: int = 0
    faces: int = 0
    cars: int = 0
    people: int = 0
    parked: dict[int, Parked] = field(default_factory=dict)
    left: list[Parked] = field(default_factory=list)

    def batches(self) -> Iterator[Rows]:
        yield {
            "monitor": [(n, name, str(n)) for n, name in enumerate(MONITORS, 1)],
            "label": [(n, name) for n, name in enumerate(LABELS, 1)],
            "provenance": [
                (1, "ssd@0123456789ab", "edgetpu", 0, "blaze@0123", "dlib@4567", "family@89ab")
            ],
            "recogniser": [(1, "family@89ab")],
        }
        rows: Rows = {}
        events = self.size.captures // FRAMES
        for number, (began_ms, monitor) in enumerate(self._beginnings(events), 1):
            self._event(rows, number, began_ms, monitor, number / events)
            if number > events - 3:
                self._waits(rows, number, began_ms, monitor)
            if number % EVENTS_AT_ONCE == 0 or number == events:
                yield _in_order(rows)
                rows = {}
        there = [one.row(there=True) for one in self.parked.values()]
        yield {"stationary": [one.row(there=False) for one in self.left] + there}

    def _beginnings(self, events: int) -> Iterator[tuple[int, int]]:
        done, taken = 0, set()
        for day in range(self.size.days):
            until = events * (day + 1) // self.size.days
            today = []
            for _ in range(until - done):
                (hour,) = self.random.choices(range(24), HOURS)
                (monitor,) = self.random.choices(range(1, 7), BUSY)
                second = self.random.randrange(3600)
                while (day, hour, second, monitor) in taken:
                    second = (second + 1) % 3600
                taken.add((day, hour, second, monitor))
                today.append((hour * 3600 + second, monitor))
            begin = BEGIN + timedelta(days=day)
            for seconds, monitor in sorted(today):
                yield round((begin + timedelta(seconds=seconds)).timestamp() * 1000), monitor
            done = until
            taken.clear()

    def _event(self, rows: Rows, number: int, began_ms: int, monitor: int, part: float) -> None:
        begun = datetime.fromtimestamp(began_ms / 1000, UTC)
        path = f"{begun:%y/%m/%d/%H/%M/%S}"
        _add(rows, "event", (number, monitor, path, began_ms, "%05d-capture.jpg", 1))
        seen: dict[int, list[tuple[int, int, int]]] = {}
        if self.random.random() < 0.7 or monitor in PARKING:
            self._cars(seen, number, began_ms, monitor, part)
            self._others(seen, part)
        for frame in range(1, FRAMES + 1):
            captured_ms = began_ms + 1000 * frame + self.random.randrange(1000)
            key = (number, frame, "")
            if self.random.random() < 0.0002:
                _add(rows, "failure", (*key, "truncated", f"{path} has no end", 3, captured_ms))
                continue
            capture = (*key, captured_ms, captured_ms // 1000 + 2, 1920, 1080, 1)
            _add(rows, "capture", capture)
            self.captures += 1
            for label, stationary, stay in seen.get(frame, ()):
                self._detection(rows, key, captured_ms, monitor, (label, stationary, stay))

    def _cars(
        self,
        seen: dict[int, list[tuple[int, int, int]]],
        number: int,
        began_ms: int,
        monitor: int,
        part: float,
    ) -> None:
        wanted = self.size.detections * CAR_SHARE * part - self.cars
        if wanted <= 0:
            return
        if monitor not in PARKING or self.random.random() > STILL_SHARE:
            passing = self.random.randrange(1, FRAMES - 12)
            for frame in range(passing, passing + self.random.randrange(2, 12)):
                seen.setdefault(frame, []).append((CAR, 0, -1))
                self.cars += 1
            return
        one = self.parked.get(monitor)
        if one is None or self.random.random() < 0.02:
            if one is not None:
                self.left.append(one)
            now = (began_ms, number, 1)
            one = Parked(len(self.left) + len(self.parked) + 1, monitor, now, now)
            self.parked[monitor] = one
        for frame in range(1, FRAMES + 1):
            one.sightings += 1
            one.last = (began_ms + 1000 * frame, number, frame)
            stay = 0 if one.sightings == 1 else 1
            seen.setdefault(frame, []).append((CAR, one.id, stay))
        self.cars += FRAMES

    def _others(self, seen: dict[int, list[tuple[int, int, int]]], part: float) -> None:
        wanted = self.size.detections * PERSON_SHARE * part - self.people
        if wanted > 0 and self.random.random() < 0.6:
            begin = self.random.randrange(1, FRAMES - 4)
            for frame in range(begin, min(FRAMES, begin + self.random.randrange(4, 40)) + 1):
                for _ in range(1 if self.random.random() < 0.9 else 2):
                    seen.setdefault(frame, []).append((PERSON, 0, -1))
                    self.people += 1
        wanted = self.size.detections * part - self.detections - FRAMES
        if wanted > 0 and self.random.random() < 0.5:
            (label,) = self.random.choices(RARER, RARITY)
            begin = self.random.randrange(1, FRAMES - 4)
            for frame in range(begin, min(FRAMES, begin + self.random.randrange(2, 30)) + 1):
                seen.setdefault(frame, []).append((label, 0, -1))

    def _detection(
        self,
        rows: Rows,
        key: tuple[int, int, str],
        captured_ms: int,
        monitor: int,
        what: tuple[int, int, int],
    ) -> None:
        label, stationary, stay = what
        self.detections += 1
        left, top = self.random.randrange(1200), self.random.randrange(500)
        width, height = self.random.randrange(30, 500), self.random.randrange(60, 500)
        score = round(0.4 + 0.599 * self.random.random(), 4)
        box = (left, top, left + width, top + height)
        of_stay = (stationary, stay) if stationary else (None, None)
        _add(
            rows,
            "detection",
            (self.detections, *key, captured_ms, monitor, label, label, score, *box, *of_stay),
        )
        if label == PERSON and self.faces < self.size.faces * self.people / (
            self.size.detections * PERSON_SHARE
        ):
            for _ in range(1 if self.random.random() < 0.97 else 2):
                self._face(rows, key, captured_ms, (left, top))

    def _face(
        self, rows: Rows, key: tuple[int, int, str], captured_ms: int, corner: tuple[int, int]
    ) -> None:
        """Of one event mostly the same person."""
        self.faces += 1
        who = random.Random(key[0] if self.random.random() < 0.95 else captured_ms)
        kind, name, stranger = who.random(), None, None
        side = self.random.randrange(20, 180)
        box = (*corner, corner[0] + side, corner[1] + side)
        if kind < 0.45:
            (name,) = who.choices(NAMES, [1 / n for n in range(1, 11)])
            verdict = "known"
        elif kind < 0.65:
            verdict, stranger = "unknown", who.randrange(1, 400) if kind < 0.6 else None
        else:
            verdict = who.choice(("too small", "too small", "blurred", "turned away"))
        named = verdict in ("known", "unknown")
        seen_better = int(named and self.random.random() < 0.7)
        probability = round(0.5 + self.random.random() / 2, 4) if named else None
        _add(
            rows,
            "face",
            (
                *(self.faces, self.detections, captured_ms, verdict, name, probability),
                *(0.3 if named else None, 0.9, round(self.random.uniform(5, 600), 2), *box),
                *(key[0], 1 if named else None, seen_better, 1 if named else None, stranger),
            ),
        )
        if self.embeddings and named and not seen_better:
            _add(rows, "embedding", (self.faces, self.random.randbytes(512)))

    def _waits(self, rows: Rows, number: int, began_ms: int, monitor: int) -> None:
        """The newest events are not done."""
        for frame in range(FRAMES + 1, FRAMES + 11):
            key = (number, frame, "")
            _add(rows, "backlog", (*key, monitor, 0, 5, began_ms, began_ms + 1000 * frame))
        _add(rows, "skipped", (number, FRAMES + 11, "", 0))


def _add(rows: Rows, table: str, row: tuple[Any, ...]) -> None:
    rows.setdefault(table, []).append(row)


def _in_order(rows: Rows) -> Rows:
    """As the foreign keys want it."""
    place: Callable[[str], int] = list(COLUMNS).index
    return {table: rows[table] for table in sorted(rows, key=place)}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("path", type=Path)
    parser.add_argument("--captures", type=int, default=10_000_000)
    parser.add_argument("--detections", type=int, help="three for each ten captures")
    parser.add_argument("--faces", type=int, help="one for each six detections")
    parser.add_argument("--days", type=int, default=1000)
    parser.add_argument("--embeddings", action="store_true", help="random ones")
    return parser.parse_args()


if __name__ == "__main__":
    main()
