"""The daemon on a real sshfs mount that is broken in every way while a recorder goes on writing."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from PIL import Image

from annotator.health import read_health
from annotator.nvr.mount import recover_abort
from benchmarks.chaos import chaos
from demo.nvr import Frame, Pace, Recorder, Recording
from tests.system.actors import Service, Writer, annotated, left_over, recorded, wait_for
from tests.system.conftest import House, picture
from tests.system.lab import (
    FAULTS,
    OUR_OPTIONS,
    QUICK_ON_SSHFS,
    SEED_OPTIONS,
    Lab,
    another_store,
    until,
)
from tests.system.test_watch import recording


@pytest.fixture
def service(house: House) -> Iterator[Service]:
    house.configure(pace=QUICK_ON_SSHFS)
    with Service(house, house.folder / "watch.log") as made:
        yield made


def begin(service: Service) -> None:
    service.start()
    wait_for(service, lambda: service.heard("READY=1") > 0, "the daemon is not ready")


def wait_for_state(house: House, service: Service, states: frozenset[str], what: str) -> None:
    """By the file that `annotator status` reads: asking the command again and again is slow."""

    def reached() -> bool:
        health = read_health(house.folder / "annotator.sqlite")
        return health is not None and health.mount.state in states

    wait_for(service, reached, f"{what}: not {' or '.join(sorted(states))}")


def wait_until_online(house: House, service: Service, what: str = "mounted") -> None:
    wait_for_state(house, service, frozenset({"online"}), what)


def wait_until_all_is_annotated(house: House, service: Service, written: list[str]) -> None:
    """Each capture once, each seen whole, and none counted as failed."""
    wait_for(
        service,
        lambda: sorted(annotated(house)) == sorted(written),
        f"{len(written)} were written, but not each is annotated once",
    )
    rows = house.rows()
    assert len(rows) == len(written)
    # All show the same picture: a half one would show a smaller rectangle.
    assert len({str(row["box"]) for row in rows}) == 1
    assert recorded(house, "SELECT path, message FROM failures") == []


def stops_without_a_trace(house: House, service: Service) -> None:
    assert service.stop() == 0
    until(lambda: not left_over(house), "processes of the daemon are left", 5.0)
    assert "Traceback" not in service.log.read_text()


@pytest.mark.parametrize(
    "options", [pytest.param(SEED_OPTIONS, id="seed's"), pytest.param(OUR_OPTIONS, id="ours")]
)
def test_captures_that_grow_are_annotated_whole(
    house: House, lab: Lab, service: Service, options: str
) -> None:
    lab.mount(options)
    begin(service)
    wait_until_online(house, service)
    slowly = Pace(between_frames_s=0.1, between_pieces_s=0.05, pieces=4)
    with Writer(lab.served, 3, "Drive", frames_per_event=1000, pace=slowly) as writer:
        wait_for(service, lambda: len(annotated(house)) >= 4, "the live captures are not annotated")
    wait_until_all_is_annotated(house, service, writer.paths)
    stops_without_a_trace(house, service)


def test_a_broken_mount_loses_nothing(house: House, lab: Lab, service: Service) -> None:
    """One fault after the other in one daemon's life, which begins before the mount does."""
    Recorder(another_store(lab), timezone=UTC).record(recording(2, event_id=99))
    begin(service)
    lab.mount()
    with Writer(lab.served, 3, "Drive") as writer:
        for fault in FAULTS:
            done = len(annotated(house))
            wait_for(service, lambda: len(annotated(house)) > done, f"before: {fault.name}")  # noqa: B023
            fault.strike(lab)
            wait_for_state(house, service, fault.seen_as, fault.name)
            fault.mend(lab)
            wait_until_online(house, service, f"mended: {fault.name}")
    wait_until_all_is_annotated(house, service, writer.paths)
    stops_without_a_trace(house, service)


def test_reads_cut_by_a_dying_connection_fail_no_capture(
    needs_lab: None, house: House, service: Service, tmp_path: Path
) -> None:
    """Old captures, which nobody would think unfinished, large enough to be caught half-read."""
    an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
    frames = tuple(Frame(number, an_hour_ago, large_picture()) for number in range(1, 61))
    with Lab(tmp_path / "lab", house.store, delay_ms=5) as lab:
        recorder = Recorder(lab.served, timezone=UTC)
        paths = recorder.record(Recording(1, 3, "Drive", an_hour_ago, frames))
        lab.mount()
        begin(service)
        for share in (0.1, 0.5):
            so_many = share * len(paths)
            wait_for(service, lambda: len(annotated(house)) > so_many, "no progress")  # noqa: B023
            lab.kill_server()
            lab.restart_server()
        written = [str(path.relative_to(lab.served)) for path in paths]
        wait_until_all_is_annotated(house, service, written)
        stops_without_a_trace(house, service)


def large_picture() -> bytes:
    """Some 150 kB behind the same rectangle."""
    noise = Image.effect_noise((1280, 720), 40)
    clear = Image.open(io.BytesIO(picture("red", size=(1280, 720))))
    noisy = Image.merge("RGB", (noise, noise, noise))
    clear.paste(noisy.crop((300, 0, 1280, 720)), (300, 0))
    out = io.BytesIO()
    clear.save(out, "JPEG", quality=30)
    return out.getvalue()


def test_a_frozen_mount_stops_neither_the_watchdog_nor_the_shutdown(
    house: House, lab: Lab, service: Service
) -> None:
    lab.mount()
    begin(service)
    with Writer(lab.served, 3, "Drive"):
        wait_for(service, lambda: bool(annotated(house)), "nothing is annotated")
        lab.freeze()
        wait_for_state(house, service, frozenset({"stalled", "offline"}), "server frozen")
        assert house.status()["mount"]["state"] in {"stalled", "offline"}
        beats = service.heard("WATCHDOG=1")
        wait_for(service, lambda: service.heard("WATCHDOG=1") >= beats + 2, "no watchdog messages")
    assert service.stop() == 0
    lab.abort()
    until(lambda: not left_over(house), "processes of the daemon are left", 5.0)


def test_everything_at_once(needs_lab: None, tmp_path: Path) -> None:
    """This seed begins with a full disk, an unmount, a kill -9, a freeze and a killed child."""
    outcome = chaos(tmp_path, faults=5, seed=59)
    assert not outcome.complaints(), outcome.table()


def test_the_lab_frees_whoever_hangs_in_its_mount(lab: Lab) -> None:
    lab.mount()
    lab.freeze()
    hanging = subprocess.Popen(
        ["ls", str(lab.mount_point / "somewhere")], stderr=subprocess.DEVNULL
    )
    lab.close()
    assert hanging.wait(5) != 0
    assert list(lab.mount_point.iterdir()) == []


def test_a_frozen_connection_can_be_freed(lab: Lab, tmp_path: Path) -> None:
    """`mount.recover = "abort"`: whoever hangs in the mount gets an error at once."""
    lab.mount(SEED_OPTIONS)
    lab.freeze()
    stuck = subprocess.Popen(
        [sys.executable, "-c", f"import os; os.stat({str(lab.mount_point / 'x')!r})"],
        stderr=subprocess.DEVNULL,
    )
    with pytest.raises(subprocess.TimeoutExpired):
        stuck.wait(0.5)
    said = recover_abort(lab.mount_point, connections=lab.connections, systemctl=("true",))
    assert "aborted the connection" in said
    assert stuck.wait(10) == 1
    lab.thaw()
