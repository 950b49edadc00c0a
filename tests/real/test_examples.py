"""Every example of every `--help` is run as it stands, in a house that has what they name."""

from __future__ import annotations

import inspect
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from PIL import Image

from annotator.calendar import local_days
from annotator.cli.main import cli, run
from annotator.cli.tree import commands_of
from annotator.cli.when import period
from annotator.clock import SystemClock
from annotator.domain import (
    Annotation,
    BoundingBox,
    Capture,
    Detection,
    Event,
    Face,
    Gate,
    Identification,
    Identity,
    Window,
)
from annotator.transfer import encode_record
from db.engine import open_database
from db.export import SqlExport
from db.face_book import SqlFaceBook
from db.store import SqlStore
from tests.contracts.backlog import PROVENANCE, failure
from trainer.cli import cli as trainer_cli

IN_A_MACHINE = "annotator service"
"""tests/system/test_systemd.py runs these, in a machine with systemd and /etc/annotator."""
NOT_HERE = ("annotator models fetch ssd_mobilenet_v2_coco --edgetpu",)
"""Coral's files are not kept beside the project."""
ENDLESS = ("annotator watch", "annotator browse", "annotator query --follow")


def examples() -> Iterator[str]:
    for _, command in (*commands_of(cli, "annotator"), *commands_of(trainer_cli, "trainer")):
        text = inspect.cleandoc(command.help or "").replace("\b", "")
        yield from (line.strip() for line in text.partition("Example:")[2].strip().splitlines())


EXAMPLES = list(examples())


@pytest.mark.parametrize("name", [name for name, _ in commands_of(cli, "annotator")])
def test_every_command_has_an_example(name: str) -> None:
    assert any(one.removeprefix("sudo ").startswith(name) for one in EXAMPLES)


@pytest.fixture(scope="module")
def model_house(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything that an example names, once."""
    home = tmp_path_factory.mktemp("house")
    (home / "models").mkdir()
    for model in (shared / "models").glob("*.tflite"):
        (home / "models" / model.name).symlink_to(model)
    (home / "yolov8n.tflite").symlink_to(shared / "models" / "yolov8n_full_integer_quant.tflite")
    frames = sorted((shared / "data" / "frames").glob("*/*.jpg"))
    (home / "driveway.jpg").symlink_to(frames[0])
    faces = shared / "data" / "faces"
    for person in ("Laura_Bush", "Tony_Blair"):
        pictures = sorted((faces / "gallery" / person).glob("*.jpg"))[:5]
        for number, picture in enumerate(pictures):
            folder = home / ("faces" if number < 4 else "faces-for-testing") / person
            folder.mkdir(parents=True, exist_ok=True)
            (folder / picture.name).symlink_to(picture)
    for number, picture in enumerate(sorted((faces / "strangers").glob("*/001.jpg"))[:3]):
        folder = home / ("faces" if number < 2 else "faces-for-testing") / "Unknown"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.jpg").symlink_to(picture)
    shutil.copytree(home / "faces" / "Laura_Bush", home / "Pictures" / "anna", symlinks=True)
    shutil.copytree(home / "faces", home / "gallery", symlinks=True)
    _label(home)
    _configure(home)
    assert run(trainer_cli, ["train", "--config", str(home / "annotator.toml")]) == 0
    return home


def _configure(home: Path) -> Path:
    file = home / "annotator.toml"
    file.write_text(
        f'[store]\nroot = "{home}/events"\n[database]\npath = "{home}/annotator.sqlite"\n'
        f'[models]\ndirectory = "{home}/models"\n'
        '[detection]\nmodel = "coco_ssd_mobilenet_v1"\n[inference]\ndelegate = "cpu"\n'
        f'[faces]\ngallery = "{home}/gallery"\n[worker]\nprocesses = 1\n'
        "[monitors.Driveway.detection]\nmin_score = 0.4\n"
        '[[notify]]\nname = "stranger at night"\nto = ["bell"]\n[commands.bell]\nrun = ["true"]\n'
    )
    return file


def _label(home: Path) -> None:
    """Labels in COCO's form for one picture."""
    (home / "labels").mkdir()
    shutil.copy(home / "driveway.jpg", home / "labels" / "driveway.jpg")
    with Image.open(home / "driveway.jpg") as picture:
        width, height = picture.size
    one = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [10, 10, 50, 90], "area": 4500}
    labels = {
        "images": [{"id": 1, "file_name": "driveway.jpg", "width": width, "height": height}],
        "annotations": [{**one, "iscrowd": 0}],
        "categories": [{"id": 1, "name": "person"}],
    }
    (home / "labels" / "instances.json").write_text(json.dumps(labels))


