"""The Edge TPU: its library, which devices are plugged in, and opening exactly one of them.

Google's libedgetpu tells what is wrong by the kind of error alone, often without a word; here each
gets its meaning. What no retry mends (the library) is RuntimeUnavailable; a device that is missing,
held or failing is DeviceLost. What neither can tell, since it kills or hangs the process, is the
supervisor's affair.
"""

from __future__ import annotations

import ctypes
import mmap
import re
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from annotator.errors import DeviceLost, RuntimeUnavailable
from annotator.inference import device_lock
from annotator.inference.nodes import nodes
from annotator.inference.tflite import Runtime, google_pycoral, installed_runtimes

if TYPE_CHECKING:
    from types import ModuleType

LIBRARY = "libedgetpu.so.1"
CUSTOM_OP = "edgetpu-custom-op"
"""What a compiled network consists of; only the delegate can run it."""

Kind = Literal["usb", "pci"]
KINDS: dict[int, Kind] = {0: "pci", 1: "usb"}
"""`enum edgetpu_device_type` of libedgetpu's edgetpu_c.h."""

_USE_CPU = 'set `delegate = "cpu"` in [inference]'
_INSTALL = f"install libedgetpu1-std and libusb-1.0-0 (docs/edgetpu.md), or {_USE_CPU}"
_COMMIT = re.compile(rb"TENSORFLOW_COMMIT=([0-9a-f]{7,40})")
_MOST_LIBRARY_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class EdgeTpu:
    """One that is plugged in.

    `path` tells which (in /sys or /dev); `name` is what libedgetpu takes for it now. It counts
    those of a kind, so pulling the first one out renames the others.
    """

    kind: Kind
    path: str
    name: str

    def __str__(self) -> str:
        return f"{self.name} ({self.path})"


@dataclass(frozen=True, slots=True)
class Library:
    """libedgetpu, loaded. `commit` is the TensorFlow it was built from, None where it is silent."""

    name: str
    file: Path | None
    version: str
    commit: str | None
    handle: ctypes.CDLL = field(repr=False, compare=False)

    @property
    def is_googles_last(self) -> bool:
        """Google's 16.0 of 2021, the last one that Google built; made from TensorFlow 2.5."""
        return self.commit is not None and self.commit.startswith("a4dfb8d1")

    def works_with(self, runtime: Runtime) -> bool:
        """False where the two would corrupt memory.

        TFLite 2.12 gave a structure that delegates fill in more fields. One built before is good
        up to tflite-runtime 2.11.1 (google-coral/libedgetpu issue 53) and never for LiteRT.
        """
        if not self.is_googles_last:
            return True
        return not runtime.is_litert and (runtime.release or (99, 0)) <= (2, 11)


def load_library(name: str = LIBRARY) -> Library:
    """Opens no device. Raises RuntimeUnavailable."""
    try:
        handle = ctypes.CDLL(name)
    except OSError as error:
        raise _not_loaded(name, str(error)) from error
    try:
        create = handle.tflite_plugin_create_delegate
        version, devices = handle.edgetpu_version, handle.edgetpu_list_devices
    except AttributeError as error:
        raise RuntimeUnavailable(
            f"{name} is not the Edge TPU's library: {error}", _INSTALL
        ) from error
    version.restype = ctypes.c_char_p
    devices.restype, devices.argtypes = ctypes.POINTER(_Listed), [ctypes.POINTER(ctypes.c_size_t)]
    handle.edgetpu_free_devices.argtypes = [ctypes.POINTER(_Listed)]
    handle.edgetpu_free_devices.restype = None
    file = _file_mapped_at(ctypes.cast(create, ctypes.c_void_p).value or 0)
    said: bytes = version() or b""
    return Library(
        name, file, said.decode(errors="replace"), _commit_in(file) if file else None, handle
    )


