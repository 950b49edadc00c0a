"""Captures per second and peak memory: `annotator backfill` beside the seed's way.

    python benchmarks/backfill.py ../shared/data/frames --models ../shared/models

The seed's way decodes each picture in full, pads it to a square, resizes it with an area filter
and invokes the network, one picture after the other, without a database. The backfill rows do the
whole job: walk the tree, read, decode, infer, write to SQLite. All use the same network; each is
run in turn, `--rounds` times, and the best round counts.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

START = datetime(2024, 5, 1, 6, tzinfo=UTC)
FRAMES_PER_EVENT = 20


def main() -> None:
    arguments = _arguments()
    with tempfile.TemporaryDirectory(prefix="annotator-benchmark-") as scratch:
        store = Path(scratch) / "events"
        count = build_store(arguments.pictures, store, arguments.copies)
        print(f"{count} captures of {arguments.pictures}, network {arguments.model}, "
              f"{os.cpu_count()} cores")  # fmt: skip
        ways = {
            "seed's way": [sys.executable, __file__, "--seed-loop", str(store)],
            "backfill, objects only": backfill_command(scratch, store, arguments, faces=False),
            "backfill, objects and faces": backfill_command(scratch, store, arguments, faces=True),
        }
        ways["seed's way"] += ["--models", str(arguments.models), "--model", arguments.model]
        best: dict[str, tuple[float, int]] = {}
        for _ in range(arguments.rounds):
            for name, command in ways.items():
                for leftover in Path(scratch).glob("*.sqlite*"):
                    leftover.unlink()
                seconds, peak_kb = measure(command)
                before = best.get(name, (float("inf"), 1 << 60))
                best[name] = min(seconds, before[0]), min(peak_kb, before[1])
        print(f"{'':30} {'captures/s':>10} {'peak MB':>8} {'times seed':>10}")
        seed_s = best["seed's way"][0]
        for name, (seconds, peak_kb) in best.items():
            print(
                f"{name:30} {count / seconds:10.1f} {peak_kb / 1024:8.0f} {seed_s / seconds:10.2f}"
            )


def build_store(pictures: Path, store: Path, copies: int) -> int:
    """Lay the pictures out as ZoneMinder's deep tree: a monitor per folder, 20 frames an event.

    Several copies make the run long enough that starting the programs weighs little.
    """
    count = 0
    for folder in sorted({path.parent for path in pictures.rglob("*.jpg")}):
        monitor = "-".join(folder.relative_to(pictures).parts) or "camera"
        for at, picture in enumerate(sorted(folder.glob("*.jpg")) * copies):
            when = START + timedelta(minutes=at // FRAMES_PER_EVENT)
            event = store / monitor / when.strftime("%y/%m/%d/%H/%M/%S")
            event.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(picture, event / f"{at + 1:05d}-capture.jpg")
            count += 1
    return count


def backfill_command(
    scratch: str, store: Path, arguments: argparse.Namespace, *, faces: bool
) -> list[str]:
    name = "faces" if faces else "objects"
    config = Path(scratch) / f"{name}.toml"
    config.write_text(
        f'store.root = "{store}"\n'
        f'database.path = "{scratch}/{name}.sqlite"\n'
        f'models.directory = "{arguments.models.absolute()}"\n'
        f'detection.model = "{arguments.model}"\n'
        f"faces.enabled = {str(faces).lower()}\n"
        'inference.delegate = "cpu"\n'
    )
    return [sys.executable, "-m", "annotator", "backfill", "--config", str(config)]


def measure(command: list[str]) -> tuple[float, int]:
    """Wall seconds, and the largest resident set of any process of the command in kB."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)}: status {process.returncode}\n{errors.decode()}")
    return seconds, usage.ru_maxrss


def seed_loop(store: Path, models: Path, model: str) -> None:
    """What the seed does with each picture, with Pillow in OpenCV's place."""
    import numpy
    from ai_edge_litert.interpreter import Interpreter
    from PIL import Image

    from annotator.inference.catalogue import load_catalogue

    interpreter = Interpreter(
        str(models / load_catalogue().entry(model).cpu.file),
        num_threads=min(4, os.cpu_count() or 1),
    )
    interpreter.allocate_tensors()
    wanted = interpreter.get_input_details()[0]
    _, height, width, _ = wanted["shape"]
    for path in sorted(store.rglob("*-capture.jpg")):
        picture = Image.open(path).convert("RGB")
        side = max(picture.size)
        square = Image.new("RGB", (side, side))
        square.paste(picture)
        small = square.resize((int(width), int(height)), Image.Resampling.BOX)
        interpreter.set_tensor(wanted["index"], numpy.asarray(small)[None])
        interpreter.invoke()
        for output in interpreter.get_output_details():
            interpreter.get_tensor(output["index"])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", type=Path, help="a folder of folders of camera pictures")
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--model", default="coco_ssd_mobilenet_v1")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--copies", type=int, default=5, help="of each picture")
    parser.add_argument("--seed-loop", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.seed_loop:
        seed_loop(arguments.pictures, arguments.models, arguments.model)
        sys.exit()
    return arguments


if __name__ == "__main__":
    main()
