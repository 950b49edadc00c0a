"""What a tick of the watch costs, beside one of watchdog's PollingObserver.

    python benchmarks/watch_tick.py [--million] [--scratch DIR]
    python benchmarks/watch_tick.py --store /mnt/nvr/events [--layout deep] [--polling]

Makes stores of empty captures, 50 to an event, an event every 12 minutes for each of 4 monitors;
in all of them the last day holds five events of each, so that only what is past differs. Looks at
them as the watch does every 2 s, for 4 minutes by a clock of its own, once it has settled: "polled"
as on a network mount and idle, "busy" the same with a new frame in each monitor's live event at
every tick, "hinted" by inotify and idle; "observer" is watchdog's PollingObserver. "mean" holds
what is done seldom, which "median" does not. CPU is that of this process, threads included; RSS is
what the watch added to it. With --store it looks at a store that is there for a minute of real
time, so that a mount's caches age as they do, and writes nothing.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path

import psutil
from watchdog.observers.api import EventQueue, ObservedWatch
from watchdog.observers.polling import PollingEmitter

from annotator.nvr.hints import Hints
from annotator.nvr.layout import layout_named
from annotator.nvr.live import ASIDE_S, LINGER_S, LiveEnds
from annotator.nvr.mount import identify, is_network
from annotator.nvr.tree import EventTree
from annotator.nvr.watch import LOOKERS

MONITORS, FRAMES, EVENT_EVERY = 4, 50, timedelta(minutes=12)
LAST_EVENT = datetime(2024, 5, 1, 0, 58)  # noqa: DTZ001 - the recorder's time
TICK_S, TICKS, REAL_TICKS = 2.0, 120, 30
SIZES, MILLION = (1_000, 10_000, 100_000), 1_000_000
POLLED_UP_TO = 100_000


@dataclass(frozen=True)
class Cost:
    """Of many ticks, in milliseconds; memory in megabytes."""

    median_ms: float
    mean_ms: float
    cpu_ms: float
    rss_mb: float = 0.0


def main() -> None:
    arguments = _arguments()
    print(
        f"{'layout':8} {'captures':>9} {'tick':>8} {'median ms':>10} {'mean ms':>9} "
        f"{'CPU ms':>8} {'RSS MB':>7}"
    )
    if arguments.store:
        store = arguments.store
        show(arguments.layout, None, "polled", in_child(real_cost, store, arguments.layout))
        if arguments.polling:
            show(arguments.layout, None, "observer", in_child(polling_cost, store))
        return
    for layout in ("deep", "medium", "shallow"):
        for size in (*SIZES, *((MILLION,) if arguments.million else ())):
            with tempfile.TemporaryDirectory(prefix="watch-tick-", dir=arguments.scratch) as place:
                store = Path(place)
                make_store(store, layout, size)
                show(layout, size, "polled", in_child(watch_cost, store, layout))
                show(layout, size, "busy", in_child(watch_cost, store, layout, is_busy=True))
                show(layout, size, "hinted", in_child(watch_cost, store, layout, is_hinted=True))
                if size <= POLLED_UP_TO:
                    show(layout, size, "observer", in_child(polling_cost, store))


def show(layout: str, size: int | None, what: str, cost: Cost) -> None:
    print(
        f"{layout:8} {size or '':>9} {what:>8} {cost.median_ms:10.2f} {cost.mean_ms:9.2f} "
        f"{cost.cpu_ms:8.2f} {cost.rss_mb:7.1f}",
        flush=True,
    )


def in_child(measure: Callable[..., Cost], *arguments: object, **keywords: object) -> Cost:
    """In a process of its own, whose memory nothing else has used."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as child:
        return child.submit(measure, *arguments, **keywords).result()


def watch_cost(root: Path, layout: str, *, is_busy: bool = False, is_hinted: bool = False) -> Cost:
    before = psutil.Process().memory_info().rss
    tree = EventTree(root, layout_named(layout), max_capture_bytes=1)
    hints = Hints(root)
    if is_hinted:
        hints.start()
    ends = LiveEnds(tree, hints=hints)
    now_s = 0.0
    list(ends.look(now_s))
    while now_s < LINGER_S + ASIDE_S:
        now_s += TICK_S
        list(ends.look(now_s))
    live = [root / path for path in islice(event_paths(layout), MONITORS)] if is_busy else []
    walls, cpus, written = [], [], []
    for tick in range(1, TICKS + 1):
        now_s += TICK_S
        for directory in live:
            written.append(directory / f"{FRAMES + tick:05d}-capture.jpg")
            written[-1].touch()
        wall, cpu = time.perf_counter(), time.process_time()
        found = list(ends.look(now_s))
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
        assert len(found) == len(live), found
    cost = _cost(walls, cpus, before)
    hints.stop()
    for path in written:
        path.unlink()
    return cost


def real_cost(root: Path, layout: str) -> Cost:
    before = psutil.Process().memory_info().rss
    tree = EventTree(root, layout_named(layout), max_capture_bytes=1)
    walls, cpus = [], []
    with ThreadPoolExecutor(LOOKERS) as lookers:
        ends = LiveEnds(tree, lookers.map if is_network(identify(root)) else map)
        list(ends.look(time.monotonic()))
        for _ in range(REAL_TICKS):
            time.sleep(TICK_S)
            wall, cpu = time.perf_counter(), time.process_time()
            list(ends.look(time.monotonic()))
            walls.append(time.perf_counter() - wall)
            cpus.append(time.process_time() - cpu)
    return _cost(walls, cpus, before)


def polling_cost(root: Path) -> Cost:
    before = psutil.Process().memory_info().rss
    emitter = PollingEmitter(EventQueue(), ObservedWatch(str(root), recursive=True), timeout=0)
    emitter.on_thread_start()
    walls, cpus = [], []
    for _ in range(3):
        wall, cpu = time.perf_counter(), time.process_time()
        emitter.queue_events(0)
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return _cost(walls, cpus, before)


def _cost(walls: list[float], cpus: list[float], rss_before: int) -> Cost:
    return Cost(
        statistics.median(walls) * 1e3,
        statistics.mean(walls) * 1e3,
        statistics.mean(cpus) * 1e3,
        (psutil.Process().memory_info().rss - rss_before) / 1e6,
    )


def event_paths(layout: str) -> Iterator[str]:
    """Newest event first, the monitors in turn."""
    begun, event = LAST_EVENT, 10_000_000
    while True:
        for monitor in range(1, MONITORS + 1):
            event -= 1
            paths = {
                "deep": f"{monitor}/{begun:%y/%m/%d/%H/%M/%S}",
                "medium": f"{monitor}/{begun:%Y-%m-%d}/{event}",
                "shallow": f"{monitor}/{event}",
            }
            yield paths[layout]
        begun -= EVENT_EVERY


def make_store(root: Path, layout: str, captures: int) -> None:
    for path in islice(event_paths(layout), captures // FRAMES):
        directory = root / path
        directory.mkdir(parents=True)
        for frame in range(1, FRAMES + 1):
            name = directory / f"{frame:05d}-capture.jpg"
            os.close(os.open(name, os.O_CREAT | os.O_WRONLY, 0o644))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--million", action="store_true", help="a store of 1,000,000 captures too")
    parser.add_argument("--scratch", type=Path, help="where stores are made")
    parser.add_argument("--store", type=Path, help="a store that is there, perhaps mounted")
    parser.add_argument("--layout", default="auto", help="its layout")
    parser.add_argument("--polling", action="store_true", help="the PollingObserver on it too")
    return parser.parse_args()


if __name__ == "__main__":
    main()