def list_devices(library: Library) -> tuple[EdgeTpu, ...]:
    """What is plugged in, in libedgetpu's order. Opens none."""
    counts = dict.fromkeys(KINDS.values(), 0)
    found = []
    for kind, path in _listed(library):
        found.append(EdgeTpu(kind, path, f"{kind}:{counts[kind]}"))
        counts[kind] += 1
    return tuple(found)


def meant_by(device: str, found: Sequence[EdgeTpu]) -> tuple[EdgeTpu, ...]:
    """Those of `found` that a device string allows: "usb:1", ":0" one, "usb", "" any. As libedgetpu
    reads it (tflite/edgetpu_delegate_for_custom_op_tflite_plugin.cc)."""
    kind, _, index = device.partition(":")
    of_kind = [one for one in found if kind in ("", one.kind)]
    if not index:
        return tuple(of_kind)
    return tuple(of_kind[int(index) : int(index) + 1])


def fitting_runtime(library: Library, runtimes: Sequence[Runtime]) -> Runtime:
    """The best that works with the library. Raises RuntimeUnavailable where none does."""
    for runtime in runtimes:
        if library.works_with(runtime):
            return runtime
    raise RuntimeUnavailable(
        f"{library.file or library.name} was built for TensorFlow 2.5 and would corrupt the memory "
        f"of {' and of '.join(str(runtime) for runtime in runtimes)}",
        "install a libedgetpu that was built for a newer TensorFlow (docs/edgetpu.md), "
        f"or {_USE_CPU}",
    )


def open_interpreter(model: bytes, device: str, library_name: str, threads: int) -> Any:
    """An interpreter for a compiled model on that device, which nobody else may have until the
    interpreter is gone. Raises DeviceLost, RuntimeUnavailable, and what the runtime does."""
    library = load_library(library_name)
    runtime = fitting_runtime(library, installed_runtimes())
    tflite, coral = runtime.load(), _pycoral_of(library)
    tpu = _held_one(device, list_devices(library))
    try:
        # pycoral opens the same library with the runtime that it was made for.
        if coral is not None and coral.tflite is tflite:
            delegate = coral.load_edgetpu_delegate({"device": tpu.name})
        else:
            delegate = tflite.load_delegate(library_name, {"device": tpu.name})
    except BaseException as error:
        device_lock.release(tpu.path)
        if isinstance(error, ValueError):  # all that libedgetpu ever says
            raise _not_opened(tpu) from error
        raise
    # Whatever else may still hold on to the delegate: the lock ends when the device is closed.
    weakref.finalize(delegate, device_lock.release, tpu.path).atexit = False
    return tflite.Interpreter(
        model_content=model, num_threads=threads, experimental_delegates=[delegate]
    )


class _Listed(ctypes.Structure):
    """`struct edgetpu_device` of edgetpu_c.h."""

    _fields_ = (("type", ctypes.c_int), ("path", ctypes.c_char_p))


def _listed(library: Library) -> Iterator[tuple[Kind, str]]:
    coral = _pycoral_of(library)
    if coral is not None:
        for one in coral.list_edge_tpus():
            yield one["type"], one["path"]
        return
    count = ctypes.c_size_t()
    listed = library.handle.edgetpu_list_devices(ctypes.byref(count))
    try:
        for number in range(count.value):
            if listed[number].type in KINDS:
                yield KINDS[listed[number].type], listed[number].path.decode(errors="replace")
    finally:
        library.handle.edgetpu_free_devices(listed)


def _pycoral_of(library: Library) -> ModuleType | None:
    """Google's pycoral, which knows no other library than the one in the usual place."""
    return google_pycoral() if library.name == LIBRARY else None


