"""`trainer train` and `trainer evaluate` on real pictures, good and bad ones."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from annotator.inference.bundle import read_bundle

PEOPLE = ("Laura_Bush", "Tony_Blair")


@pytest.fixture(scope="module")
def home(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A place for models, with a gallery of two people and two strangers."""
    home = tmp_path_factory.mktemp("home")
    (home / "models").mkdir()
    for model in (shared / "models").glob("face_detection_*.tflite"):
        shutil.copy(model, home / "models")
    (home / "annotator.toml").write_text(
        f'[models]\ndirectory = "{home}/models"\n'
        f'[database]\npath = "{home}/annotator.sqlite"\n'
        f'[faces]\ngallery = "{home}/gallery"\n'
    )
    faces = shared / "data" / "faces"
    for person in PEOPLE:
        for number, picture in enumerate(sorted((faces / "gallery" / person).glob("*.jpg"))[:7]):
            folder = home / ("gallery" if number < 4 else "others") / person
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(picture, folder)
    strangers = sorted((faces / "strangers").glob("*/001.jpg"))[:5]
    for number, picture in enumerate(strangers):
        folder = home / ("gallery" if number < 2 else "others") / "Unknown"
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(picture, folder / f"{number}.jpg")
    return home


def trainer(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            sys.executable,
            "-c",
            "from trainer.cli import main; main()",
            *arguments,
            "--config",
            str(home / "annotator.toml"),
        ],
        capture_output=True,
        text=True,
        timeout=180,
    )


def test_a_gallery_is_learned_and_judged(home: Path) -> None:
    done = trainer(home, "train", "--classifier", "none")
    assert done.returncode == 0, done.stderr
    bundle = home / "models" / "recogniser.bundle"
    assert read_bundle(bundle).manifest.names == PEOPLE
    assert "Laura_Bush" in done.stdout
    assert bundle.with_name("recogniser.bundle.confusion.png").is_file()
    assert bundle.with_name("recogniser.bundle.scores.png").is_file()

    done = trainer(home, "evaluate", str(home / "others"), "--format", "json")
    assert done.returncode == 0, done.stderr
    (judged,) = json.loads(done.stdout)
    assert judged["overall"]["known"] == judged["overall"]["right"] == 6
    assert (judged["overall"]["strangers"], judged["overall"]["strangers_named"]) == (3, 0)
    assert bundle.with_name("recogniser.bundle.det.png").is_file()

    # Without one of the people it is worse, and does not take the place.
    before = bundle.read_bytes()
    done = trainer(home, "train", str(_only(home, "Tony_Blair")), "--classifier", "none")
    assert done.returncode == 6
    assert "does not know Laura_Bush" in done.stderr
    assert bundle.read_bytes() == before


def test_bad_pictures_are_named_and_the_rest_is_learned(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "faces"
    shutil.copytree(home / "gallery" / "Tony_Blair", folder / "Tony_Blair")
    (folder / "Tony_Blair" / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing")
    _side_by_side(home, folder / "Tony_Blair" / "two.jpg")
    (folder / "nobody").mkdir()
    Image.new("RGB", (300, 300), "green").save(folder / "nobody" / "wall.jpg")
    (folder / "one").mkdir()
    shutil.copy(sorted((home / "gallery" / "Laura_Bush").iterdir())[0], folder / "one")
    target = tmp_path / "new.bundle"
    done = trainer(home, "train", str(folder), "--classifier", "none", "--output", str(target))
    assert done.returncode == 3, done.stderr
    assert "broken.jpg: not readable" in done.stderr
    assert "two.jpg: several people" in done.stderr
    assert "nobody: none of the pictures can be used" in done.stderr
    assert "few pictures, 8 are good: one" in done.stderr
    assert read_bundle(target).manifest.names == ("Tony_Blair", "one")


def test_nothing_to_learn_writes_nothing(home: Path, tmp_path: Path) -> None:
    target = tmp_path / "new.bundle"
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "empty", _only(home, "Unknown")):
        done = trainer(home, "train", str(folder), "--output", str(target))
        assert done.returncode == 6
        assert "there is nobody to learn" in done.stderr
        assert "next:" in done.stderr
        assert not target.exists()


def _only(home: Path, person: str) -> Path:
    folder = home / f"only {person}"
    if not folder.exists():
        shutil.copytree(home / "gallery" / person, folder / person)
    return folder


def _side_by_side(home: Path, target: Path) -> None:
    pictures = [
        Image.open(sorted((home / "gallery" / person).iterdir())[0]).convert("RGB")
        for person in PEOPLE
    ]
    both = Image.new("RGB", (sum(one.width for one in pictures), pictures[0].height))
    both.paste(pictures[0], (0, 0))
    both.paste(pictures[1], (pictures[0].width, 0))
    both.save(target, quality=95)
