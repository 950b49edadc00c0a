"""The Edge TPU's wiring, on the stand-in of tests/fakes/edgetpu.c and libraries that are none.

What may abort, hang or die runs in a process of its own.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from annotator.config import Config, DetectionSettings, InferenceSettings
from annotator.domain import BoundingBox, Station
from annotator.errors import DeviceLost, ModelError, RuntimeUnavailable
from annotator.inference import device_lock, edgetpu
from annotator.inference.edgetpu import EdgeTpu, Library, fitting_runtime, meant_by
from annotator.inference.runtime import Graph, load_graph
from annotator.inference.tflite import Runtime
from annotator.inference.vision import build_vision
from tests.fakes.edgetpu import (
    CLASS_ID,
    LABEL,
    OF_GOOGLES_16_0,
    SCORE,
    SOME_COMMIT,
    FakeEdgeTpu,
    build,
    tiny_edgetpu_model,
)
from tests.fakes.tiny_ssd import write_labels, write_tiny_ssd

PROJECT = Path(__file__).parents[3]
PIXELS = np.full((64, 64, 3), 100, dtype=np.uint8)

LITERT, NEW, OLD = (
    Runtime("ai-edge-litert", "2.3.0"),
    Runtime("tflite-runtime", "2.14.0"),
    Runtime("tflite-runtime", "2.11.1"),
)


@pytest.fixture
def fake(tmp_path: Path) -> FakeEdgeTpu:
    return build(tmp_path / "tpu")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("model") / "tiny_edgetpu.tflite"
    tiny_edgetpu_model(path)
    return path.read_bytes()


def load(model: bytes, fake: FakeEdgeTpu, device: str = "usb:0") -> Graph:
    return load_graph(
        model, "tiny", station=Station("edgetpu", device), library=str(fake.library), threads=1
    )


def events(fake: FakeEdgeTpu) -> list[str]:
    return [f"{entry.what} {entry.device}" for entry in fake.log()]


# which device


TWO_AND_ONE = tuple(
    EdgeTpu(kind, f"/sys/{name}", name)
    for kind, name in (("pci", "pci:0"), ("usb", "usb:0"), ("usb", "usb:1"))
)


@pytest.mark.parametrize(
    ("device", "names"),
    [
        ("", ["pci:0", "usb:0", "usb:1"]),
        (":0", ["pci:0"]),
        (":2", ["usb:1"]),
        (":3", []),
        ("usb", ["usb:0", "usb:1"]),
        ("usb:1", ["usb:1"]),
        ("usb:2", []),
        ("pci:0", ["pci:0"]),
        ("pci:1", []),
    ],
)
def test_a_device_string_means_what_libedgetpu_means(device: str, names: list[str]) -> None:
    assert [one.name for one in meant_by(device, TWO_AND_ONE)] == names


@given(
    kinds=st.lists(st.sampled_from(["usb", "pci"]), max_size=6),
    device=st.from_regex(r"((usb|pci)?:[0-9]|usb|pci|)", fullmatch=True),
)
def test_no_device_string_means_what_is_not_there(kinds: list[str], device: str) -> None:
    found = tuple(EdgeTpu(kind, f"/{at}", f"{kind}:{at}") for at, kind in enumerate(kinds))  # type: ignore[arg-type]
    meant = meant_by(device, found)
    assert set(meant) <= set(found)
    assert len(meant) <= 1 or ":" not in device


def test_what_is_plugged_in_is_listed_in_order(tmp_path: Path) -> None:
    fake = build(tmp_path, devices=("usb:0", "usb:1", "pci:0"))
    found = edgetpu.list_devices(edgetpu.load_library(str(fake.library)))
    assert [one.name for one in found] == ["pci:0", "usb:0", "usb:1"]
    assert [one.path for one in found] == [str(fake.path(one.name)) for one in found]
    for one in found:
        fake.unplug(one.name)
    assert edgetpu.list_devices(edgetpu.load_library(str(fake.library))) == ()


# one network on it


def test_a_compiled_network_runs_on_the_device(fake: FakeEdgeTpu, model: bytes) -> None:
    graph = load(model, fake)
    boxes, ids, scores, count = (answer.real() for answer in graph.invoke(PIXELS))
    np.testing.assert_array_equal(boxes[0, 0], [0.25, 0.25, 0.75, 0.75])
    assert (ids[0, 0], scores[0, 0], count[0]) == (CLASS_ID, SCORE, 1)
    assert graph.delegate == "edgetpu"
    graph.close()
    assert events(fake) == ["opened usb:0", "closed usb:0"]


def test_each_of_several_devices_is_the_one_that_is_meant(tmp_path: Path, model: bytes) -> None:
    fake = build(tmp_path, devices=("usb:0", "usb:1", "pci:0"))
    for device in ("usb:1", "pci:0", ":1"):
        load(model, fake, device).close()
    opened = [entry.device for entry in fake.log() if entry.what == "opened"]
    assert opened == ["usb:1", "pci:0", "usb:0"]


def test_networks_of_one_process_share_the_device(fake: FakeEdgeTpu, model: bytes) -> None:
    first, second = load(model, fake), load(model, fake, "usb")
    first.close()
    second.invoke(PIXELS)
    assert events(fake) == ["opened usb:0"]
    assert device_lock.holder_of(str(fake.path())) == device_lock.Holder(os.getpid())
    second.close()
    assert events(fake) == ["opened usb:0", "closed usb:0"]
    assert device_lock.holder_of(str(fake.path())) is None


def test_a_failed_inference_is_a_lost_device_that_can_be_opened_anew(
    fake: FakeEdgeTpu, model: bytes
) -> None:
    graph = load(model, fake)
    fake.plug("usb:0", "error")
    with pytest.raises(DeviceLost, match="Edge TPU usb:0 failed: Failed to execute") as raised:
        graph.invoke(PIXELS)
    graph.close()  # while the error is still at hand
    assert events(fake)[-1] == "closed usb:0"
    fake.plug("usb:0", "ok")
    again = load(model, fake)
    again.invoke(PIXELS)
    again.close()
    assert "docs/edgetpu.md" in raised.value.next_step


def test_a_file_that_is_no_model_does_not_keep_the_device(fake: FakeEdgeTpu) -> None:
    with pytest.raises(ModelError, match="is not a TFLite model") as raised:
        load(b"not a model", fake)
    assert events(fake) == ["opened usb:0", "closed usb:0"]
    assert raised.value.__cause__ is not None
    assert device_lock.holder_of(str(fake.path())) is None


def test_a_compiled_network_is_not_for_the_cpu(model: bytes) -> None:
    with pytest.raises(ModelError, match="compiled for the Edge TPU and cannot run on the CPU"):
        load_graph(model, "tiny", threads=1)


def test_a_network_that_is_not_compiled_runs_on_the_cpu_of_an_edge_tpu_station(
    fake: FakeEdgeTpu, tmp_path: Path
) -> None:
    write_tiny_ssd(tmp_path / "tiny.tflite")
    graph = load((tmp_path / "tiny.tflite").read_bytes(), fake)
    assert graph.invoke(PIXELS)[3].real()[0] >= 0
    graph.close()


# the whole of Vision on it


def test_vision_looks_with_the_device_and_loads_it_anew(
    fake: FakeEdgeTpu, model: bytes, tmp_path: Path
) -> None:
    (tmp_path / "x_edgetpu.tflite").write_bytes(model)
    write_tiny_ssd(tmp_path / "x.tflite")
    write_labels(tmp_path / "labels.txt")
    settings = DetectionSettings(
        model=str(tmp_path / "x.tflite"), labels_file=tmp_path / "labels.txt"
    )
    config = Config(inference=InferenceSettings(edgetpu_library=str(fake.library), threads=1))
    vision = build_vision(config, Station("edgetpu", "usb:0"))
    jpeg = grey_jpeg(320, 200)
    (found,) = vision.objects(vision.decode(jpeg, settings), settings)
    assert (found.label, found.score, found.box) == (LABEL, SCORE, BoundingBox(80, 50, 240, 150))
    assert vision.provenance(settings).delegate == "edgetpu"
    assert vision.try_out(settings) > 0

    fake.plug("usb:0", "error")
    try:
        vision.objects(vision.decode(jpeg, settings), settings)
    except DeviceLost:
        vision.reload()
        assert events(fake) == ["opened usb:0", "closed usb:0"]
    fake.plug("usb:0", "ok")
    assert len(vision.objects(vision.decode(jpeg, settings), settings)) == 1
    vision.reload()
    assert events(fake) == ["opened usb:0", "closed usb:0"] * 2


def grey_jpeg(width: int, height: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), (100, 100, 110)).save(file, "JPEG")
    return file.getvalue()


# a device that is not to be had


def test_a_missing_device_says_what_is_there(fake: FakeEdgeTpu, model: bytes) -> None:
    with pytest.raises(DeviceLost, match=r"no Edge TPU usb:1; plugged in: usb:0 \(.*usb-0\)"):
        load(model, fake, "usb:1")
    fake.unplug()
    with pytest.raises(DeviceLost, match=r"no Edge TPU :0; plugged in: none") as raised:
        load(model, fake, ":0")
    assert "1a6e:089a" in raised.value.next_step


def test_a_device_that_does_not_open_is_free_for_the_next_try(
    fake: FakeEdgeTpu, model: bytes
) -> None:
    fake.plug("usb:0", "busy")
    with pytest.raises(DeviceLost, match="another program or container has it"):
        load(model, fake)
    fake.plug("usb:0", "ok")
    load(model, fake).close()


HOLD = """
import sys
from annotator.domain import Station
from annotator.inference.runtime import load_graph
model, library = sys.argv[1:]
graph = load_graph(
    open(model, "rb").read(), "tiny", station=Station("edgetpu", "usb:0"), library=library
)
print("held", flush=True)
sys.stdin.read()
"""


def test_no_second_process_opens_a_device(fake: FakeEdgeTpu, model: bytes, tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(model)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "model"), str(fake.library)],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(DeviceLost, match=f"in use by process {holder.pid}"):
            load(model, fake)
        assert events(fake) == ["opened usb:0"]
        holder.kill()
    load(model, fake).close()  # the kernel has let go of the lock
    assert "clash usb:0" not in events(fake)


def test_any_device_is_the_first_that_is_free(tmp_path: Path, model: bytes) -> None:
    fake = build(tmp_path, devices=("usb:0", "usb:1"))
    import socket

    with socket.socket(socket.AF_UNIX) as other:  # as another process would
        other.bind(device_lock._address(str(fake.path("usb:0"))))
        load(model, fake, "usb").close()
    assert [entry.device for entry in fake.log()] == ["usb:1", "usb:1"]


def test_the_lock_holds_when_more_have_asked_than_it_can_answer(tmp_path: Path) -> None:
    path = str(tmp_path / "device")
    assert device_lock.try_hold(path)
    answers = {device_lock.holder_of(path) for _ in range(device_lock._MOST_ASKING + 5)}
    assert answers == {device_lock.Holder(os.getpid()), device_lock.Holder(None)}
    device_lock.release(path)
    assert device_lock.holder_of(path) is None


# a library that does not serve


def refused(name: object) -> RuntimeUnavailable:
    with pytest.raises(RuntimeUnavailable) as raised:
        edgetpu.load_library(str(name))
    assert not isinstance(raised.value, DeviceLost)
    assert raised.value.next_step
    return raised.value


def test_a_library_that_is_not_there(tmp_path: Path) -> None:
    assert "is not installed" in str(refused("libedgetpu-nowhere.so.1"))
    assert "is not installed" in str(refused(tmp_path / "libedgetpu.so.1"))


def test_a_library_for_another_processor(fake: FakeEdgeTpu) -> None:
    content = bytearray(fake.library.read_bytes())
    content[18:20] = (0x28).to_bytes(2, "little")
    other = fake.library.with_name("libother.so")
    other.write_bytes(content)
    assert "is for 32-bit ARM, but this Python is for " in str(refused(other))


@pytest.mark.parametrize("content", [b"", b"\x7fELF", b"#!/bin/sh\n"])
def test_a_file_that_is_no_library(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "lib.so").write_bytes(content)
    assert "is no library" in str(refused(tmp_path / "lib.so"))


def test_a_library_that_is_cut_short(fake: FakeEdgeTpu) -> None:
    cut = fake.library.with_name("libcut.so")
    cut.write_bytes(fake.library.read_bytes()[:100])
    assert "cannot be loaded" in str(refused(cut))


def test_a_library_that_lacks_libusb(tmp_path: Path) -> None:
    build(tmp_path)  # skips without a compiler
    for name, uses in (("libusb-1.0.so.0", ()), ("libneedy.so", ("libusb-1.0.so.0",))):
        source = tmp_path / "empty.c"
        source.write_text("int nothing;")
        command = ["cc", "-shared", f"-Wl,-soname,{name}", "-Wl,--no-as-needed", "-o", name]
        subprocess.run([*command, str(source), *uses], cwd=tmp_path, check=True)
    (tmp_path / "libusb-1.0.so.0").unlink()
    if shutil.which("ldconfig") and b"libusb-1.0.so.0" in subprocess.check_output(
        ["ldconfig", "-p"]
    ):
        pytest.skip("this machine has libusb")
    error = refused(tmp_path / "libneedy.so")
    assert "needs libusb-1.0.so.0, which is not installed" in str(error)
    assert "libusb-1.0-0" in error.next_step


def test_a_library_that_is_something_else() -> None:
    assert "is not the Edge TPU's library" in str(refused("libc.so.6"))


# pairs that corrupt memory


def library(commit: str | None) -> Library:
    import ctypes

    return Library("libedgetpu.so.1", None, "RuntimeVersion(14)", commit, ctypes.CDLL(None))


@pytest.mark.parametrize(
    ("commit", "runtimes", "chosen"),
    [
        (SOME_COMMIT, (LITERT, NEW), LITERT),
        (None, (LITERT,), LITERT),
        (OF_GOOGLES_16_0, (LITERT, OLD), OLD),
        (OF_GOOGLES_16_0, (OLD,), OLD),
    ],
)
def test_the_best_runtime_that_the_library_works_with(
    commit: str | None, runtimes: tuple[Runtime, ...], chosen: Runtime
) -> None:
    assert fitting_runtime(library(commit), runtimes) == chosen


@pytest.mark.parametrize(
    "runtimes", [(LITERT,), (NEW,), (LITERT, NEW), (Runtime("tflite-runtime", ""),)]
)
def test_a_pair_that_corrupts_memory_is_refused(runtimes: tuple[Runtime, ...]) -> None:
    with pytest.raises(RuntimeUnavailable, match=r"TensorFlow 2\.5") as raised:
        fitting_runtime(library(OF_GOOGLES_16_0), runtimes)
    assert all(str(runtime) in str(raised.value) for runtime in runtimes)
    assert not isinstance(raised.value, DeviceLost)


def test_googles_library_is_told_by_its_file_and_opens_nothing(
    tmp_path: Path, model: bytes
) -> None:
    fake = build(tmp_path, commit=OF_GOOGLES_16_0)
    loaded = edgetpu.load_library(str(fake.library))
    assert (loaded.file, loaded.commit) == (fake.library, OF_GOOGLES_16_0)
    assert loaded.version == "BuildLabel(fake), RuntimeVersion(14)"
    with pytest.raises(RuntimeUnavailable, match="would corrupt the memory of ai-edge-litert"):
        load(model, fake)
    assert fake.log() == ()


# Google's pycoral

PYCORAL = """
import os, tests.fakes.edgetpu
from ai_edge_litert import interpreter as tflite

