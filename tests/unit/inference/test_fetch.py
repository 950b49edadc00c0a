"""Fetching against real directories and a real HTTP server on this machine."""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from annotator.errors import BusyError, ModelError
from annotator.inference.catalogue import Catalogue, FileState, Task, file_state, load_catalogue
from annotator.inference.fetch import Progress, fetch, fetch_best

BEST, SECOND, FACES, TWIN = (bytes([65 + i]) * (70_000 + i) for i in range(4))


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # so that closing waits for them


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@dataclass(frozen=True)
class Home:
    """The place that the catalogue names: a folder that is served, and its address."""

    folder: Path
    url: str


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    folder = tmp_path / "home"
    folder.mkdir()
    with _Server(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield Home(folder, f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
        thread.join()


def catalogue_of(home: Home, **sizes: int) -> Catalogue:
    """MobileDet (with a twin) by URL, SSD v2 in a zip, BlazeFace by URL."""

    def entry(name: str, task: str, content: bytes, source: str, more: str = "") -> str:
        digest = hashlib.sha256(content).hexdigest()
        return f"""
[models.{name}]
task = "{task}"
head = "ssd"
input = [320, 320]
labels = "coco.txt"
licence = "-"
home = "-"
about = "-"
cpu = {{ source = "{source}", file = "{name}.tflite", sha256 = "{digest}"{more} }}
"""

    twin = hashlib.sha256(TWIN).hexdigest()
    text = f"""
[sources.web]
url = "{home.url}/{{file}}"
[sources.archive]
zip = "{home.url}/archive.zip"
{entry("ssdlite_mobiledet_coco", "objects", BEST, "web")}
edgetpu = {{ source = "web", file = "twin.tflite", sha256 = "{twin}" }}
{
        entry(
            "ssd_mobilenet_v2_coco",
            "objects",
            SECOND,
            "archive",
            f', member = "in/side.tflite", size = {sizes.get("second", len(SECOND))}',
        )
    }
{entry("blazeface_full_range", "faces", FACES, "web")}
"""
    for absent in ("efficientdet_lite0", "efficientdet_lite1", "efficientdet_lite2"):
        text += entry(absent, "objects", b"absent", "web")
    for absent in ("efficientdet_lite3", "coco_ssd_mobilenet_v1", "blazepose"):
        text += entry(absent, "objects", b"absent", "web")
    for absent in ("blazeface_short_range", "ssd_mobilenet_v2_face"):
        text += entry(absent, "faces", b"absent", "web")
    path = home.folder.parent / "catalogue.toml"
    path.write_text(text)
    return load_catalogue(path)


def zipped(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/").replace("_tflite", ".tflite"), content)
    return file.getvalue()


def test_files_come_from_their_home_and_are_told_of(home: Home, tmp_path: Path) -> None:
    catalogue, models, told = catalogue_of(home), tmp_path / "models", list[Progress]()
    (home.folder / "ssdlite_mobiledet_coco.tflite").write_bytes(BEST)
    (home.folder / "twin.tflite").write_bytes(TWIN)
    entry = catalogue.entry("ssdlite_mobiledet_coco")
    fetch([entry], models, edgetpu=True, progress=told.append)
    assert (models / "ssdlite_mobiledet_coco.tflite").read_bytes() == BEST
    assert (models / "twin.tflite").read_bytes() == TWIN
    assert told[0].done_bytes == 0
    assert told[-1].done_bytes == told[-1].total_bytes == len(TWIN)
    told.clear()
    fetch([entry], models, edgetpu=True, progress=told.append)
    assert not told, "what is here is not fetched again"


def test_a_member_comes_out_of_its_archive(home: Home, tmp_path: Path) -> None:
    (home.folder / "archive.zip").write_bytes(zipped(in__side_tflite=SECOND))
    fetch([catalogue_of(home).entry("ssd_mobilenet_v2_coco")], tmp_path / "models")
    assert [path.name for path in (tmp_path / "models").iterdir()] == [
        "ssd_mobilenet_v2_coco.tflite"
    ]


@pytest.mark.parametrize("as_url", [False, True])
def test_a_mirror_is_looked_at_first(home: Home, tmp_path: Path, as_url: bool) -> None:
    catalogue = catalogue_of(Home(home.folder, "http://127.0.0.1:9"))
    (home.folder / "ssd_mobilenet_v2_coco.tflite").write_bytes(SECOND)
    mirror = home.url if as_url else str(home.folder)
    fetch([catalogue.entry("ssd_mobilenet_v2_coco")], tmp_path / "models", mirror=mirror)
    assert (tmp_path / "models" / "ssd_mobilenet_v2_coco.tflite").read_bytes() == SECOND


def test_what_the_mirror_has_not_comes_from_home(home: Home, tmp_path: Path) -> None:
    (home.folder / "blazeface_full_range.tflite").write_bytes(FACES)
    for mirror in (str(tmp_path), f"{home.url}/nowhere"):
        models = tmp_path / f"models-{len(mirror)}"
        fetch([catalogue_of(home).entry("blazeface_full_range")], models, mirror=mirror)
        assert (models / "blazeface_full_range.tflite").read_bytes() == FACES


@pytest.mark.parametrize(
    ("served", "expected"),
    [
        ({}, "HTTP 404"),
        ({"archive.zip": b"PK nonsense"}, "not a zip file"),
        ({"archive.zip": zipped(other=SECOND)}, "no item named"),
        ({"archive.zip": zipped(in__side_tflite=SECOND + b"!")}, "larger than"),
        ({"archive.zip": zipped(in__side_tflite=bytes(50_000_000))}, "larger than"),
        ({"archive.zip": zipped(in__side_tflite=SECOND[:-1])}, "not the file that"),
        ({"archive.zip": zipped(in__side_tflite=SECOND)[:-60]}, "not a zip file"),
    ],
)
def test_what_goes_wrong_is_told_and_nothing_is_left(
    home: Home, tmp_path: Path, served: dict[str, bytes], expected: str
) -> None:
    for name, content in served.items():
        (home.folder / name).write_bytes(content)
    entry = catalogue_of(home).entry("ssd_mobilenet_v2_coco")
    with pytest.raises(ModelError, match=expected) as raised:
        fetch([entry], tmp_path / "models")
    assert "ssd_mobilenet_v2_coco.tflite" in str(raised.value)
    assert "--mirror" in raised.value.next_step
    assert list((tmp_path / "models").iterdir()) == []


def test_a_wrong_file_in_the_mirror_is_an_error_and_not_passed_over(
    home: Home, tmp_path: Path
) -> None:
    (home.folder / "blazeface_full_range.tflite").write_bytes(FACES)
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / "blazeface_full_range.tflite").write_bytes(FACES + b"tampered")
    entry = catalogue_of(home).entry("blazeface_full_range")
    with pytest.raises(ModelError, match=r"mirror/blazeface_full_range\.tflite is not the file"):
        fetch([entry], tmp_path / "models", mirror=str(mirror))
    assert list((tmp_path / "models").iterdir()) == []


def test_a_broken_file_is_replaced_and_left_overs_do_not_matter(home: Home, tmp_path: Path) -> None:
    models = tmp_path / "models"
    (models / ".fetch").mkdir(parents=True)
    (models / ".fetch" / "half.whl").write_bytes(b"half")
    (models / "blazeface_full_range.tflite").write_bytes(b"broken")
    (models / "blazeface_full_range.tflite.part").write_bytes(b"half a download")
    (home.folder / "blazeface_full_range.tflite").write_bytes(FACES)
    entry = catalogue_of(home).entry("blazeface_full_range")
    assert file_state(models, entry.cpu) is FileState.WRONG
    fetch([entry], models)
    assert file_state(models, entry.cpu) is FileState.GOOD
    assert len(list(models.iterdir())) == 1


def test_the_best_that_can_be_had_is_taken(home: Home, tmp_path: Path) -> None:
    (home.folder / "archive.zip").write_bytes(zipped(in__side_tflite=SECOND))
    (home.folder / "blazeface_full_range.tflite").write_bytes(FACES)
    objects, faces = fetch_best(catalogue_of(home), tmp_path / "models")
    assert objects.entry.name == "ssd_mobilenet_v2_coco"
    assert "ssdlite_mobiledet_coco.tflite" in objects.complaints[0]
    assert faces.entry.name == "blazeface_full_range"


def test_a_home_that_does_not_answer_is_asked_once(home: Home, tmp_path: Path) -> None:
    nowhere = Home(home.folder, "http://127.0.0.1:9")
    told = list[Progress]()
    with pytest.raises(ModelError, match="no model for objects can be had") as raised:
        fetch_best(
            catalogue_of(nowhere), tmp_path / "models", progress=told.append, tasks=[Task.OBJECTS]
        )
    assert str(raised.value).count("refused") == 8
    assert not told


def test_one_fetch_at_a_time(home: Home, tmp_path: Path) -> None:
    handle = os.open(tmp_path, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        with pytest.raises(BusyError, match="another"):
            fetch([], tmp_path)
    finally:
        os.close(handle)


def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ModelError, match="cannot use") as raised:
        fetch([], tmp_path / "file" / "models")
    assert "[models]" in raised.value.next_step
