"""The supervisor with a real worker process over the scripted vision, and a backlog in memory."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from annotator.child import Child, Graveyard
from annotator.clock import SystemClock
from annotator.config import WatchSettings, WorkerSettings
from annotator.domain import Capture, Event, Gate, Origin, Reason, Station
from annotator.errors import RuntimeUnavailable
from annotator.supervisor import Supervisor
from annotator.wire import Answer, decode_answer
from tests.fakes.memory_store import MemoryStore
from tests.fakes.vision import TAIL, scripted
from tests.fakes.worker import greeting

START = datetime(2024, 5, 1, 12, tzinfo=UTC)
EVENT = Event("Door", "Door", "24/05/01/12/00/00", START)
WORKER = (sys.executable, "-m", "tests.fakes.worker")
TURNS = 400


@dataclass
class Desk:
    """A store on disk, a backlog, and a supervisor over both."""

    root: Path
    memory: MemoryStore
    supervisor: Supervisor

    def write(self, frame: int, content: bytes, event: Event = EVENT) -> Capture:
        capture = Capture(event, f"{frame:05d}-capture.jpg", frame)
        path = self.root / capture.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return capture

    def enqueue(self, frame: int, origin: Origin = Origin.LIVE, **script: object) -> Capture:
        capture = self.write(frame, scripted(**script))
        self.memory.add([capture], origin)
        return capture

    @property
    def finished(self) -> bool:
        return self.supervisor.idle and self.memory.waiting() == 0

    def run(self, until: Callable[[], bool] | None = None) -> None:
        """Turn until all is done; each turn waits for something to happen."""
        for _ in range(TURNS):
            self.supervisor.turn(0.05)
            if until() if until else self.finished:
                return
        pytest.fail(f"not done after {TURNS} turns: {self.supervisor.progress}")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    yield from _desk(tmp_path, WORKER)


def _desk(
    root: Path,
    command: tuple[str, ...],
    incomplete_timeout_s: float = 60,
    stations: tuple[Station, ...] = (Station(),),
    device: Path | None = None,
) -> Iterator[Desk]:
    memory, graveyard = MemoryStore(SystemClock()), Graveyard()

    def start(role: str, station: Station) -> Child[Answer]:
        words = greeting(role, root, station, device)
        return Child(command, words, decode_answer, graveyard, stop_grace_s=0.3)

    supervisor = Supervisor(
        memory,
        memory,
        lambda station: start("worker", station),
        lambda station: start("probe", station),
        WorkerSettings(capture_timeout_s=1.5, max_attempts=2, batch=4),
        WatchSettings(settle_s=0.01, incomplete_timeout_s=incomplete_timeout_s),
        SystemClock(),
        stations=stations,
        device_retry_s=0.2,
        store_pause_s=0.1,
        vanished_for_s=0.3,
    )
    yield Desk(root, memory, supervisor)
    supervisor.close()


def test_every_capture_is_annotated_once_by_one_worker(desk: Desk) -> None:
    for frame in range(30):
        desk.enqueue(frame, labels=["person"] if frame % 2 else [])
    desk.run()
    assert len(desk.memory.annotations) == 30
    assert sum(len(one.detections) for one in desk.memory.annotations.values()) == 15
    assert desk.supervisor.progress.restarts == 0
    assert not desk.memory.failures


def test_several_workers_share_the_work(tmp_path: Path) -> None:
    for desk in _desk(tmp_path, WORKER, stations=(Station(), Station())):
        for frame in range(40):
            desk.enqueue(frame, labels=["person"])
        bad = desk.enqueue(3_000, crash=True)
        desk.run()
        assert len(desk.memory.annotations) == 40
        assert desk.memory.failures.keys() == {bad.path}
        assert len(desk.supervisor.worker_pids) == 2


def test_while_the_store_is_away_nothing_is_handed_out(desk: Desk) -> None:
    capture = desk.enqueue(1, labels=["person"])
    for _ in range(10):
        desk.supervisor.turn(0.05, store_online=False)
    assert desk.memory.leases_of(capture.path) == []
    desk.run()
    assert len(desk.memory.annotations) == 1


def test_a_crashing_capture_is_quarantined_and_the_rest_goes_on(desk: Desk) -> None:
    for frame in range(6):
        desk.enqueue(frame, labels=["car"])
    bad = desk.enqueue(3_000, crash=True)
    desk.run()
    failure = desk.memory.failures[bad.path]
    assert failure.reason is Reason.CRASHED
    assert failure.attempts == 2
    assert "signal 11" in failure.message
    assert len(desk.memory.annotations) == 6
    assert desk.supervisor.progress.restarts == 2


def test_a_hanging_capture_costs_its_worker_only(desk: Desk) -> None:
    bad = desk.enqueue(1, hang=True)
    desk.enqueue(2, labels=["car"])
    desk.run()
    assert desk.memory.failures[bad.path].reason is Reason.TIMED_OUT
    assert len(desk.memory.annotations) == 1


@pytest.mark.parametrize(
    ("script", "reason"), [("crash_faces", Reason.CRASHED), ("hang_faces", Reason.TIMED_OUT)]
)
def test_a_face_that_takes_down_its_process_costs_nobody_else(
    desk: Desk, script: str, reason: Reason
) -> None:
    for frame in range(6):
        desk.enqueue(frame, labels=["person"])
    bad = desk.enqueue(3_000, labels=["person"], **{script: True})
    desk.run()
    assert desk.memory.failures[bad.path].reason is reason
    assert desk.memory.failures[bad.path].attempts == 2
    assert len(desk.memory.annotations) == 6
    assert all(one.detections[0].faces for one in desk.memory.annotations.values())


def test_faces_are_followed_through_an_event(desk: Desk) -> None:
    for frame in range(1, 5):
        desk.enqueue(frame, labels=["person"])
    other = Event("Door", "Door", "24/05/01/12/30/00", START)
    one_more = desk.write(9, scripted(labels=["person"]), other)
    desk.memory.add([one_more], Origin.LIVE)
    desk.run()
    faces = {path: one.detections[0].faces[0] for path, one in desk.memory.annotations.items()}
    assert faces.pop(one_more.path).gate is Gate.USABLE
    assert sorted(face.gate for face in faces.values()) == 3 * ["seen better"] + ["usable"]
    assert len({face.track for face in faces.values()}) == 1


def test_a_worker_killed_from_outside_loses_nothing(desk: Desk) -> None:
    import os
    import signal

    for frame in range(20):
        desk.enqueue(frame, labels=["car"])
    desk.run(until=lambda: desk.supervisor.progress.annotated > 0)
    os.kill(desk.supervisor.worker_pids[0], signal.SIGKILL)
    desk.run()
    assert len(desk.memory.annotations) == 20
    assert not desk.memory.failures


def test_a_bug_on_one_capture_is_a_failure_that_says_so(desk: Desk) -> None:
    bad = desk.enqueue(1, bug=True)
    desk.enqueue(2, labels=["car"])
    desk.run()
    assert desk.memory.failures[bad.path].reason is Reason.INTERNAL
    assert desk.supervisor.progress.restarts == 0


def test_an_unfinished_capture_is_taken_when_it_is_complete(desk: Desk) -> None:
    whole = scripted(labels=["person"])
    capture = desk.write(1, whole.removesuffix(TAIL))
    desk.memory.add([capture], Origin.LIVE)
    desk.run(until=lambda: desk.memory.given_back > 0)
    desk.write(1, whole)
    desk.run()
    assert len(desk.memory.annotations[capture.path].detections) == 1
    assert not desk.memory.failures


def test_a_capture_that_never_completes_becomes_a_failure(tmp_path: Path) -> None:
    for desk in _desk(tmp_path, WORKER, incomplete_timeout_s=0.3):
        capture = desk.write(1, scripted(labels=["person"]).removesuffix(TAIL))
        desk.memory.add([capture], Origin.LIVE)
        desk.run()
        failure = desk.memory.failures[capture.path]
        assert failure.reason is Reason.TRUNCATED
        assert failure.attempts == 1, "waiting for the rest is no attempt"


def test_a_vanished_capture_is_a_failure_once_that_is_sure(desk: Desk) -> None:
    capture = desk.enqueue(1, labels=["person"])
    back = desk.enqueue(2, labels=["person"])
    for one in (capture, back):
        (desk.root / one.path).unlink()
    desk.run(until=lambda: desk.memory.given_back == 2)
    desk.write(2, scripted(labels=["person"]))  # as a store does that comes back
    desk.run()
    assert desk.memory.failures.keys() == {capture.path}
    assert desk.memory.failures[capture.path].reason is Reason.VANISHED
    assert desk.memory.annotations.keys() == {back.path}


def test_a_lost_store_is_nobodys_failure_and_work_resumes(desk: Desk, tmp_path: Path) -> None:
    capture = desk.enqueue(1, labels=["person"])
    away = tmp_path.with_name(tmp_path.name + "-away")
    tmp_path.rename(away)
    desk.run(until=lambda: desk.memory.given_back > 0)
    assert not desk.memory.failures
    assert not desk.finished
    away.rename(tmp_path)
    desk.run()
    assert desk.memory.leases_of(capture.path)[-1].attempts == 1
    assert len(desk.memory.annotations) == 1


def test_closing_puts_back_what_is_in_hand(desk: Desk) -> None:
    desk.enqueue(1, hang=True)
    desk.run(until=lambda: not desk.supervisor.idle)
    desk.supervisor.close()
    assert desk.memory.waiting() == 1
    assert desk.memory.lease(1)[0].attempts == 1, "being stopped is no attempt"


def test_a_worker_that_never_starts_is_an_error_not_a_storm(tmp_path: Path) -> None:
    for desk in _desk(tmp_path, (sys.executable, "-c", "import sys; sys.exit(3)")):
        desk.enqueue(1, labels=["car"])
        with pytest.raises(RuntimeUnavailable, match="exited with status 3"):
            desk.run()
        assert desk.supervisor.progress.restarts == 3


def test_a_crash_while_several_are_in_hand_convicts_only_the_culprit(desk: Desk) -> None:
    for frame in range(8):
        desk.enqueue(frame, labels=["car"])
    bad = desk.enqueue(3_000, crash_decoder=True)  # dies while another is being looked at
    desk.run()
    assert desk.memory.failures.keys() == {bad.path}
    assert desk.memory.failures[bad.path].attempts == 2
    assert len(desk.memory.annotations) == 8


@pytest.fixture
def device(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the scripted Edge TPU does; see `ScriptedVision`."""
    file = tmp_path_factory.mktemp("device") / "state"
    file.write_text("well")
    return file


