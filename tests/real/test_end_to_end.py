"""Real captures and real models, through the command line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.system.conftest import House


@pytest.fixture
def real(tmp_path: Path, shared: Path) -> House:
    """A house with the real models and an empty store."""
    made = House(tmp_path)
    made.store.mkdir()
    (tmp_path / "annotator.toml").write_text(
        f'store.root = "{made.store}"\n'
        f'database.path = "{tmp_path}/annotator.sqlite"\n'
        f'models.directory = "{shared}/models"\n'
        'detection.model = "coco_ssd_mobilenet_v1"\n'
        'inference.delegate = "cpu"\n'
        "watch.incomplete_timeout_s = 1.0\n"
    )
    return made


def test_every_hostile_file_is_looked_at_or_fails_with_a_reason(real: House, shared: Path) -> None:
    files = sorted((shared / "data" / "malformed").glob("*.jpg"))
    for file in files:
        shutil.copy(file, real.store)
    report = real.run("backfill", code=3).stderr
    assert "Traceback" not in report
    status = real.status()
    assert status["annotated"] + status["failed"] == len(files) == 74
    assert status["waiting"] == {}
    assert "crashed the worker" not in status["failures"]
    assert "internal error" not in status["failures"]
    # What Pillow cannot load was not looked at, whatever else.
    labels = json.loads((shared / "data" / "malformed" / "labels.json").read_text())
    broken = {one["file"] for one in labels["files"] if "fail" in one["pillow"]}
    seen = {Path(row["path"]).name for row in real.rows()}
    assert not seen & broken


def test_a_face_of_the_family_gets_an_embedding_and_no_name_yet(real: House, shared: Path) -> None:
    person = next((shared / "data" / "faces" / "gallery").iterdir())
    for picture in sorted(person.glob("*.jpg"))[:3]:
        shutil.copy(picture, real.store)
    real.run("backfill")
    verdicts = {row["verdict"] for row in real.rows("--label", "person")}
    assert "no gallery" in verdicts
    assert {row["face"] for row in real.rows()} == {None}


def test_the_trainer_tells_which_pictures_can_be_used(real: House, shared: Path) -> None:
    import subprocess
    import sys

    gallery = real.folder / "gallery"
    people = sorted((shared / "data" / "faces" / "gallery").iterdir())[:2]
    for person in people:
        (gallery / person.name).mkdir(parents=True)
        for picture in sorted(person.glob("*.jpg"))[:4]:
            shutil.copy(picture, gallery / person.name)
    (gallery / people[0].name / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing")
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from trainer.cli import main; main()",
            "gallery",
            "check",
            str(gallery),
        ],
        env=real.environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 3, done.stderr
    assert "broken.jpg" in done.stdout
    for person in people:
        assert person.name in done.stdout
    assert "not readable" in done.stdout
