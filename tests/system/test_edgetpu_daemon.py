"""The daemon with an Edge TPU that fails in every way it can; see `tests.fakes.edgetpu`."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC
from pathlib import Path

import pytest

from demo.nvr import Recorder
from tests.fakes.edgetpu import LABEL, Behaviour, FakeEdgeTpu, build, tiny_edgetpu_model
from tests.system.conftest import House, picture
from tests.system.test_watch import recording, until, watching

Made = tuple[str, int]
ON_TPU, ON_CPU = ("edgetpu", 0), ("cpu", 1)


@pytest.fixture
def fake(tmp_path: Path) -> FakeEdgeTpu:
    return build(tmp_path / "tpu")


@pytest.fixture
def tpu_house(house: House, fake: FakeEdgeTpu) -> House:
    tiny_edgetpu_model(house.folder / "tiny_edgetpu.tflite")
    configure(house, fake)
    return house


def configure(house: House, fake: FakeEdgeTpu, extra: Sequence[str] = ()) -> None:
    house.configure(
        [
            'inference.delegate = "auto"',
            f'inference.edgetpu_library = "{fake.library}"',
            "inference.device_retry_s = 0.5",
            "worker.capture_timeout_s = 3.0",
            *extra,
        ]
    )
    config = house.folder / "annotator.toml"
    lines = config.read_text().splitlines()
    config.write_text("\n".join(line for line in lines if line != 'inference.delegate = "cpu"'))


def made_by(house: House) -> list[Made]:
    """What made each row, in the order of the captures."""
    with closing(sqlite3.connect(house.folder / "annotator.sqlite")) as database:
        rows = database.execute(
            "SELECT delegate, fallback FROM captures WHERE state = 'annotated' ORDER BY path"
        )
        return rows.fetchall()


def record(house: House, frames: int, event_id: int) -> None:
    Recorder(house.store, timezone=UTC).record(recording(frames, event_id))


def all_done(house: House, count: int) -> Callable[[], bool]:
    return lambda: house.status()["annotated"] == count


TROUBLES: tuple[Behaviour | None, ...] = ("error", "abort", "hang", None)


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda one: str(one or "unplugged"))
def test_nothing_is_lost_and_no_capture_is_blamed(
    tpu_house: House, fake: FakeEdgeTpu, trouble: Behaviour | None
) -> None:
    house = tpu_house
    with watching(house):
        record(house, 3, event_id=1)
        until(all_done(house, 3), "the Edge TPU did no work")
        assert {row["label"] for row in house.rows()} == {LABEL}

        if trouble is None:
            fake.unplug()
        else:
            fake.plug(behaviour=trouble)
        record(house, 3, event_id=10)
        until(all_done(house, 6), "the CPU did not stand in")
        assert house.status()["stood_in_for"] == ["Edge TPU usb:0"]

        fake.plug()
        until(lambda: house.status()["stood_in_for"] == [], "the Edge TPU did not come back")
        record(house, 3, event_id=20)
        until(all_done(house, 9), "it did no work after it came back")
    assert made_by(house) == [ON_TPU] * 3 + [ON_CPU] * 3 + [ON_TPU] * 3
    assert house.status()["failed"] == 0

    done = house.run("backfill", "--redo-fallback")
    assert "3 captures were annotated on the CPU in an Edge TPU's place" in done.stderr
    assert made_by(house) == [ON_TPU] * 9
    assert not any(entry.what == "clash" for entry in fake.log()), "two processes, one device"


def test_without_a_device_there_is_nothing_to_redo_on(tpu_house: House, fake: FakeEdgeTpu) -> None:
    fake.unplug()
    house = tpu_house
    house.capture("Door", 0, 1, picture("red"))
    house.run("backfill")
    assert made_by(house) == [ON_CPU]
    (house.folder / "tiny_edgetpu.tflite").unlink()
    refused = house.run("backfill", "--redo-fallback", code=9)
    assert "annotator doctor" in refused.stderr
    assert made_by(house) == [ON_CPU]


def test_two_devices_share_the_work(tpu_house: House, fake: FakeEdgeTpu) -> None:
    fake.plug("usb:0", "slow")
    fake.plug("usb:1", "slow")
    for frame in range(24):
        tpu_house.capture("Door", 0, frame, picture("red"))
    tpu_house.run("backfill")
    assert made_by(tpu_house) == [ON_TPU] * 24
    opened = {entry.device for entry in fake.log() if entry.what == "opened"}
    assert opened == {"usb:0", "usb:1"}
    assert not any(entry.what == "clash" for entry in fake.log())