def list_edge_tpus():
    print("listed by pycoral")
    folder = os.environ["FAKE"] + "/devices"
    return [{"type": "usb", "path": f"{folder}/{name}"} for name in sorted(os.listdir(folder))]

def load_edgetpu_delegate(options=None):
    print("opened by pycoral")
    return tflite.load_delegate("libedgetpu.so.1", options or {})
"""


def test_googles_pycoral_is_used_where_it_is(
    fake: FakeEdgeTpu, model: bytes, tmp_path: Path
) -> None:
    folder = tmp_path / "site" / "pycoral" / "utils"
    folder.mkdir(parents=True)
    (folder / "edgetpu.py").write_text(PYCORAL)
    (folder / "__init__.py").touch()
    (folder.parent / "__init__.py").touch()
    (tmp_path / "model").write_bytes(model)
    done = subprocess.run(
        [sys.executable, "-c", HOLD, str(tmp_path / "model"), "libedgetpu.so.1"],
        cwd=PROJECT,
        env={
            **os.environ,
            "PYTHONPATH": str(tmp_path / "site"),
            "LD_LIBRARY_PATH": str(fake.library.parent),
            "FAKE": str(fake.library.parent),
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.splitlines() == ["listed by pycoral", "opened by pycoral", "held"], done
    assert events(fake)[0] == "opened usb:0"
