"""`annotator evaluate` on the tiny detectors and a few drawn pictures."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from annotator.app.labelled import read_labelled
from annotator.cli.main import cli, run
from annotator.errors import QueryError
from tests.fakes.tiny_ssd import write_labels, write_tiny_ssd
from tests.fakes.tiny_yolo import write_tiny_yolo

RED, GREEN = (220, 30, 30), (30, 200, 40)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two pictures with a red box, one of them with a green one that the labels call red too."""
    for name in ("one.jpg", "two.jpg"):
        picture = Image.new("RGB", (320, 240), (100, 100, 110))
        ImageDraw.Draw(picture).rectangle((40, 60, 159, 179), fill=RED)
        if name == "two.jpg":
            ImageDraw.Draw(picture).rectangle((220, 20, 299, 99), fill=GREEN)
        picture.save(tmp_path / name, quality=90)
    listed = [
        {"file": "one.jpg", "boxes": [{"class": "red", "box": [40, 60, 160, 180]}]},
        {
            "file": "two.jpg",
            "width": 320,
            "height": 240,
            "boxes": [
                {"class": "red", "box": [40, 60, 160, 180]},
                {"class": "red", "box": [220.4, 20, 300, 99.5]},
            ],
        },
    ]
    (tmp_path / "labels.json").write_text(json.dumps(listed))
    write_tiny_ssd(tmp_path / "tiny.tflite")
    write_tiny_yolo(tmp_path / "yolo.tflite", dtype="int8", names={0: "red", 1: "green"})
    write_labels(tmp_path / "colours.txt")
    (tmp_path / "annotator.toml").write_text('[inference]\ndelegate = "cpu"\nthreads = 1\n')
    return tmp_path


def evaluate(folder: Path, *arguments: str, labels: str = "labels.json") -> int:
    config = str(folder / "annotator.toml")
    return run(cli, ["evaluate", "--config", config, str(folder / labels), *arguments])


def ssd(folder: Path) -> tuple[str, ...]:
    names = str(folder / "colours.txt")
    return "--model", str(folder / "tiny.tflite"), "--labels-file", names


