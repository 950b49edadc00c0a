"""Where a configuration's networks are to run: on which Edge TPUs, or on the CPU."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Literal

from annotator.config import Config
from annotator.domain import Station
from annotator.errors import ModelError, RuntimeUnavailable

if TYPE_CHECKING:
    from pydantic import TypeAdapter

    from annotator.child import Graveyard

ON_CPU = (Station(),)
ANY_DEVICE = (":0",)
"""What is waited for where none is plugged in yet, and none is named."""
PATIENCE_S = 15.0
"""Asking the USB for its devices takes milliseconds, or for ever where a hub hangs."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Device:
    """An Edge TPU that is plugged in; `holder_pid` is None where nobody has it or none can tell."""

    kind: Literal["usb", "pci"]
    name: str
    path: str
    is_held: bool = False
    holder_pid: int | None = None


@dataclass(frozen=True, slots=True)
class Inventory:
    """What libedgetpu says, asked in a process of its own.

    `version` and `commit` are of the library. `trouble` is why it cannot be used, or why it did
    not answer (`is_passing`); there are no devices then.
    """

    devices: tuple[Device, ...] = ()
    file: str = ""
    version: str = ""
    commit: str | None = None
    runtime: str = ""
    trouble: str = ""
    next_step: str = ""
    is_passing: bool = False


def stations_for(
    config: Config, ask: Callable[[str], Inventory] | None = None
) -> tuple[Station, ...]:
    """Each worker's station. With "auto", an Edge TPU needs a library that works, a compiled
    network for every monitor, and the will: a device that is there or named, or the network's
    files, which nobody fetches without a device.

    Raises RuntimeUnavailable where "edgetpu" is asked for and the library cannot be used.
    """
    settings = config.inference
    if settings.delegate == "cpu":
        return ON_CPU
    if settings.delegate == "auto":
        lacking = _not_compiled(config)
        if lacking is not None:
            _regret(lacking)
            return ON_CPU
    inventory = (ask or take_inventory)(settings.edgetpu_library)
    if inventory.trouble and not inventory.is_passing:
        if settings.delegate == "edgetpu":
            raise RuntimeUnavailable(inventory.trouble, inventory.next_step)
        log.warning("the CPU is used, not an Edge TPU: %s", inventory.trouble)
        return ON_CPU
    if inventory.trouble:
        log.warning("%s", inventory.trouble)
    found = tuple(device.name for device in inventory.devices)
    return tuple(Station("edgetpu", device) for device in settings.devices or found or ANY_DEVICE)


def take_inventory(library: str, graveyard: Graveyard | None = None) -> Inventory:
    """Ask libedgetpu for its version and devices; where it crashes or hangs, that costs a child."""
    from annotator.app.children import start_inventory
    from annotator.child import ChildLost
    from annotator.child import Graveyard as NewGraveyard

    child = start_inventory(library, graveyard or NewGraveyard())
    try:
        if not child.connection.poll(PATIENCE_S):
            return _silent(f"did not answer within {PATIENCE_S:g} s")
        return child.messages(most=1)[0]
    except ChildLost as lost:
        return _silent(f"crashed: its process {lost}")
    finally:
        child.kill()


def run_inventory(connection: Connection) -> None:
    """The whole life of the child that asks."""
    name = connection.recv_bytes(4096).decode()
    connection.send_bytes(_inventories().dump_json(_inventory_of(name)))


def decode_inventory(message: bytes) -> Inventory:
    """Raises ValueError where the message is not one of ours."""
    return _inventories().validate_json(message)


def _inventory_of(name: str) -> Inventory:
    from annotator.inference import device_lock, edgetpu
    from annotator.inference.tflite import installed_runtimes

    try:
        library = edgetpu.load_library(name)
        told = Inventory((), str(library.file or name), library.version, library.commit)
    except RuntimeUnavailable as error:
        return Inventory(trouble=str(error), next_step=error.next_step)
    try:
        runtime = edgetpu.fitting_runtime(library, installed_runtimes())
    except RuntimeUnavailable as error:
        return replace(told, trouble=str(error), next_step=error.next_step)
    devices = tuple(
        Device(one.kind, one.name, one.path, holder is not None, holder.pid if holder else None)
        for one in edgetpu.list_devices(library)
        for holder in (device_lock.holder_of(one.path),)
    )
    return replace(told, devices=devices, runtime=str(runtime))


def _silent(what: str) -> Inventory:
    return Inventory(
        trouble=f"the Edge TPU's library {what} when it was asked for its devices",
        next_step="unplug the device and plug it in again; `dmesg` says more",
        is_passing=True,
    )


def _not_compiled(config: Config) -> str | None:
    """Why the configured networks cannot run on an Edge TPU; None where they can."""
    from annotator.inference.catalogue import Task, load_catalogue

    catalogue = load_catalogue()
    for model in dict.fromkeys(settings.model for settings in config.detectors()):
        try:
            chosen = catalogue.resolve(model, Task.OBJECTS, config.models_directory, "edgetpu")
        except ModelError as error:
            return str(error)
        if chosen.edgetpu is None:
            return f"there is no file of {chosen.name} for it"
    return None


def _regret(lacking: str) -> None:
    """Say so where somebody may have expected otherwise: a device is plugged in."""
    from annotator.inference.nodes import nodes

    if nodes():
        log.warning(
            "the Edge TPU is not used: %s; `annotator models fetch --edgetpu` gets one", lacking
        )


def _inventories() -> TypeAdapter[Inventory]:
    from pydantic import TypeAdapter

    return TypeAdapter(Inventory)
