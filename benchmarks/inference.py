"""What a 1920 x 1080 capture costs: beside the seed's way, by stage, and in the whole pipeline.

    python -m benchmarks.inference --pictures ../shared/data/frames --models ../shared/models

Pictures are cut to 16:9, enlarged to 1920 x 1080 and saved at JPEG quality 90 (4:2:0). Three parts,
each of whose ways take turns in every round, and of which the median round counts:

1. Stages. The seed's way as intended (`cv2.imread`, a black square around it, `INTER_AREA` to the
   network's input; benchmarks/seeds_way.py) and ours, each in a process of its own with one thread.
   Everything but `invoke` counts, reading from the page cache included. OpenCV is of the `bench`
   extra; without it Pillow does the same instead.
2. Throughput. The limit is what the cores could do if they did nothing but decode, resize and
   `invoke`: one such loop per core, all at once, and their CPU time. Beside it `annotator backfill`
   with all that belongs to it (walk, read, decode, infer, SQLite; no faces), from the first row in
   the database to the last, by how many workers share the cores. "alone" is what it comes to
   without the other programs of this computer: what they take is neither used nor idle.
3. The same over sshfs on a slow link; only as root, with what the laboratory needs
   (tests/system/lab.py).
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import psutil
from PIL import Image

from benchmarks.throughput import record, rows_of, store
from tests.system.conftest import House
from tests.system.lab import missing

SEEDS_WAY = Path(__file__).with_name("seeds_way.py")
STAGES = ("read", "decode", "pad", "resize", "feed", "invoke", "boxes")
SIZE = (1920, 1080)
MAX_MEGAPIXELS = 50.0
LEAST_SCORE = 0.5
ASK_EVERY_S, LOOK_EVERY_S = 0.1, 1.0

Stages = dict[str, float]
"""Milliseconds per capture, and page faults."""


def main() -> None:
    arguments = _arguments()
    with tempfile.TemporaryDirectory(prefix="annotator-inference-") as scratch:
        folder = Path(scratch)
        jpegs = list(pictures(arguments.pictures, arguments.distinct))
        paths = []
        for at, jpeg in enumerate(jpegs):
            paths.append(folder / f"{at}.jpg")
            paths[-1].write_bytes(jpeg)
        kilobytes = statistics.mean(len(jpeg) for jpeg in jpegs) / 1000
        print(f"{len(jpegs)} pictures of {SIZE[0]} x {SIZE[1]}, {kilobytes:.0f} kB each; "
              f"{arguments.model}, {os.cpu_count()} cores")  # fmt: skip
        show_stages(paths, arguments)
        record(folder / "lab" / "served", arguments.captures, jpegs)
        show_throughput(folder, paths, arguments)


# the first part: stages


def show_stages(paths: Sequence[Path], arguments: argparse.Namespace) -> None:
    library = "OpenCV" if importlib.util.find_spec("cv2") else "Pillow"
    seeds, ours = f"seed's ({library})", "ours"
    rounds: dict[str, list[Stages]] = {seeds: [], ours: []}
    model = model_file(arguments.models, arguments.model)
    command = [sys.executable, str(SEEDS_WAY), str(model), *map(str, paths)]
    with (
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as seed,
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool,
    ):
        assert seed.stdin and seed.stdout
        for _ in range(arguments.rounds + 1):
            print("go", file=seed.stdin, flush=True)
            rounds[seeds].append(json.loads(seed.stdout.readline()))
            rounds[ours].append(pool.submit(our_way, paths, model).result())
        seed.stdin.close()
    typical = {name: median_of(some[1:]) for name, some in rounds.items()}  # the first warms up
    print("\nms per capture, one thread; page faults per capture")
    print(f"{'':16}" + "".join(f"{one:>9}" for one in STAGES) + f"{'overhead':>10}{'share':>7}"
          + f"{'faults':>8}")  # fmt: skip
    first = overhead_ms(typical[seeds])
    for name, some in typical.items():
        cells = "".join(f"{some[stage]:9.2f}" if stage in some else f"{'':9}" for stage in STAGES)
        print(f"{name:16}{cells}{overhead_ms(some):10.2f}{overhead_ms(some) / first:7.1%}"
              f"{some['faults']:8.0f}")  # fmt: skip


def overhead_ms(stages: Stages) -> float:
    return sum(stages.get(stage, 0.0) for stage in STAGES if stage != "invoke")


def median_of(rounds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {key: statistics.median(one[key] for one in rounds) for key in rounds[0]}


@dataclass
class Watch:
    """Adds up what the stages of a loop take."""

    spent_s: dict[str, float] = field(default_factory=dict)
    since_s: float = 0.0

    def start(self) -> None:
        self.since_s = time.perf_counter()

    def lap(self, stage: str) -> None:
        now_s = time.perf_counter()
        self.spent_s[stage] = self.spent_s.get(stage, 0.0) + now_s - self.since_s
        self.since_s = time.perf_counter()

    def per_capture_ms(self, captures: int) -> Stages:
        return {stage: spent_s / captures * 1000 for stage, spent_s in self.spent_s.items()}


class Timed:
    """An interpreter whose three steps are laps."""

    def __init__(self, interpreter: Any, watch: Watch) -> None:
        self._interpreter = interpreter
        self._watch = watch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._interpreter, name)

    def set_tensor(self, index: int, values: Any) -> None:
        self._interpreter.set_tensor(index, values)
        self._watch.lap("feed")

    def invoke(self) -> None:
        self._interpreter.invoke()
        self._watch.lap("invoke")


def model_file(models: Path, model: str) -> Path:
    from annotator.inference.catalogue import load_catalogue

    return models / load_catalogue().entry(model).cpu.file


@cache
def interpreter_of(model: Path) -> Any:
    """One per process, for one thread."""
    from annotator.inference.tflite import installed_runtimes

    runtime = installed_runtimes()[0].load()
    interpreter = runtime.Interpreter(model_content=model.read_bytes(), num_threads=1)
    interpreter.allocate_tensors()
    return interpreter


def our_way(paths: Sequence[Path], model: Path) -> Stages:
    from annotator.domain import Station
    from annotator.inference.heads import head_for
    from annotator.inference.image import decode
    from annotator.inference.runtime import Graph

    watch = Watch()
    graph = Graph(Timed(interpreter_of(model), watch), b"", Station())
    head = head_for(graph, str(model))
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for path in paths:
        watch.start()
        jpeg = path.read_bytes()
        watch.lap("read")
        picture = decode(
            jpeg, max_megapixels=MAX_MEGAPIXELS, need=lambda *_: (graph.width, graph.height)
        )
        watch.lap("decode")
        fed = picture.fitted(graph.width, graph.height, head.fit)
        watch.lap("resize")
        raw = head.decode(graph.invoke(fed.pixels, head.input_range), LEAST_SCORE)
        for box in raw.boxes.tolist():
            fed.resize.to_capture(*box)
        watch.lap("boxes")
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults
    return watch.per_capture_ms(len(paths)) | {"faults": faults / len(paths)}


# the second and third: throughput


@dataclass(frozen=True)
class Share:
    """What one process of the pipeline takes."""

    cpu_ms: float
    peak_mb: float


@dataclass(frozen=True)
class Run:
    captures_per_s: float
    cores_used: float
    cores_idle: float
    shares: Mapping[str, Share]

    @property
    def alone_per_s(self) -> float:
        """What it comes to where no other program uses the cores."""
        ours = self.cores_used + self.cores_idle
        return self.captures_per_s * max(1.0, (os.cpu_count() or 1) / ours)


def show_throughput(folder: Path, paths: Sequence[Path], arguments: argparse.Namespace) -> None:
    cores = os.cpu_count() or 1
    shapes = {"as configured": ()} | {
        f"{processes} x {cores // processes} threads": (
            f"worker.processes = {processes}",
            f"inference.threads = {cores // processes}",
        )
        for processes in range(1, cores + 1)
        if cores % processes == 0
    }
    ways: dict[str, tuple[float | None, Sequence[str]]] = {
        f"local disk, {name}": (None, lines) for name, lines in shapes.items()
    }
    reason = missing()
    if reason is None:
        ways |= {f"sshfs, {ms:g} ms each way": (ms, ()) for ms in arguments.delay_ms}
    limits: list[float] = []
    runs: dict[str, list[Run]] = {name: [] for name in ways}
    for _ in range(arguments.rounds):
        limits.append(limit_per_s(paths, arguments))
        for name, (delay_ms, lines) in ways.items():
            with store(folder, delay_ms) as root:
                runs[name].append(backfilled(folder, root, lines, arguments))
    limit = statistics.median(limits)
    share = f"{'of the limit':>13}"
    print(f"\n{'captures per second':34} {'':>7} {share} {'cores: used':>12} {'idle':>5}"
          f" {'alone':>7} {share}")  # fmt: skip
    print(f"{f'{cores} cores of decode and invoke':34} {limit:7.1f} {1:13.0%}")
    for name, some in runs.items():
        rate = statistics.median(run.captures_per_s for run in some)
        used = statistics.median(run.cores_used for run in some)
        idle = statistics.median(run.cores_idle for run in some)
        alone = statistics.median(run.alone_per_s for run in some)
        print(f"{name:34} {rate:7.1f} {rate / limit:13.0%} {used:12.2f} {idle:5.2f}"
              f" {alone:7.1f} {alone / limit:13.0%}")  # fmt: skip
    if reason is not None:
        print(f"sshfs: {reason}")
    print(f"\n{'process':34} {'CPU ms per capture':>18} {'peak MB':>8}")
    for name, some in runs.items():
        for role in sorted({role for run in some for role in run.shares}):
            shares = [run.shares[role] for run in some if role in run.shares]
            cpu_ms = statistics.median(one.cpu_ms for one in shares)
            peak_mb = statistics.median(one.peak_mb for one in shares)
            print(f"{f'{name}: {role}':34} {cpu_ms:18.2f} {peak_mb:8.0f}")


def limit_per_s(paths: Sequence[Path], arguments: argparse.Namespace) -> float:
    """Captures per second, if all cores' time went into decoding, resizing and invoking."""
    cores = os.cpu_count() or 1
    model = model_file(arguments.models, arguments.model)
    with ProcessPoolExecutor(cores, mp_context=get_context("spawn")) as pool:
        loops = [pool.submit(bare_loop, paths, model, arguments.bare_s) for _ in range(cores)]
        return sum(1 / loop.result() for loop in loops)


