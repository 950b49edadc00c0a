"""A YOLO of one's own, tiles and `annotator evaluate` on real pictures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from annotator.app.judging import Judgement, evaluate
from annotator.config import Config, DetectionSettings, InferenceSettings, ModelSettings
from annotator.domain import BoundingBox
from annotator.inference.vision import ModelVision, build_vision
from tests.real.test_models import jpeg_of

SSD = "coco_ssd_mobilenet_v1"


@pytest.fixture(scope="module")
def config(shared: Path) -> Config:
    return Config(
        models=ModelSettings(directory=shared / "models"),
        inference=InferenceSettings(delegate="cpu"),
    )


@pytest.fixture(scope="module")
def vision(config: Config) -> ModelVision:
    return build_vision(config)


@pytest.fixture
def yolo(shared: Path) -> str:
    return str(shared / "models" / "yolov8n_full_integer_quant.tflite")


@pytest.mark.parametrize("head", ["auto", "yolov8"])
@pytest.mark.parametrize(
    ("name", "label", "box"),
    [
        ("cat.bmp", "cat", BoundingBox(43, 35, 358, 333)),
        ("cat_1080p.jpg", "cat", BoundingBox(161, 111, 1343, 1054)),
        ("grace_hopper.bmp", "person", BoundingBox(10, 20, 510, 605)),
    ],
)
def test_yolo_sees_what_corals_detectors_see(
    vision: ModelVision, shared: Path, yolo: str, head: str, name: str, label: str, box: BoundingBox
) -> None:
    settings = DetectionSettings(model=yolo, head=head)
    picture = vision.decode(jpeg_of(shared / "data" / "coral" / name), settings)
    found = vision.objects(picture, settings)[0]
    assert found.label == label
    assert found.score > 0.7
    assert found.box.iou(box) >= 0.8


def judged(config: Config, labels: Path, model: str, label: str = "person") -> Judgement:
    evaluation = evaluate(
        config, labels, models=[model], labels=[label], tell=lambda *_: None, limit=60
    )
    assert not evaluation.left_out
    return evaluation.judgements[0]


def test_yolo_is_as_accurate_as_published(config: Config, shared: Path, yolo: str) -> None:
    """Ultralytics' own figure for all classes of COCO is an AP50 of 0.52; people are easier."""
    assert judged(config, shared / "data" / "coco" / "labels.json", yolo).overall.ap50 > 0.6


def test_tiles_find_more_people_before_a_real_camera(config: Config, shared: Path) -> None:
    labels = shared / "data" / "frames" / "pets09_s2l1" / "reference_detections.json"
    recall = {}
    for tiles in ("off", "2x1", "auto"):
        settings = {"detection": DetectionSettings(tiles=tiles)}
        recall[tiles] = judged(config.model_copy(update=settings), labels, SSD).overall.recall or 0
    assert recall["2x1"] == recall["auto"] > recall["off"] + 0.05


def test_coco_s_format_and_the_list_are_judged_alike(
    config: Config, shared: Path, tmp_path: Path
) -> None:
    listed = json.loads((shared / "data" / "coco" / "labels.json").read_text())[:20]
    names = sorted({box["class"] for one in listed for box in one["boxes"]})
    coco = {
        "images": [
            {"id": i, "file_name": one["file"], "width": one["width"], "height": one["height"]}
            for i, one in enumerate(listed)
        ],
        "categories": [{"id": i, "name": name} for i, name in enumerate(names)],
        "annotations": [
            {
                "image_id": i,
                "category_id": names.index(box["class"]),
                "bbox": [
                    *box["box"][:2],
                    box["box"][2] - box["box"][0],
                    box["box"][3] - box["box"][1],
                ],
            }
            for i, one in enumerate(listed)
            for box in one["boxes"]
        ],
    }
    (tmp_path / "instances.json").write_text(json.dumps(coco))
    (tmp_path / "labels.json").write_text(json.dumps(listed))
    scores = [
        evaluate(
            config,
            tmp_path / file,
            pictures=shared / "data" / "coco",
            models=[SSD],
            tell=lambda *_: None,
        ).judgements[0]
        for file in ("instances.json", "labels.json")
    ]
    assert scores[0].labels == scores[1].labels
    assert scores[0].overall.right > 20
