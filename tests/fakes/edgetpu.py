"""An Edge TPU without an Edge TPU: builds `edgetpu.c`, whose head says what it can be told to do.

    fake = build(tmp_path / "tpu")                   # one device on USB is plugged in
    config: inference.edgetpu_library = str(fake.library)
    fake.plug("usb:0", "hang"); fake.unplug("usb:0"); fake.log()

What it is told holds at once and for every process that has it loaded.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import pytest

from tests.fakes.tiny_ssd import _Graph

SOURCE = Path(__file__).with_name("edgetpu.c")
OF_GOOGLES_16_0 = "a4dfb8d1a71385bd6d122e4f27f86dcebb96712d"
"""The commit in Google's last library: TensorFlow 2.5."""
SOME_COMMIT = "1" * 40

Behaviour = Literal["ok", "error", "abort", "hang", "slow", "busy", "stuck"]

LABEL, CLASS_ID, SCORE = "green", 1, 0.875
"""What it sees in every picture, with `tiny_ssd.LABELS`: in the middle, half as wide and high."""


@dataclass(frozen=True)
class Entry:
    """A line of the log."""

    what: Literal["opened", "closed", "clash"]
    device: str
    pid: int


@dataclass(frozen=True)
class FakeEdgeTpu:
    library: Path

    def plug(self, device: str = "usb:0", behaviour: Behaviour = "ok") -> None:
        """Plug a device in, or change how it behaves."""
        path = self.path(device)
        fresh = path.with_name(f".{path.name}")
        fresh.write_text(behaviour)
        fresh.rename(path)

    def unplug(self, device: str = "usb:0") -> None:
        self.path(device).unlink(missing_ok=True)

    def path(self, device: str = "usb:0") -> Path:
        """What the library calls it, in place of a path in /sys or /dev."""
        return self.library.parent / "devices" / device.replace(":", "-")

    def log(self) -> tuple[Entry, ...]:
        """Every opening and closing so far; "clash" names a process that was killed by it."""
        path = self.library.with_name("log")
        lines = path.read_text().splitlines() if path.exists() else []
        return tuple(
            Entry(what, device.replace("-", ":"), int(pid))  # type: ignore[arg-type]
            for what, device, pid in (line.split() for line in lines)
        )


def build(
    folder: Path, *, devices: Sequence[str] = ("usb:0",), commit: str = SOME_COMMIT
) -> FakeEdgeTpu:
    """Put one into `folder`; skips where there is no C compiler.

    ANNOTATOR_REQUIRE_COMPILER=1 turns the skip into a failure.
    """
    (folder / "devices").mkdir(parents=True, exist_ok=True)
    library = folder / "libedgetpu.so.1"
    library.write_bytes(_compiled(commit))
    library.chmod(0o755)
    fake = FakeEdgeTpu(library)
    for device in devices:
        fake.plug(device)
    return fake


@cache
def _compiled(commit: str) -> bytes:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        reason = "no C compiler to build the Edge TPU's stand-in with"
        if os.environ.get("ANNOTATOR_REQUIRE_COMPILER") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    command = [compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", f'-DCOMMIT="{commit}"']
    with TemporaryDirectory() as scratch:
        library = Path(scratch) / "libedgetpu.so.1"
        subprocess.run([*command, "-o", str(library), str(SOURCE), "-ldl"], check=True)
        return library.read_bytes()


def tiny_edgetpu_model(path: Path, size: int = 64) -> None:
    """The twin of `write_tiny_ssd`'s network, "compiled" for the stand-in: one custom operator.

    Call the file `X_edgetpu.tflite` beside `X.tflite`.
    """
    graph = _Graph()
    pixels = graph.input("uint8", (1, size, size, 3))
    shapes = ((1, 2, 4), (1, 2), (1, 2), (1,))  # boxes, class ids, scores, count
    graph.outputs = [graph.tensor(shape) for shape in shapes]
    graph.custom("edgetpu-custom-op", [pixels], graph.outputs)
    path.write_bytes(graph.serialised(pixels_of=graph.inputs[0], names={}))