def _held_one(device: str, found: Sequence[EdgeTpu]) -> EdgeTpu:
    """The first of those that are meant which this process can have; it is locked."""
    meant = meant_by(device, found)
    for tpu in meant:
        if device_lock.try_hold(tpu.path):
            return tpu
    if not meant:
        there = ", ".join(map(str, found)) or "none"
        raise DeviceLost(
            f"there is no Edge TPU {device or 'at all'}; plugged in: {there}",
            f"plug it in (`lsusb` shows 1a6e:089a or 18d1:9302, PCIe /dev/apex_0), or {_USE_CPU}",
        )
    holder = device_lock.holder_of(meant[0].path) or device_lock.Holder(None)
    raise DeviceLost(
        f"the Edge TPU {meant[0]} is in use by {holder}",
        "let that one do the work, or stop it: an Edge TPU serves one process only",
    )


def _not_opened(tpu: EdgeTpu) -> DeviceLost:
    for node in nodes():
        if node.path == tpu.path and not node.usable:
            return DeviceLost(
                f"this user may not use the Edge TPU {tpu}: {node.device} belongs to the group "
                f"{node.group}",
                "add the user to that group and log in anew, or install the udev rule with "
                "`annotator service install` and plug the device in again",
            )
    return DeviceLost(
        f"the Edge TPU {tpu} cannot be opened: another program or container has it, or it hangs",
        "stop that program, or unplug the device and plug it in again; `dmesg` says more",
    )


def _not_loaded(name: str, reason: str) -> RuntimeUnavailable:
    """Why the system's loader refused a library."""
    missing = reason.partition(":")[0]
    if missing.startswith("lib") and ".so" in missing and Path(missing).name != Path(name).name:
        return RuntimeUnavailable(f"{name} needs {missing}, which is not installed", _INSTALL)
    for file in _candidates(name):
        ours, its = _machine(Path("/proc/self/exe")), _machine(file)
        if its is None:
            return RuntimeUnavailable(f"{file} is no library: {reason}", _INSTALL)
        if its != ours:
            return RuntimeUnavailable(
                f"{file} is for {its}, but this Python is for {ours}",
                f"install the package of this system's architecture, or {_USE_CPU}",
            )
        return RuntimeUnavailable(f"{file} cannot be loaded: {reason}", _INSTALL)
    return RuntimeUnavailable(f"the Edge TPU's library {name} is not installed", _INSTALL)


def _candidates(name: str) -> Iterator[Path]:
    """Where a library of this name would lie."""
    if "/" in name:
        places = [Path(name)]
    else:
        folders = ("usr/local/lib", "usr/lib", "usr/lib/*", "lib", "lib/*")
        places = [place for folder in folders for place in Path("/").glob(f"{folder}/{name}")]
    yield from (place for place in places if place.is_file())


def _machine(file: Path) -> str | None:
    """The processor that an ELF file is for (elf(5), e_machine); None where it is none."""
    with file.open("rb") as opened:
        head = opened.read(20)
    if len(head) < 20 or head[:4] != b"\x7fELF":
        return None
    number = int.from_bytes(head[18:20], "little" if head[5] == 1 else "big")
    known = {0x03: "x86", 0x28: "32-bit ARM", 0x3E: "x86-64", 0xB7: "64-bit ARM"}
    return known.get(number, f"machine {number}")


def _file_mapped_at(address: int) -> Path | None:
    for line in Path("/proc/self/maps").read_text(errors="surrogateescape").splitlines():
        span, *_, file = line.split(maxsplit=5)
        first, _, last = span.partition("-")
        if int(first, 16) <= address < int(last, 16):
            return Path(file) if file.startswith("/") and Path(file).is_file() else None
    return None


def _commit_in(file: Path) -> str | None:
    """Bazel writes the TensorFlow that a libedgetpu was built from into it; make does not."""
    size = min(file.stat().st_size, _MOST_LIBRARY_BYTES)
    if size == 0:
        return None
    with (
        file.open("rb") as opened,
        mmap.mmap(opened.fileno(), size, prot=mmap.PROT_READ) as content,
    ):
        found = _COMMIT.search(content)
        return found[1].decode() if found else None