@pytest.fixture
def tpu_desk(tmp_path: Path, device: Path) -> Iterator[Desk]:
    yield from _desk(tmp_path, WORKER, stations=(Station("edgetpu", "usb:0"),), device=device)


def made_by(desk: Desk) -> list[tuple[str, bool]]:
    return [
        (one.provenance.delegate, one.provenance.fallback)
        for _, one in sorted(desk.memory.annotations.items())
    ]


TPU, STANDING_IN = ("edgetpu", False), ("cpu", True)


def test_a_device_that_fails_once_is_loaded_anew(tpu_desk: Desk, device: Path) -> None:
    tpu_desk.run()
    tpu_desk.enqueue(1, labels=["car"])
    tpu_desk.run()
    device.write_text("failing once")
    tpu_desk.enqueue(2, labels=["car"])
    tpu_desk.run()
    assert made_by(tpu_desk) == [TPU, TPU]
    assert tpu_desk.supervisor.progress.restarts == 0


@pytest.mark.parametrize("trouble", ["gone", "failing", "hanging", "crashing"])
def test_the_cpu_stands_in_until_the_device_is_back(
    tpu_desk: Desk, device: Path, trouble: str
) -> None:
    tpu_desk.enqueue(1, labels=["car"])
    tpu_desk.run()
    device.write_text(trouble)
    for frame in (2, 3):
        tpu_desk.enqueue(frame, labels=["car"])
    tpu_desk.run()
    assert made_by(tpu_desk) == [TPU, STANDING_IN, STANDING_IN]
    assert not tpu_desk.memory.failures, "no capture is to blame for a device"

    device.write_text("well")
    for frame in range(4, 24):
        before = tpu_desk.supervisor.worker_pids
        tpu_desk.run(until=lambda: tpu_desk.supervisor.worker_pids not in (before, ()))  # noqa: B023
        tpu_desk.enqueue(frame, labels=["car"])
        tpu_desk.run()
        if made_by(tpu_desk)[-1] == TPU:
            break  # on a busy machine its new worker may come too late, and the CPU is asked again
    assert made_by(tpu_desk)[-1] == TPU
    assert not tpu_desk.memory.failures


