"""The daemon as a process, with captures arriving the way a recorder writes them."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from demo.nvr import Frame, Pace, Recorder, Recording
from tests.system.conftest import House, picture


@contextmanager
def watching(house: House) -> Iterator[subprocess.Popen[bytes]]:
    """A running daemon; it is stopped by SIGTERM in the end and must then say goodbye with 0."""
    log = house.folder / "watch.log"
    with log.open("ab") as out:
        daemon = subprocess.Popen(
            house.command("watch"), env=house.environment, cwd=house.folder, stderr=out
        )
    try:
        until(lambda: running(house) == daemon.pid, "the daemon did not start")
        yield daemon
        if daemon.poll() is None:
            daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(20) == 0, log.read_text()
        assert "Traceback" not in log.read_text()
    finally:
        daemon.kill()
        daemon.wait()


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def running(house: House) -> int | None:
    """The process that works on the database; None while there is none, or no database yet."""
    done = subprocess.run(
        house.command("status", "--json"), env=house.environment, capture_output=True
    )
    who = json.loads(done.stdout)["running"] if done.returncode == 0 else None
    return who["pid"] if who else None


def recording(frames: int, event_id: int = 7) -> Recording:
    now = datetime.now(UTC) + timedelta(seconds=event_id)  # an event a second, a folder each
    return Recording(
        event_id=event_id,
        monitor_id=3,
        monitor="Drive",
        started_at=now,
        frames=tuple(Frame(number, now, picture("red")) for number in range(1, frames + 1)),
    )


def test_live_captures_are_annotated_and_half_written_ones_only_when_whole(house: House) -> None:
    recorder = Recorder(house.store, timezone=UTC)
    with watching(house):
        written = list(
            recorder.record_live(
                recording(4), Pace(between_frames_s=0.1, between_pieces_s=0.15, pieces=4)
            )
        )
        until(lambda: house.status()["annotated"] == 4, "the new captures were not annotated")
    rows = house.rows()
    assert {row["path"] for row in rows} == {
        str(house.store / "3" / path.relative_to(house.store / "3")) for path in written
    }
    assert {row["monitor"] for row in rows} == {"Drive"}
    assert house.status()["failed"] == 0


def test_what_arrived_while_it_did_not_run_is_caught_up(house: House) -> None:
    recorder = Recorder(house.store, timezone=UTC)
    recorder.record(recording(3))
    with watching(house):
        until(lambda: house.status()["annotated"] == 3, "not caught up")
    recorder.record(recording(2, event_id=8))
    with watching(house):
        until(lambda: house.status()["annotated"] == 5, "not caught up the second time")


def test_a_killed_daemon_comes_back_to_all_its_work(house: House) -> None:
    Recorder(house.store, timezone=UTC).record(recording(40))
    first = subprocess.Popen(
        house.command("watch"), env=house.environment, cwd=house.folder, stderr=subprocess.DEVNULL
    )
    until(lambda: running(house) is not None and house.status()["annotated"] > 0, "no start")
    first.kill()
    first.wait()
    with watching(house):
        until(lambda: house.status()["annotated"] == 40, "not all came back")
    assert len(house.rows()) == 40


def test_whatever_child_is_killed_is_replaced_and_nothing_is_lost(house: House) -> None:
    import psutil

    recorder = Recorder(house.store, timezone=UTC)
    with watching(house) as daemon:
        process = psutil.Process(daemon.pid)
        until(lambda: len(process.children()) >= 2, "there are no worker and scout")
        for event_id, child in enumerate(process.children()):
            child.kill()
            recorder.record(recording(2, event_id=20 + event_id))
        until(lambda: house.status()["annotated"] == 2 * (event_id + 1), "something was lost")


def test_backfill_hands_its_captures_to_the_running_daemon(house: House) -> None:
    for frame in range(5):
        house.capture("Old", 0, frame, picture("red"))
    with watching(house) as daemon:
        assert house.status()["running"] == {"role": "watch", "pid": daemon.pid}
        house.run("backfill")
        assert house.status()["annotated"] == 5
        second = house.run("watch", code=8).stderr
        assert str(daemon.pid) in second


def test_it_stops_at_once_while_the_store_is_away(house: House) -> None:
    away = house.store.with_name("away")
    house.store.rename(away)
    log = house.folder / "watch.log"
    with watching(house):
        until(lambda: "cannot be reached" in log.read_text(), "it did not notice")


def test_the_store_may_come_late(house: House) -> None:
    away = house.store.with_name("away")
    Recorder(house.store, timezone=UTC).record(recording(2))
    house.store.rename(away)
    with watching(house):
        away.rename(house.store)
        until(lambda: house.status()["annotated"] == 2, "the store was not taken up")
    assert house.status()["failed"] == 0


def test_an_unreadable_descriptor_does_not_leak(house: House) -> None:
    """The daemon holds nothing open below the store between looks: it can be unmounted."""
    Recorder(house.store, timezone=UTC).record(recording(2))
    with watching(house) as daemon:
        until(lambda: house.status()["annotated"] == 2, "nothing was annotated")
        until(lambda: not open_below(house.store, daemon.pid), "something stays open")


def open_below(folder: Path, pid: int) -> list[str]:
    found = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = str(link.readlink())
        except OSError:
            continue
        if target.startswith(str(folder)):
            found.append(target)
    return found
