"""The store's state as its parent sees it, with real child processes as scouts."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from annotator.child import Child, Graveyard
from annotator.clock import SystemClock
from annotator.config import MountSettings
from annotator.domain import Capture, Event, Failure, MountState, Reason, Window
from annotator.outposts import StoreWatch, Walk
from annotator.wire import (
    Appeared,
    Beat,
    Changed,
    Met,
    Report,
    StoreLost,
    Unlistable,
    Walked,
    Walking,
    Watching,
    decode_report,
    encode_report,
)

EVENT = Event("Door", "1", "24/05/01/12/00/00", datetime(2024, 5, 1, tzinfo=UTC))
CAPTURE = Capture(EVENT, "1.jpg", 1)

# Says what it was greeted with, a line each, then hangs or ends.
PARROT = """
import sys, time
from multiprocessing.connection import Connection
pipe = Connection(int(sys.argv[-1]))
*lines, last = pipe.recv_bytes().split(b"\\n")
for line in lines:
    pipe.send_bytes(line)
while last == b"hang":
    time.sleep(60)
"""


@dataclass
class Stage:
    """Scouts that play what they are told, one script after the other."""

    scripts: list[tuple[Report, ...]]
    last: bytes = b"hang"
    started: list[Watching | Walking] = field(default_factory=list)
    children: list[Child[Report]] = field(default_factory=list)
    graveyard: Graveyard = field(default_factory=Graveyard)

    def start(self, order: Watching | Walking) -> Child[Report]:
        self.started.append(order)
        script = self.scripts.pop(0) if self.scripts else ()
        greeting = b"\n".join([*(encode_report(report) for report in script), self.last])
        command = (sys.executable, "-c", PARROT)
        child: Child[Report] = Child(command, greeting, decode_report, self.graveyard)
        self.children.append(child)
        return child


@pytest.fixture
def stage() -> Iterator[Stage]:
    made = Stage([])
    yield made
    for child in made.children:
        child.kill()
    until(lambda: len(made.graveyard) == 0)


def until(condition: Callable[[], object]) -> None:
    clock = SystemClock()
    deadline = clock.monotonic() + 20
    while not condition():
        assert clock.monotonic() < deadline
        clock.sleep(0.01)


def watch(stage: Stage, identity: str | None = None, stall_s: float = 30) -> StoreWatch:
    settings = MountSettings(stall_s=stall_s, retry_s=0.05)
    return StoreWatch(stage.start, identity, settings, SystemClock(), stage.graveyard)


def test_a_beat_brings_the_store_online_and_captures_come(stage: Stage) -> None:
    stage.scripts = [(Beat("fuse.sshfs nvr:/events"), Appeared((CAPTURE,)))]
    seen: list[Capture] = []
    store = watch(stage)
    assert not store.online
    until(lambda: seen.extend(store.turn()) or seen)
    assert store.online
    assert seen == [CAPTURE]
    assert store.take_gap()
    assert not store.take_gap()
    assert store.found == "fuse.sshfs nvr:/events"
    store.stop()


def test_a_silent_store_is_stalled_and_asked_again(stage: Stage) -> None:
    stage.scripts = [(Beat("a"),), (Beat("a"),)]
    store = watch(stage, "a", stall_s=0.5)
    until(lambda: (store.turn(), store.online)[1])
    until(lambda: (store.turn(), store.health.state is MountState.STALLED)[1])
    assert "has not answered" in store.health.detail
    until(lambda: (store.turn(), store.online)[1])
    assert stage.started == [Watching("a"), Watching("a")]
    assert store.take_gap(), "a new scout has not seen what came before it"
    store.stop()


@pytest.mark.parametrize(
    ("is_other", "state"), [(True, MountState.WRONG_STORE), (False, MountState.OFFLINE)]
)
def test_a_lost_store_says_how_and_comes_back(
    stage: Stage, is_other: bool, state: MountState
) -> None:
    stage.scripts = [(StoreLost("it is gone", "mount it", is_other),), (Beat("a"),)]
    store = watch(stage, "a")
    until(lambda: (store.turn(), store.health.detail == "it is gone; mount it")[1])
    assert store.health.state is state
    until(lambda: (store.turn(), store.online)[1])
    store.stop()


def test_a_walk_is_taken_in_to_its_end(stage: Stage) -> None:
    failure = Failure("1/24", Reason.UNREADABLE, "denied")
    stage.scripts = [(Changed((CAPTURE,)), Met((CAPTURE,), 1), Unlistable(failure), Walked())]
    walk = Walk(stage.start, Walking(Window(), "a"), SystemClock(), 30)
    met: list[tuple[Capture, ...]] = []
    changed: list[tuple[Capture, ...]] = []
    failed: list[Failure] = []
    until(lambda: (walk.turn(met.append, changed.append, failed.append), not walk.running)[1])
    assert walk.lost is None
    assert (met, changed, failed) == ([(CAPTURE,)], [(CAPTURE,)], [failure])


def test_a_walk_that_dies_hangs_or_loses_the_store_is_not_finished(stage: Stage) -> None:
    for script, last, stall_s in [
        ((Met((CAPTURE,), 1),), b"end", 30.0),
        ((Met((CAPTURE,), 1),), b"hang", 0.3),
        ((StoreLost("gone", "mount it", False),), b"hang", 30.0),
    ]:
        stage.scripts, stage.last = [script], last
        walk = Walk(stage.start, Walking(Window(), "a"), SystemClock(), stall_s)
        until(lambda walk=walk: (walk.turn(len, len, len), not walk.running)[1])
        assert walk.lost is not None