def test_without_a_device_at_start_the_cpu_begins(tpu_desk: Desk, device: Path) -> None:
    device.write_text("gone")
    tpu_desk.enqueue(1, labels=["car"])
    tpu_desk.run()
    assert made_by(tpu_desk) == [STANDING_IN]


def test_a_capture_that_crashes_device_and_cpu_is_convicted(tpu_desk: Desk) -> None:
    bad = tpu_desk.enqueue(1, crash=True)
    tpu_desk.enqueue(2, labels=["car"])
    tpu_desk.run()
    assert tpu_desk.memory.failures.keys() == {bad.path}
    assert len(tpu_desk.memory.annotations) == 1


def test_where_nothing_moves_detections_are_inherited(desk: Desk) -> None:
    yard = Event("Yard", "Yard", "24/05/01/12/00/00", START)
    views = {1: 0.0, 2: 0.01, 3: 0.05, 4: 0.5, 5: 0.51}
    for frame, view in views.items():
        capture = desk.write(frame, scripted(labels=["person"], view=view), yard)
        desk.memory.add([capture], Origin.BACKFILL)
        desk.run()
    found = [one for _, one in sorted(desk.memory.annotations.items())]
    inherited = [one.inherited_from.frame if one.inherited_from else None for one in found]
    assert inherited == [None, 1, 1, None, 4]
    assert all(len(one.detections) == 1 for one in found)
    assert [len(one.detections[0].faces) for one in found] == [1, 0, 0, 1, 0]
