"""Break everything at random while recorders write, then count: is every capture annotated once?

    python -m benchmarks.chaos --faults 200 --seed 1

Two recorders write events on the server's side of an sshfs mount, and old events are moved in; the
daemon works on the other side, with its database on a small disk of its own. Fault after fault
strikes, drawn from a shuffled deck that holds each kind once, lasts for a while and is mended; a
daemon that ends is started again, as systemd would. In the end everything is whole, the recorders
stop, and the daemon gets time to finish. The exit status is 1 where a capture is lost, was counted
as failed, is there twice or was never written, where the daemon ended for a reason other than a
full disk, or something is left running. Needs what the laboratory needs (tests/system/lab.py):
root, sshfs, openssh-server.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil

from demo.nvr import Frame, Recorder, Recording
from tests.system.actors import Service, Writer, annotated, left_over, recorded
from tests.system.conftest import House, furnish, picture
from tests.system.lab import FAULTS, QUICK_ON_SSHFS, Lab, another_store, missing, until

DISK_MB = 32
RESTART_S = 1.0
LASTS_S = (0.3, 4.0)
CALM_S = (0.3, 2.5)
QUIET_S = 40.0
# Each fault moves an event in that is an hour older than the last: a long run leaves the default
# window of a week, and what is older than the window is not looked for.
SETTINGS = (
    *QUICK_ON_SSHFS,
    "watch.reconcile_s = 8.0",
    "watch.reconcile_window_s = 31536000.0",
)


@dataclass
class Outcome:
    """What came of it; `ended` are the statuses of a daemon that ended unasked."""

    faults: Counter[str] = field(default_factory=Counter)
    ended: list[str] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    annotated: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    integrity: str = ""
    left_over: list[str] = field(default_factory=list)
    seconds: float = 0.0
    catching_up_s: float = 0.0

    def complaints(self) -> list[str]:
        """What must not be; empty where all is well."""
        known = set(self.annotated)
        twice = [path for path, times in Counter(self.annotated).items() if times > 1]
        return [
            *(f"lost: {path}" for path in self.written if path not in known),
            *(f"never written: {path}" for path in known - set(self.written)),
            *(f"twice: {path}" for path in twice),
            *(f"failed: {path}" for path in self.failed),
            *(f"the daemon ended: {how}" for how in self.ended),
            *(f"left running: {process}" for process in self.left_over),
            *([] if self.integrity == "ok" else [f"integrity_check: {self.integrity}"]),
        ]

    def table(self) -> str:
        rows: list[tuple[str, object]] = [*sorted(self.faults.items())]
        rows += [
            ("faults", self.faults.total()),
            ("captures written", len(self.written)),
            ("captures annotated", len(self.annotated)),
            ("captures failed", len(self.failed)),
            ("integrity_check", self.integrity),
            ("duration", timedelta(seconds=round(self.seconds))),
            ("catching up in the end", f"{self.catching_up_s:.1f} s"),
        ]
        lines = [f"{name:24} {value!s:>8}" for name, value in rows]
        return "\n".join([*lines, *self.complaints()[:50]])


@dataclass(frozen=True)
class Scene:
    """Where it happens, and the faults that concern more than the mount."""

    house: House
    lab: Lab
    service: Service
    chance: random.Random

    @property
    def filler(self) -> Path:
        return self.house.folder / "filler"

    def fill_disk(self) -> None:
        """Nothing more fits on the disk of the database."""
        with self.filler.open("ab", buffering=0) as file:
            for piece_bytes in (1 << 16, 1 << 12, 1):
                with suppress(OSError):
                    while True:
                        file.write(bytes(piece_bytes))

    def empty_disk(self) -> None:
        self.filler.unlink()

    def kill_child(self) -> None:
        """A worker or a scout, whoever it hits."""
        with suppress(psutil.NoSuchProcess):
            children = self.service.process.children(recursive=True)
            if children:
                self.chance.choice(children).kill()


Deed = tuple[Callable[[], None], Callable[[], None]]


def deeds(scene: Scene) -> dict[str, Deed]:
    """Every fault by its name: how it strikes and how it is mended."""
    lab = scene.lab

    def of_mount(act: Callable[[Lab], None]) -> Callable[[], None]:
        return lambda: act(lab)

    def nothing() -> None:
        pass

    return {
        **{fault.name: (of_mount(fault.strike), of_mount(fault.mend)) for fault in FAULTS},
        "daemon killed": (scene.service.kill, scene.service.start),
        "child killed": (scene.kill_child, nothing),
        "disk full": (scene.fill_disk, scene.empty_disk),
    }


def chaos(
    folder: Path, *, faults: int, seed: int, tell: Callable[[str], None] = lambda _: None
) -> Outcome:
    """Let it happen in `folder`. Raises LabError where there can be no laboratory."""
    outcome, chance = Outcome(), random.Random(seed)
    started_s = time.monotonic()
    with ExitStack() as stack:
        disk = stack.enter_context(small_disk(folder / "house"))
        house = furnish(disk)
        house.configure(pace=SETTINGS)
        lab = stack.enter_context(Lab(folder / "lab", house.store))
        service = stack.enter_context(Service(house, folder / "watch.log"))
        scene = Scene(house, lab, service, chance)
        write_elsewhere(lab)
        lab.mount()
        service.start()
        writers = [
            stack.enter_context(Writer(lab.served, number, name))
            for number, name in enumerate(("Drive", "Gate"), start=1)
        ]
        until(lambda: bool(annotated(house)), "the daemon did not begin")
        strike_all(scene, faults, outcome, tell)
        for writer in writers:
            writer.stop()
            outcome.written += writer.paths
        mended_s = time.monotonic()
        wait_for_quiet(scene, outcome)
        outcome.catching_up_s = time.monotonic() - mended_s
        if service.exited() is None and service.stop() != 0:
            outcome.ended.append("with an error when it was told to stop")
        with suppress(TimeoutError):
            until(lambda: not left_over(house), "something is left running", 10.0)
        judge(house, outcome)
    outcome.seconds = time.monotonic() - started_s
    return outcome


def write_elsewhere(lab: Lab) -> None:
    """Captures on another disk of the recorder, which are none of the daemon's business."""
    now = datetime.now(UTC)
    recording = Recording(1, 1, "Drive", now, (Frame(1, now, picture("green")),))
    Recorder(another_store(lab), timezone=UTC).record(recording)


