"""Which stations a configuration gets, from what is plugged in."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from annotator.app.stations import Device, stations_for, take_inventory
from annotator.config import Config, DetectionSettings, InferenceSettings
from annotator.domain import Station
from annotator.errors import DeviceLost, RuntimeUnavailable
from annotator.inference import device_lock
from tests.fakes.edgetpu import OF_GOOGLES_16_0, FakeEdgeTpu, build, tiny_edgetpu_model
from tests.fakes.tiny_ssd import write_tiny_ssd

CPU = (Station(),)


@pytest.fixture
def fake(tmp_path: Path) -> FakeEdgeTpu:
    return build(tmp_path / "tpu", devices=())


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A network with its compiled twin."""
    write_tiny_ssd(tmp_path / "tiny.tflite")
    tiny_edgetpu_model(tmp_path / "tiny_edgetpu.tflite")
    return tmp_path / "tiny.tflite"


def configured(
    library: Path | str, model: Path, delegate: str = "auto", devices: Sequence[str] = ()
) -> Config:
    return Config(
        inference=InferenceSettings(
            delegate=delegate,  # type: ignore[arg-type]
            devices=tuple(devices),
            edgetpu_library=str(library),
        ),
        detection=DetectionSettings(model=str(model)),
    )


def edgetpu(*devices: str) -> tuple[Station, ...]:
    return tuple(Station("edgetpu", device) for device in devices)


def test_the_cpu_alone_asks_nobody(model: Path) -> None:
    assert stations_for(configured("/nowhere.so", model, "cpu")) == CPU


@pytest.mark.parametrize("delegate", ["auto", "edgetpu"])
def test_every_device_gets_a_worker(fake: FakeEdgeTpu, model: Path, delegate: str) -> None:
    for device in ("usb:0", "usb:1", "pci:0"):
        fake.plug(device)
    config = configured(fake.library, model, delegate)
    assert stations_for(config) == edgetpu("pci:0", "usb:0", "usb:1")
    assert fake.log() == ()


@pytest.mark.parametrize("delegate", ["auto", "edgetpu"])
def test_named_devices_are_waited_for(fake: FakeEdgeTpu, model: Path, delegate: str) -> None:
    config = configured(fake.library, model, delegate, devices=("usb:0", "pci:0"))
    assert stations_for(config) == edgetpu("usb:0", "pci:0")


@pytest.mark.parametrize("delegate", ["auto", "edgetpu"])
def test_where_all_is_ready_but_the_device_it_is_waited_for(
    fake: FakeEdgeTpu, model: Path, delegate: str
) -> None:
    assert stations_for(configured(fake.library, model, delegate)) == edgetpu(":0")


def test_auto_without_a_compiled_network_is_the_cpu(fake: FakeEdgeTpu, model: Path) -> None:
    fake.plug()
    model.with_name("tiny_edgetpu.tflite").unlink()
    assert stations_for(configured(fake.library, model)) == CPU
    assert stations_for(configured(fake.library, model, "edgetpu")) == edgetpu("usb:0")


def test_auto_looks_at_the_networks_of_all_monitors(fake: FakeEdgeTpu, model: Path) -> None:
    fake.plug()
    write_tiny_ssd(model.with_name("other.tflite"))
    config = configured(fake.library, model)
    own = {"Yard": {"detection": {"model": str(model.with_name("other.tflite"))}}}
    assert stations_for(Config.model_validate(config.model_dump() | {"monitors": own})) == CPU


def test_without_its_library_auto_is_the_cpu_and_says_why(
    model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert stations_for(configured("libedgetpu-nowhere.so.1", model)) == CPU
    assert "libedgetpu-nowhere.so.1 is not installed" in caplog.text


@pytest.mark.parametrize("devices", [(), ("usb:0",)])
def test_without_its_library_edgetpu_is_an_error(model: Path, devices: Sequence[str]) -> None:
    with pytest.raises(RuntimeUnavailable, match="is not installed") as raised:
        stations_for(configured("libedgetpu-nowhere.so.1", model, "edgetpu", devices))
    assert not isinstance(raised.value, DeviceLost)
    assert raised.value.next_step


def test_an_unsafe_library_is_not_used(tmp_path: Path, model: Path) -> None:
    fake = build(tmp_path / "old", commit=OF_GOOGLES_16_0)
    assert stations_for(configured(fake.library, model)) == CPU
    with pytest.raises(RuntimeUnavailable, match=r"TensorFlow 2\.5"):
        stations_for(configured(fake.library, model, "edgetpu"))


def test_a_library_that_crashes_is_a_device_to_wait_for(fake: FakeEdgeTpu, model: Path) -> None:
    """Cut short, it ends its process with a bus error."""
    fake.library.write_bytes(fake.library.read_bytes()[:1000])
    inventory = take_inventory(str(fake.library))
    assert inventory.is_passing
    assert "crashed: its process was ended by signal" in inventory.trouble
    assert stations_for(configured(fake.library, model, "edgetpu")) == edgetpu(":0")


def test_the_inventory_tells_who_has_a_device(fake: FakeEdgeTpu) -> None:
    fake.plug("usb:0")
    fake.plug("usb:1")
    assert device_lock.try_hold(str(fake.path("usb:1")))
    try:
        inventory = take_inventory(str(fake.library))
    finally:
        device_lock.release(str(fake.path("usb:1")))
    assert inventory.devices == (
        Device("usb", "usb:0", str(fake.path("usb:0"))),
        Device("usb", "usb:1", str(fake.path("usb:1")), is_held=True, holder_pid=os.getpid()),
    )
    assert (inventory.file, inventory.trouble) == (str(fake.library), "")
    assert inventory.runtime.startswith("ai-edge-litert ")