@pytest.fixture
def house(model_house: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared: Path) -> Path:
    """A house of its own for each example."""
    home = tmp_path / "home"
    shutil.copytree(model_house, home, symlinks=True)
    (home / "pictures").mkdir()
    config = _configure(home)
    _fill(home)
    monkeypatch.chdir(home)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("BROWSER", "true")  # what `browse --open` starts
    monkeypatch.setenv("ANNOTATOR_CONFIG", str(config))
    monkeypatch.setenv("ANNOTATOR_MODEL_MIRROR", str(shared / "models"))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    return home


def _fill(home: Path) -> None:
    """An event of long ago and some of the last days, with people, a car, and nothing."""
    yesterday, friday = period("yesterday").since, period("last friday").since
    nine = datetime.now().astimezone().date() - timedelta(days=9)
    anna = _face(Identification(Identity.KNOWN, "anna", 0.9, 0.3), 1)
    unknown = _face(Identification(Identity.UNKNOWN, None, None, 0.8), 2)
    house = [
        *_event(home, "FrontDoor", _local(2024, 5, 1, 18, 30), _person(unknown)),
        *_event(home, "FrontDoor", yesterday + timedelta(hours=18), _person(anna)),
        *_event(home, "FrontDoor", friday + timedelta(hours=23), _person(unknown)),
        *_event(home, "Drive", yesterday + timedelta(hours=12), _car()),
        *_event(home, "Garden", local_days(nine, nine).since),
        *_event(home, "Garden", local_days(nine, nine).since - timedelta(days=40)),
        *_event(home, "Driveway", yesterday + timedelta(hours=9), _car()),
    ]
    broken = Capture(house[0].capture.event, "00099-capture.jpg", 99)
    with open_database(home / "annotator.sqlite", forbidden_root=home / "events") as database:
        store = SqlStore(database, SystemClock())
        with database.writing() as connection:
            connection.exec_driver_sql("DELETE FROM sqlite_sequence WHERE name = 'face'")
            connection.exec_driver_sql("INSERT INTO sqlite_sequence VALUES ('face', 4710)")
        store.record(house, [failure(broken)])
        SqlFaceBook(database, SystemClock()).group({4711: 17})
        garden = SqlExport(database, Window(monitors=("Garden",))).records()
        (home / "garden.jsonl").write_bytes(b"".join(encode_record(one) + b"\n" for one in garden))


def _local(*parts: int) -> datetime:
    return datetime(*parts).astimezone(UTC)  # type: ignore[misc, arg-type]


def _event(home: Path, monitor: str, began_at: datetime, *seen: Detection) -> Iterator[Annotation]:
    began_at = began_at.astimezone(UTC)
    path = f"{began_at.astimezone():%y/%m/%d/%H/%M/%S}"
    event = Event(monitor, monitor, path, began_at)
    directory = home / "events" / event.directory
    directory.mkdir(parents=True)
    (directory.parents[2] / f".{len(path)}{began_at:%H%M}").symlink_to(path[9:])
    for frame in (1, 2):
        capture = Capture(event, f"{frame:05d}-capture.jpg", frame)
        Image.new("RGB", (640, 360), (80, 90, 100)).save(home / "events" / capture.path)
        yield Annotation(capture, began_at + timedelta(seconds=frame), 640, 360, seen, PROVENANCE)


def _face(who: Identification, seed: int) -> Face:
    import numpy as np

    vector = np.random.default_rng(seed).normal(0, 0.047, 128).astype("<f4").tobytes()
    return Face(BoundingBox(120, 60, 200, 150), 0.9, 300.0, Gate.USABLE, vector, who)


def _person(face: Face) -> Detection:
    return Detection("person", 0, 0.9, BoundingBox(100, 50, 240, 340), (face,))


def _car() -> Detection:
    return Detection("car", 2, 0.8, BoundingBox(300, 100, 500, 250))


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_example_works(
    example: str, house: Path, capfd: pytest.CaptureFixture[str], no_network: None
) -> None:
    if IN_A_MACHINE in example or example in NOT_HERE:
        return
    line = example.replace("/etc/annotator/annotator.toml", str(house / "annotator.toml"))
    if line.startswith(ENDLESS):
        code = _stopped(line)
    elif "|" in line or ">" in line:
        code = subprocess.run(["bash", "-o", "pipefail", "-c", line], timeout=120).returncode
    else:
        program, *words = [os.path.expanduser(word) for word in shlex.split(line)]  # noqa: PTH111
        code = run({"annotator": cli, "trainer": trainer_cli}[program], words)
    told = capfd.readouterr()
    assert code == 0, told.err


def _stopped(line: str) -> int:
    """The exit code of what runs until it is told to end."""
    process = subprocess.Popen(
        shlex.split(line), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    said = process.stderr.readline()
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert said, out + err
    return process.returncode


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """What would be fetched is fetched from the mirror, or not at all."""
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
