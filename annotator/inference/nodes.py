"""The Edge TPUs that the kernel knows, and who may use them; no library is asked."""

from __future__ import annotations

import grp
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

SYS = Path("/sys")
DEV = Path("/dev")

USB_IDS = frozenset({("1a6e", "089a"), ("18d1", "9302")})
"""The USB Accelerator before its firmware is loaded, and after."""
PCI_ID = ("0x1ac1", "0x089a")


@dataclass(frozen=True, slots=True)
class Node:
    """One Edge TPU. `path` is what libedgetpu calls it, `device` the file that it opens."""

    kind: Literal["usb", "pci"]
    path: str
    device: Path

    @property
    def usable(self) -> bool:
        """Whether this user may use it."""
        return os.access(self.device, os.R_OK | os.W_OK)

    @property
    def group(self) -> str | None:
        """The group that it belongs to; None where it is not there."""
        try:
            number = self.device.stat().st_gid
        except OSError:
            return None
        try:
            return grp.getgrgid(number).gr_name
        except KeyError:
            return str(number)


def nodes(sys: Path = SYS, dev: Path = DEV) -> tuple[Node, ...]:
    """All that are plugged in."""
    return (*_on_usb(sys, dev), *(Node("pci", str(one), one) for one in sorted(dev.glob("apex_*"))))


def is_driver_missing(sys: Path = SYS, dev: Path = DEV) -> bool:
    """Whether there is an Edge TPU on PCIe that no driver has taken."""
    cards = (
        (_read(card / "vendor"), _read(card / "device")) for card in sys.glob("bus/pci/devices/*")
    )
    return PCI_ID in cards and not any(dev.glob("apex_*"))


def _on_usb(sys: Path, dev: Path) -> Iterator[Node]:
    for entry in sorted(sys.glob("bus/usb/devices/*")):
        if (_read(entry / "idVendor"), _read(entry / "idProduct")) not in USB_IDS:
            continue
        bus, number = _read(entry / "busnum"), _read(entry / "devnum")
        if bus.isdigit() and number.isdigit():  # else it was just pulled out
            device = dev / "bus" / "usb" / f"{int(bus):03d}" / f"{int(number):03d}"
            yield Node("usb", str(entry), device)


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""
