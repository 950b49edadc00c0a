"""How long it takes to name every face of a database anew, and to take that back.

    python benchmarks/relabel.py [--faces 100000] [--people 20] [--keep annotator.sqlite]

The database is synthetic: events of ten captures with one person each, of whose faces half were
embedded and half were seen better elsewhere. The stand-in for a bundle finds the nearest of the
people's mean embeddings, for as many faces at once as `annotator relabel` gives it. Two bundles
take turns: one that changes about one face in twenty, and one that changes every face.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from annotator.app.naming import renamings
from annotator.clock import SystemClock
from annotator.domain import (
    Annotation,
    BoundingBox,
    Capture,
    Detection,
    Event,
    Face,
    FaceEvidence,
    FaceQuestion,
    Gate,
    Identification,
    Identity,
    Provenance,
    Relabelling,
    Window,
)
from db.engine import Database, open_database
from db.face_book import SqlFaceBook
from db.queries import SqlQueries
from db.store import SqlStore

CAPTURES, TRACKED, BATCH = 10, 5, 500
START = datetime(2024, 5, 1, 12, tzinfo=UTC)
PROVENANCE = Provenance("ssd", "cpu", False, "blaze", "dlib", "family@000000000000")
NEAR = 0.6


@dataclass(frozen=True)
class NearestMean:
    """The port `Recogniser`: whoever's mean is nearest and near enough."""

    provenance: str
    names: tuple[str, ...]
    means: Any  # people x 128

    def identify(self, faces: Sequence[FaceEvidence]) -> tuple[Identification, ...]:
        vectors = np.frombuffer(b"".join(one.embedding for one in faces), "<f4").reshape(-1, 128)
        squared = (vectors**2).sum(1)[:, None] - 2 * vectors @ self.means.T + (self.means**2).sum(1)
        distances = np.sqrt(squared.clip(0))
        nearest = distances.argmin(1)
        shortest = distances[np.arange(len(faces)), nearest]
        return tuple(
            Identification(Identity.KNOWN, self.names[who], 1 - distance / 2, distance)
            if distance < NEAR
            else Identification(Identity.UNKNOWN, None, 1 - distance / 2, distance)
            for who, distance in zip(nearest.tolist(), shortest.tolist(), strict=True)
        )


def main() -> None:
    arguments = _arguments()
    random = np.random.default_rng(1)
    means = random.normal(0, 0.1, (arguments.people, 128)).astype("<f4")
    names = tuple(f"person {n:02d}" for n in range(arguments.people))
    first = NearestMean("family@000000000000", names, means)
    # One person in twenty is somebody else to it.
    few = NearestMean("family@111111111111", ("somebody else", *names[1:]), means)
    every = NearestMean("family@222222222222", tuple(f"new {n}" for n in names), means)
    with tempfile.TemporaryDirectory(prefix="annotator-benchmark-") as scratch:
        path = arguments.keep or Path(scratch) / "annotator.sqlite"
        with open_database(path, forbidden_root=None) as database:
            began = time.perf_counter()
            fill(database, arguments.faces, first, random)
            print(
                f"{arguments.faces} embedded faces written in {time.perf_counter() - began:.0f} s"
            )
            for title, bundle in (("few change", few), ("all change", every)):
                run(f"{title}, dry run", lambda b=bundle: relabel(database, b, dry_run=True))
                run(title, lambda b=bundle: relabel(database, b, dry_run=False))
                run(f"{title}, undone", book(database).undo_relabelling)
            run("nothing changes", lambda: relabel(database, first, dry_run=False))
            people(database)
        print(f"{path.stat().st_size / 2**20:.0f} MB")


def run(title: str, act: Callable[[], Relabelling]) -> None:
    began, began_busy = time.perf_counter(), time.process_time()
    done = act()
    took_s, busy_s = time.perf_counter() - began, time.process_time() - began_busy
    print(f"{title:22} {took_s:6.2f} s, {busy_s:5.2f} s of a core  {done.changed} rows change")


def relabel(database: Database, bundle: NearestMean, *, dry_run: bool) -> Relabelling:
    stored = SqlQueries(database).stored_faces(FaceQuestion())
    return book(database).relabel(renamings(stored, bundle), bundle.provenance, dry_run=dry_run)


def book(database: Database) -> SqlFaceBook:
    return SqlFaceBook(database, SystemClock())


def people(database: Database) -> None:
    """Who was there in the last day of many."""
    newest = max(day for day in SqlQueries(database).totals().newest_by_monitor.values())
    began = time.perf_counter()
    found = list(SqlQueries(database).event_people(Window(since=newest - timedelta(days=1))))
    print(f"{'people of one day':22} {time.perf_counter() - began:6.2f} s  {len(found)} in events")


def fill(
    database: Database, faces: int, recogniser: NearestMean, random: np.random.Generator
) -> None:
    store = SqlStore(database, SystemClock())
    written = annotations(faces, recogniser, random)
    while batch := list(islice(written, BATCH)):
        store.record(batch, [])


def annotations(
    faces: int, recogniser: NearestMean, random: np.random.Generator
) -> Iterator[Annotation]:
    for number in range(faces // TRACKED):
        begun = START + timedelta(minutes=number)
        event = Event("Door", "1", f"{begun:%y/%m/%d/%H/%M/%S}", begun)
        mean = recogniser.means[number % len(recogniser.means)]
        noise = random.normal(0, 0.02, (TRACKED, 128)).astype("<f4")
        embeddings = [(mean + one).astype("<f4").tobytes() for one in noise]
        evidence = [FaceEvidence(one, 80, 151.7) for one in embeddings]
        who = recogniser.identify(evidence)
        for frame in range(1, CAPTURES + 1):
            place = (frame - 1) * TRACKED // CAPTURES
            embedded = frame % (CAPTURES // TRACKED) == 1
            found = Face(
                BoundingBox(700, 220, 780, 320),
                0.9123,
                151.7,
                Gate.USABLE if embedded else Gate.SEEN_BETTER,
                embeddings[place] if embedded else None,
                who[place],
                track=1,
            )
            yield Annotation(
                Capture(event, f"{frame:05d}-capture.jpg", frame),
                begun + timedelta(milliseconds=200 * frame),
                1920,
                1080,
                (Detection("person", 0, 0.8437, BoundingBox(600, 200, 900, 1000), (found,)),),
                PROVENANCE,
            )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--faces", type=int, default=100_000)
    parser.add_argument("--people", type=int, default=20)
    parser.add_argument("--keep", type=Path, help="where to leave the database")
    return parser.parse_args()


if __name__ == "__main__":
    main()
