"""What the kernel shows of Edge TPUs, on folders that look like /sys and /dev."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from annotator.inference.nodes import Node, is_driver_missing, nodes


@pytest.fixture
def sys(tmp_path: Path) -> Path:
    return tmp_path / "sys"


@pytest.fixture
def dev(tmp_path: Path) -> Path:
    (tmp_path / "dev").mkdir()
    return tmp_path / "dev"


def plug_usb(sys: Path, dev: Path, port: str, ids: str, number: int) -> Path:
    entry = sys / "bus" / "usb" / "devices" / port
    entry.mkdir(parents=True)
    vendor, product = ids.split(":")
    for name, value in {
        "idVendor": vendor,
        "idProduct": product,
        "busnum": port.split("-")[0],
        "devnum": str(number),
    }.items():
        (entry / name).write_text(f"{value}\n")
    device = dev / "bus" / "usb" / f"{int(port.split('-')[0]):03d}" / f"{number:03d}"
    device.parent.mkdir(parents=True, exist_ok=True)
    device.touch()
    return entry


def test_nothing_is_plugged_in(sys: Path, dev: Path) -> None:
    assert nodes(sys, dev) == ()
    assert not is_driver_missing(sys, dev)


def test_both_faces_of_the_usb_accelerator_are_known(sys: Path, dev: Path) -> None:
    before = plug_usb(sys, dev, "1-1.2", "1a6e:089a", 4)
    after = plug_usb(sys, dev, "2-1", "18d1:9302", 11)
    plug_usb(sys, dev, "2-2", "18d1:4ee7", 12)
    (sys / "bus" / "usb" / "devices" / "usb1").mkdir()
    assert nodes(sys, dev) == (
        Node("usb", str(before), dev / "bus/usb/001/004"),
        Node("usb", str(after), dev / "bus/usb/002/011"),
    )


def test_one_that_is_being_pulled_out_is_left_out(sys: Path, dev: Path) -> None:
    entry = plug_usb(sys, dev, "1-1", "1a6e:089a", 4)
    (entry / "devnum").unlink()
    assert nodes(sys, dev) == ()


def test_cards_are_known_by_their_driver(sys: Path, dev: Path) -> None:
    card = sys / "bus" / "pci" / "devices" / "0000:01:00.0"
    card.mkdir(parents=True)
    (card / "vendor").write_text("0x1ac1\n")
    (card / "device").write_text("0x089a\n")
    assert is_driver_missing(sys, dev)
    (dev / "apex_0").touch()
    assert not is_driver_missing(sys, dev)
    assert nodes(sys, dev) == (Node("pci", str(dev / "apex_0"), dev / "apex_0"),)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may use everything")
def test_rights_are_told(dev: Path) -> None:
    (dev / "apex_0").touch(mode=0o440)
    (node,) = nodes(dev, dev)
    assert not node.usable


def test_the_group_is_told_by_name_or_number(dev: Path) -> None:
    (dev / "apex_0").touch()
    (node,) = nodes(dev, dev)
    assert node.usable
    assert node.group
    (dev / "apex_0").unlink()
    assert (node.usable, node.group) == (False, None)