def bare_loop(paths: Sequence[Path], model: Path, seconds: float) -> float:
    """CPU seconds per capture."""
    from annotator.domain import Station
    from annotator.inference.heads import head_for
    from annotator.inference.image import decode
    from annotator.inference.runtime import Graph

    graph = Graph(interpreter_of(model), b"", Station())
    fit = head_for(graph, str(model)).fit
    jpegs = [path.read_bytes() for path in paths]
    captures, end_s, cpu_s = 0, 0.0, 0.0
    while not captures or time.perf_counter() < end_s:
        for jpeg in jpegs:
            picture = decode(
                jpeg, max_megapixels=MAX_MEGAPIXELS, need=lambda *_: (graph.width, graph.height)
            )
            graph.invoke(picture.fitted(graph.width, graph.height, fit).pixels)
        if not end_s:  # the first time round warms up
            end_s, cpu_s = time.perf_counter() + seconds, time.process_time()
        else:
            captures += len(jpegs)
    return (time.process_time() - cpu_s) / captures


def backfilled(
    folder: Path, root: Path, lines: Sequence[str], arguments: argparse.Namespace
) -> Run:
    with tempfile.TemporaryDirectory(dir=folder) as place:
        house = House(Path(place))
        settings = (
            f'store.root = "{root}"',
            f'database.path = "{house.folder}/annotator.sqlite"',
            f'models.directory = "{arguments.models.absolute()}"',
            f'detection.model = "{arguments.model}"',
            "faces.enabled = false",
            'inference.delegate = "cpu"',
            *lines,
        )
        (house.folder / "annotator.toml").write_text("\n".join(settings) + "\n")
        command = subprocess.Popen(
            house.command("backfill"),
            env=house.environment,
            cwd=house.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            return measured(house, command, arguments.captures)
        finally:
            command.kill()
            command.wait()


def measured(house: House, command: subprocess.Popen[bytes], captures: int) -> Run:
    """From the first rows to the last; what is used of the cores as far as it was looked at."""
    family, first, looks = Family(command.pid), None, list[Look]()
    while True:
        over = command.poll() is not None
        rows, now_s = rows_of(house), time.perf_counter()
        if rows and first is None:
            first = rows, now_s
        if rows >= captures:
            break
        if over:
            sys.exit(f"backfill ended with {rows} of {captures} rows")
        if first and (not looks or now_s - looks[-1].at_s > LOOK_EVERY_S):
            looks.append(Look(now_s, rows, psutil.cpu_times().idle, family.cpu_s()))
        time.sleep(ASK_EVERY_S)
    begin, end = looks[0], looks[-1]
    if not first or end is begin:
        sys.exit("too few captures to measure")
    took_s, done = end.at_s - begin.at_s, end.rows - begin.rows
    spent_s = {role: end.cpu_s[role] - begin.cpu_s.get(role, 0.0) for role in end.cpu_s}
    return Run(
        (rows - first[0]) / (now_s - first[1]),
        sum(spent_s.values()) / took_s,
        (end.idle_s - begin.idle_s) / took_s,
        {role: Share(spent_s[role] / done * 1000, family.peak_mb[role]) for role in spent_s},
    )


@dataclass(frozen=True)
class Look:
    """How far it was, and what it had taken until then."""

    at_s: float
    rows: int
    idle_s: float
    cpu_s: Mapping[str, float]


class Family:
    """A command and its children, by what they do."""

    def __init__(self, pid: int) -> None:
        self._root = psutil.Process(pid)
        self._cpu_s: dict[tuple[str, int], float] = {}
        self.peak_mb: dict[str, float] = {}

    def cpu_s(self) -> dict[str, float]:
        """By role, until now; the memory is looked at too."""
        for role, process in self._members():
            try:
                times, memory = process.cpu_times(), process.memory_info()
            except psutil.Error:  # it has just ended
                continue
            self._cpu_s[role, process.pid] = times.user + times.system
            self.peak_mb[role] = max(self.peak_mb.get(role, 0.0), memory.rss / 1e6)
        total: dict[str, float] = {}
        for (role, _), seconds in self._cpu_s.items():
            total[role] = total.get(role, 0.0) + seconds
        return total

    def _members(self) -> Iterator[tuple[str, psutil.Process]]:
        yield "supervisor", self._root
        try:
            for child in self._root.children(recursive=True):
                words = child.cmdline()
                if "annotator.app.children" in words:
                    yield words[words.index("annotator.app.children") + 1], child
        except psutil.Error:
            return


def pictures(folder: Path, count: int) -> Iterator[bytes]:
    """So many of the folder's, evenly spread, as a 1080p camera would deliver them."""
    found = sorted(folder.rglob("*.jpg"))
    for path in found[:: max(1, len(found) // count)][:count]:
        with Image.open(path) as file:
            width = min(file.width, file.height * SIZE[0] // SIZE[1])
            height = min(file.height, file.width * SIZE[1] // SIZE[0])
            left, top = (file.width - width) // 2, (file.height - height) // 2
            middle = file.convert("RGB").crop((left, top, left + width, top + height))
        out = io.BytesIO()
        middle.resize(SIZE, Image.Resampling.BICUBIC).save(
            out, "JPEG", quality=90, subsampling="4:2:0"
        )
        yield out.getvalue()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--pictures", type=Path, required=True, help="a folder of camera pictures")
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--model", default="coco_ssd_mobilenet_v1")
    parser.add_argument("--distinct", type=int, default=40, help="pictures taken from there")
    parser.add_argument("--captures", type=int, default=1500, help="of the store")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--bare-s", type=float, default=4.0, help="of each bare loop")
    parser.add_argument("--delay-ms", type=float, nargs="*", default=[0.0, 2.0, 5.0])
    return parser.parse_args()


if __name__ == "__main__":
    main()