def answer(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return found


def test_two_models_side_by_side(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    models = (*ssd(folder), "--model", str(folder / "yolo.tflite"))
    assert evaluate(folder, *models, "--format", "json") == 0
    first, second = answer(capsys)
    assert first["model"].startswith("tiny@")
    assert second["model"].startswith("yolo@")
    for judged in (first, second):
        assert judged["pictures"] == 2
        assert judged["ms_per_picture"] > 0
        (red,) = judged["labels"]
        assert {key: red[key] for key in ("label", "boxes", "found", "right")} == {
            "label": "red",
            "boxes": 3,
            "found": 2,
            "right": 2,
        }
        assert (red["precision"], red["recall"]) == (1, pytest.approx(2 / 3))
        assert red["ap50"] == pytest.approx(67 / 101)
        assert judged["overall"] == red | {"label": "all"}


def test_the_table_and_the_options(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--label", "red", "--min-score", "0.2", "--tiles", "2x1", "--fit", "letterbox")
    assert evaluate(folder, *ssd(folder), *options, "--limit", "1") == 0
    head, _, *rows = [line.split() for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert head[:3] == ["model", "label", "boxes"]
    assert rows[0][1:5] == ["all", "1", "1", "1"]
    assert rows[1] == ["red", "1", "1", "1", "1.000", "1.000", "1.000", "1.000"]


def test_a_label_that_a_model_cannot_give_is_not_held_against_it(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = json.loads((folder / "labels.json").read_text())
    labels[0]["boxes"].append({"class": "blue", "box": [0, 0, 9, 9]})
    (folder / "labels.json").write_text(json.dumps(labels))
    assert evaluate(folder, *ssd(folder), "--format", "json") == 0
    (judged,) = answer(capsys)
    assert judged["unknown_labels"] == ["blue"]
    assert [one["label"] for one in judged["labels"]] == ["red"]


def test_pictures_that_cannot_be_looked_at_are_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "two.jpg").write_bytes(b"not a picture")
    labels = json.loads((folder / "labels.json").read_text())
    labels.append({"file": "absent.jpg", "boxes": []})
    labels.append({"file": "one.jpg", "width": 64, "height": 48, "boxes": []})
    (folder / "labels.json").write_text(json.dumps(labels))
    assert evaluate(folder, *ssd(folder)) == 3
    told = capsys.readouterr().err
    assert "two.jpg: it does not begin as a JPEG does" in told
    assert "absent.jpg: it cannot be read: No such file" in told
    assert "its labels are for 64 x 48" in told


def test_pictures_elsewhere(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("labels") / "labels.json"
    (folder / "labels.json").rename(elsewhere)
    assert evaluate(folder, *ssd(folder), labels=str(elsewhere)) == 5
    assert evaluate(folder, *ssd(folder), "--pictures", str(folder), labels=str(elsewhere)) == 0


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("[", "not a file of labels"),
        ("{}", "images: Field required"),
        ('[{"file": "one.jpg"}]', r"0\.boxes: Field required"),
        (
            '[{"file": "one.jpg", "boxes": [{"class": "red", "box": [1, 2, 3]}]}]',
            r"0\.boxes\.0\.box",
        ),
        ('[{"file": "one.jpg", "boxes": []}]', "no labels at all"),
        (
            '{"images": [], "categories": [{"id": 1, "name": "red"}], "annotations": []}',
            "names no picture",
        ),
        (
            '{"images": [{"id": 1, "file_name": "one.jpg"}], "categories": [],'
            ' "annotations": [{"image_id": 1, "category_id": 7, "bbox": [1, 2, 3, 4]}]}',
            "category 7",
        ),
    ],
)
def test_labels_that_cannot_be_used_say_why(
    folder: Path, content: str, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "labels.json").write_text(content)
    assert evaluate(folder, *ssd(folder)) == 2
    assert re.search(complaint, capsys.readouterr().err)


def test_wrong_use_says_what_is_right(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, code, told in [
        (("--tiles", "two"), 2, "columns x rows"),
        (("--label", "blue"), 2, "its labels are red"),
        (("--model", str(folder / "tiny.tflite")), 6, "labels_file"),
        ((*ssd(folder), "--head", "yolov8"), 6, "this head can read"),
        ((), 6, "models fetch"),
    ]:
        (folder / "models").mkdir(exist_ok=True)
        (folder / "annotator.toml").write_text('[models]\ndirectory = "models"\n')
        assert evaluate(folder, *arguments) == code
        assert told in capsys.readouterr().err


def test_coco_s_format(tmp_path: Path) -> None:
    (tmp_path / "instances.json").write_text(
        json.dumps(
            {
                "info": {"year": 2024},
                "images": [
                    {"id": 1, "file_name": "a/one.jpg", "width": 100, "height": 50, "license": 3},
                    {"id": 2, "file_name": "two.jpg"},
                ],
                "categories": [{"id": 3, "name": "car"}, {"id": 1, "name": "person"}],
                "annotations": [
                    {
                        "id": 7,
                        "image_id": 1,
                        "category_id": 3,
                        "bbox": [10, 5, 20, 30],
                        "area": 600,
                    },
                    {"id": 8, "image_id": 1, "category_id": 1, "bbox": [0, 0, 5, 5], "iscrowd": 1},
                    {"id": 9, "image_id": 1, "category_id": 1, "bbox": [3, 3, 0, 0]},
                ],
            }
        )
    )
    labelled = read_labelled(tmp_path / "instances.json")
    assert labelled.labels == ("car", "person")
    one, two = labelled.pictures
    assert (one.path, one.width, one.height) == (tmp_path / "a" / "one.jpg", 100, 50)
    car, crowd = one.boxes
    assert (car.label, car.crowd, crowd.crowd) == ("car", False, True)
    assert (car.box.xmin, car.box.ymin, car.box.xmax, car.box.ymax) == (10, 5, 30, 35)
    assert (two.path, two.width, two.boxes) == (tmp_path / "two.jpg", None, ())


@given(st.text(max_size=200))
def test_any_text_is_labels_or_a_complaint(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.mktemp("any") / "labels.json"
    path.write_text(text, encoding="utf-8", errors="replace")
    try:
        read_labelled(path)
    except QueryError as error:
        assert error.next_step
