"""From "complete on the recorder" to "row readable here", over sshfs, for two sets of options.

    python -m benchmarks.latency --seconds 120

Two monitors record events of 20 captures, two a second, in place and in pieces, on the server's
side of a loopback sshfs mount. A capture is complete at its file's modification time, and readable
when a query of the database first shows it (asked every 20 ms). The daemon runs with its default
settings and a tiny network, so that what is measured is noticing, settling, reading and writing.
Needs what the laboratory needs (tests/system/lab.py): root, sshfs, openssh-server.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from demo.nvr import Pace
from tests.system.actors import Service, Writer, annotated, wait_for
from tests.system.conftest import furnish
from tests.system.lab import OUR_OPTIONS, SEED_OPTIONS, Lab, missing

ASK_EVERY_S = 0.02
LAST_ONES_S = 60.0
FRAMES_PER_EVENT = 20
PACE = Pace(between_frames_s=0.4, between_pieces_s=0.02, pieces=6)
FIRST = "00001-capture.jpg"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=120.0, help="of recording, per options")
    parser.add_argument("--setting", action="append", default=[], help="a line of annotator.toml")
    arguments = parser.parse_args()
    reason = missing()
    if reason is not None:
        sys.exit(reason)
    print(
        f"{'options':10} {'captures':>8} {'median':>8} {'p99':>8} {'max':>8}   new events: median"
    )
    for name, options in (("seed's", SEED_OPTIONS), ("ours", OUR_OPTIONS)):
        with tempfile.TemporaryDirectory(prefix="annotator-latency-") as scratch:
            latency = measure(Path(scratch), options, arguments.seconds, arguments.setting)
        every = sorted(latency.values())
        first = [one for path, one in latency.items() if path.endswith(FIRST)]
        p99 = statistics.quantiles(every, n=100)[98]
        print(
            f"{name:10} {len(every):8} {statistics.median(every):7.2f}s {p99:7.2f}s"
            f" {every[-1]:7.2f}s {statistics.median(first):19.2f}s"
        )


def measure(folder: Path, options: str, seconds: float, settings: list[str]) -> dict[str, float]:
    """Each capture's path and the seconds until its row could be read."""
    readable_at_s: dict[str, float] = {}
    (folder / "house").mkdir()
    house = furnish(folder / "house")
    house.configure(settings, pace=())

    def ask() -> None:
        now_s = time.time()
        for path in annotated(house):
            readable_at_s.setdefault(path, now_s)
        time.sleep(ASK_EVERY_S)

    with ExitStack() as stack:
        lab = stack.enter_context(Lab(folder / "lab", house.store))
        lab.mount(options)
        service = stack.enter_context(Service(house, folder / "watch.log"))
        service.start()
        wait_for(service, lambda: service.heard("READY=1") > 0, "the daemon is not ready")
        writers = [
            stack.enter_context(
                Writer(lab.served, number, name, frames_per_event=FRAMES_PER_EVENT, pace=PACE)
            )
            for number, name in enumerate(("Drive", "Gate"), start=1)
        ]
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            ask()
        for writer in writers:
            writer.stop()
        written = [one for writer in writers for one in writer.written]
        end_s += LAST_ONES_S
        while time.monotonic() < end_s and len(readable_at_s) < len(written):
            ask()
        service.stop()
    for one in written:
        if one.path not in readable_at_s:
            sys.exit(f"{one.path} was not annotated")
    return {one.path: readable_at_s[one.path] - one.at_s for one in written}


if __name__ == "__main__":
    main()
