"""Captures per second of `annotator backfill`: local disk, sshfs, sshfs over a slow link.

    python -m benchmarks.throughput --models ../shared/models --model coco_ssd_mobilenet_v1

The link is the laboratory's proxy, which holds everything back for so many ms each way; the mount
has the options of the project's mount unit. Without --model a tiny network stands in, and what is
measured is how fast captures come, not how fast they are looked at. Pictures are noise of about
200 kB, or copies of --pictures. The clock runs from the first row in the database to the last, so
that starting the programs does not count; the ways take turns, and the best round counts.
Needs what the laboratory needs (tests/system/lab.py): root, sshfs, openssh-server.
"""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import cycle, islice
from pathlib import Path

from PIL import Image

from demo.nvr import Frame, Recorder, Recording
from tests.fakes.tiny_ssd import write_labels, write_tiny_ssd
from tests.system.actors import recorded
from tests.system.conftest import House
from tests.system.lab import Lab, missing

START = datetime(2024, 5, 1, 6, tzinfo=UTC)
FRAMES_PER_EVENT = 50


def main() -> None:
    arguments = _arguments()
    reason = missing()
    if reason is not None:
        sys.exit(reason)
    ways: dict[str, float | None] = {"local disk": None}
    ways |= {f"sshfs, {delay_ms:g} ms each way": delay_ms for delay_ms in arguments.delay_ms}
    best = dict.fromkeys(ways, 0.0)
    with tempfile.TemporaryDirectory(prefix="annotator-throughput-") as scratch:
        folder = Path(scratch)
        record(folder / "lab" / "served", arguments.captures, pictures(arguments.pictures))
        for _ in range(arguments.rounds):
            for name, delay_ms in ways.items():
                with store(folder, delay_ms) as root:
                    best[name] = max(best[name], captures_per_s(folder, root, arguments))
    print(f"{arguments.captures} captures, network {arguments.model or 'tiny'}")
    print(f"{'':28} {'captures/s':>10} {'of local':>9}")
    for name, rate in best.items():
        print(f"{name:28} {rate:10.1f} {rate / best['local disk']:9.0%}")


def pictures(folder: Path | None) -> Sequence[bytes]:
    if folder is not None:
        return [path.read_bytes() for path in sorted(folder.rglob("*.jpg"))]
    out = io.BytesIO()
    Image.effect_noise((1280, 720), 40).convert("RGB").save(out, "JPEG", quality=30)
    return [out.getvalue()]


def record(root: Path, captures: int, jpegs: Sequence[bytes]) -> None:
    recorder = Recorder(root, timezone=UTC)
    endless = cycle(jpegs)
    for event_id, first in enumerate(range(0, captures, FRAMES_PER_EVENT), start=1):
        started_at = START + timedelta(minutes=event_id)
        some = islice(endless, min(FRAMES_PER_EVENT, captures - first))
        frames = tuple(Frame(at, started_at, jpeg) for at, jpeg in enumerate(some, start=1))
        recorder.record(Recording(event_id, 1, "Drive", started_at, frames))


@contextmanager
def store(folder: Path, delay_ms: float | None) -> Iterator[Path]:
    """Where the captures are: on the disk, or mounted anew."""
    if delay_ms is None:
        yield folder / "lab" / "served"
        return
    with Lab(folder / "lab", folder / "mounted", delay_ms=delay_ms) as lab:
        lab.mount()
        yield lab.mount_point


def captures_per_s(folder: Path, root: Path, arguments: argparse.Namespace) -> float:
    with tempfile.TemporaryDirectory(dir=folder) as place:
        house = House(Path(place))
        configure(house, root, arguments)
        backfill = subprocess.Popen(
            house.command("backfill"),
            env=house.environment,
            cwd=house.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            first, first_s = wait_for_rows(house, backfill, 1)
            last, last_s = wait_for_rows(house, backfill, arguments.captures)
            backfill.wait(60)
        finally:
            backfill.kill()
            backfill.wait()
            if backfill.stderr:
                backfill.stderr.close()
    return (last - first) / (last_s - first_s)


def wait_for_rows(house: House, backfill: subprocess.Popen[str], count: int) -> tuple[int, float]:
    """How many rows there are once there are so many, and when that was."""
    while True:
        over = backfill.poll() is not None
        rows = rows_of(house)
        if rows >= count:
            return rows, time.perf_counter()
        if over:
            said = backfill.stderr.read() if backfill.stderr else ""
            sys.exit(f"backfill ended with {rows} of {count} rows\n{said}")
        time.sleep(0.02)


def rows_of(house: House) -> int:
    found = recorded(house, "SELECT count(*) FROM captures WHERE state = 'annotated'")
    return int(found[0][0]) if found else 0


def configure(house: House, root: Path, arguments: argparse.Namespace) -> None:
    lines = [
        f'store.root = "{root}"',
        f'database.path = "{house.folder}/annotator.sqlite"',
        "faces.enabled = false",
        'inference.delegate = "cpu"',
    ]
    if arguments.model:
        lines.append(f'models.directory = "{arguments.models.absolute()}"')
        lines.append(f'detection.model = "{arguments.model}"')
    else:
        write_tiny_ssd(house.folder / "tiny.tflite")
        write_labels(house.folder / "labels.txt")
        lines.append(f'detection.model = "{house.folder}/tiny.tflite"')
        lines.append(f'detection.labels_file = "{house.folder}/labels.txt"')
    (house.folder / "annotator.toml").write_text("\n".join(lines) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--captures", type=int, default=500)
    parser.add_argument("--delay-ms", type=float, nargs="+", default=[0.0, 2.0, 5.0])
    parser.add_argument("--pictures", type=Path, help="a folder of camera pictures")
    parser.add_argument("--models", type=Path, help="the folder of --model")
    parser.add_argument("--model", default="", help="a network of the catalogue")
    parser.add_argument("--rounds", type=int, default=2)
    arguments = parser.parse_args()
    if bool(arguments.model) != bool(arguments.models):
        parser.error("--models and --model go together")
    return arguments


if __name__ == "__main__":
    main()