def move_in(lab: Lab, hours_ago: int) -> list[str]:
    """An old event comes late, as from another of the recorder's storages; its paths."""
    then = datetime.now(UTC) - timedelta(hours=hours_ago)
    frames = tuple(Frame(number, then, picture("red")) for number in range(1, 6))
    event = Recording(100_000 + hours_ago, 3, "Attic", then, frames)
    paths = Recorder(lab.served, timezone=UTC).record(event)
    return [str(path.relative_to(lab.served)) for path in paths]


def strike_all(scene: Scene, faults: int, outcome: Outcome, tell: Callable[[str], None]) -> None:
    known = deeds(scene)
    deck: list[str] = []
    for at in range(faults):
        if not deck:
            deck = scene.chance.sample(sorted(known), len(known))
        name = deck.pop()
        lasts_s = scene.chance.uniform(*LASTS_S)
        tell(f"{datetime.now().astimezone():%H:%M:%S} {at + 1:4}  {name}, {lasts_s:.1f} s")
        strike, mend = known[name]
        strike()
        outcome.written += move_in(scene.lab, hours_ago=at + 1)
        go_on(scene, lasts_s, outcome, name)
        mend()
        outcome.faults[name] += 1
        go_on(scene, scene.chance.uniform(*CALM_S), outcome, name)


def go_on(scene: Scene, seconds: float, outcome: Outcome, fault: str) -> None:
    """Let time pass as systemd does: a daemon that ends is started again."""
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        keep_running(scene, outcome, fault)
        time.sleep(0.05)


def keep_running(scene: Scene, outcome: Outcome, fault: str) -> None:
    status = scene.service.exited()
    if status is None or (fault == "daemon killed" and status == -9):
        return
    if fault != "disk full":
        outcome.ended.append(f"with {status} after: {fault}")
    time.sleep(RESTART_S)
    scene.service.start()


def wait_for_quiet(scene: Scene, outcome: Outcome) -> None:
    """Until everything is annotated, or nothing has happened for long."""
    written, count, quiet_since_s = set(outcome.written), -1, time.monotonic()
    while time.monotonic() - quiet_since_s < QUIET_S:
        keep_running(scene, outcome, "the end")
        known = annotated(scene.house)
        if written <= set(known):
            return
        if len(known) != count:
            count, quiet_since_s = len(known), time.monotonic()
        time.sleep(0.2)


def judge(house: House, outcome: Outcome) -> None:
    outcome.annotated = annotated(house)
    outcome.failed = [
        f"{path}: {message} ({when})"
        for path, message, when in recorded(house, "SELECT path, message, local_time FROM failures")
    ]
    outcome.integrity = "; ".join(str(row[0]) for row in recorded(house, "PRAGMA integrity_check"))
    outcome.left_over = left_over(house)


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    folder.mkdir()
    options = f"size={DISK_MB}m"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "annotator", folder], check=True)
    try:
        yield folder
    finally:
        # Lazily: whoever may still hang in the store has its working directory here.
        subprocess.run(["umount", "--lazy", folder], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--faults", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep-log", type=Path, help="copy the daemon's log to this file")
    arguments = parser.parse_args()
    reason = missing()
    if reason is not None:
        sys.exit(reason)
    os.nice(5)
    with tempfile.TemporaryDirectory(prefix="annotator-chaos-") as scratch:
        outcome = chaos(Path(scratch), faults=arguments.faults, seed=arguments.seed, tell=print)
        if arguments.keep_log:
            arguments.keep_log.write_bytes((Path(scratch) / "watch.log").read_bytes())
    print(outcome.table())
    sys.exit(1 if outcome.complaints() else 0)


if __name__ == "__main__":
    main()
