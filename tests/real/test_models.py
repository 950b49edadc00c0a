"""The real networks on real pictures, held against what Google's own tests and people say."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from annotator.config import Config, DetectionSettings, FaceSettings, ModelSettings
from annotator.domain import BoundingBox, Detection, clipped_box
from annotator.inference.catalogue import FileState, load_catalogue
from annotator.inference.vision import ModelVision, build_vision

Seen = Callable[..., tuple[Detection, ...]]


@pytest.fixture(scope="module")
def vision(shared: Path) -> ModelVision:
    return build_vision(Config(models=ModelSettings(directory=shared / "models")))


def jpeg_of(path: Path) -> bytes:
    if path.suffix == ".jpg":
        return path.read_bytes()
    file = io.BytesIO()
    with Image.open(path) as picture:
        picture.save(file, "JPEG", quality=97)
    return file.getvalue()


def best(detections: tuple[Detection, ...]) -> Detection:
    return detections[0]


@pytest.mark.parametrize(
    ("name", "box"),
    [
        ("cat.bmp", BoundingBox(29, 39, 377, 347)),
        # The same cat, enlarged; from the expectation above by the pictures' sizes (512 x 341).
        ("cat_720p.jpg", BoundingBox(72, 82, 942, 720)),
        ("cat_1080p.jpg", BoundingBox(109, 124, 1414, 1080)),
    ],
)
def test_the_cat_of_corals_own_test(
    vision: ModelVision, shared: Path, name: str, box: BoundingBox
) -> None:
    settings = DetectionSettings(model="coco_ssd_mobilenet_v1")
    picture = vision.decode(jpeg_of(shared / "data" / "coral" / name), settings)
    found = best(vision.objects(picture, settings))
    assert (found.label, found.class_id) == ("cat", 16)
    assert found.score > 0.7
    assert found.box.iou(box) >= 0.8


def test_auto_takes_the_best_set_that_is_there(vision: ModelVision) -> None:
    assert vision.provenance(DetectionSettings()).detector == "coco_ssd_mobilenet_v1@e4b118e5e453"
    used = vision.face_models(FaceSettings())
    full_range, short_range = used.face_detector.split(" + ")
    assert full_range == "blazeface_full_range@2c3728e6da56"
    assert short_range.startswith("blazeface_short_range@")
    assert used.recogniser is None


def test_the_models_are_those_of_the_catalogue(shared: Path) -> None:
    checked = load_catalogue().verify(shared / "models")
    states = {one.asset.file: one.state for one in checked}
    assert list(states.values()).count(FileState.GOOD) == 4
    assert FileState.WRONG not in states.values()


@pytest.mark.parametrize("model", ["blazeface_full_range", "blazeface_short_range", "hog"])
def test_grace_hoppers_face(vision: ModelVision, shared: Path, model: str) -> None:
    """Every finder gives the box of dlib's HOG detector; Coral's expected box is the whole head."""
    picture = vision.decode(jpeg_of(shared / "data" / "coral" / "grace_hopper.bmp"), None)
    (faces,) = vision.faces(picture, [picture.whole], FaceSettings(model=model))
    (face,) = faces
    assert face.box.iou(BoundingBox(180, 139, 367, 326)) > 0.8
    assert face.box.share_inside(BoundingBox(125, 40, 402, 363)) > 0.99
    assert face.verdict == "no gallery"
    assert face.embedding is not None


@pytest.mark.parametrize(
    ("model", "at_least"), [("coco_ssd_mobilenet_v1", 0.9), ("blazepose", 0.6)]
)
def test_large_people_are_found(
    vision: ModelVision, shared: Path, model: str, at_least: float
) -> None:
    """Recall of people that fill a tenth of a COCO picture or more (IoU >= 0.5)."""
    found = people = 0
    for one in json.loads((shared / "data" / "coco" / "labels.json").read_text()):
        boxes = [
            clipped_box(*box["box"], one["width"], one["height"])
            for box in one["boxes"]
            if box["class"] == "person"
        ]
        large = [box for box in boxes if box and box.area > one["width"] * one["height"] / 10]
        if not large or one["mode"] != "RGB":
            continue
        settings = DetectionSettings(model=model, min_score=0.4)
        picture = vision.decode((shared / "data" / "coco" / one["file"]).read_bytes(), settings)
        seen = [it for it in vision.objects(picture, settings) if it.label == "person"]
        people += len(large)
        found += sum(any(one.box.iou(box) >= 0.5 for one in seen) for box in large)
    assert people >= 30
    assert found / people >= at_least


def test_people_in_an_office_are_found_with_usable_faces(vision: ModelVision, shared: Path) -> None:
    """Known office people before a fixed camera; faces of 50 to 75 px."""
    frames = sorted((shared / "data" / "frames" / "intel_office_asl").rglob("*.jpg"))[::6]
    usable = 0
    for frame in frames:
        picture = vision.decode(frame.read_bytes(), DetectionSettings())
        seen = vision.objects(picture, DetectionSettings())
        persons = [one.box for one in seen if one.label == "person"]
        faces = vision.faces(picture, persons, FaceSettings())
        usable += any(face.embedding for own in faces for face in own)
    assert len(frames) >= 8
    assert usable >= 0.9 * len(frames)


def test_one_person_s_face_in_two_overlapping_boxes_is_given_once(
    vision: ModelVision, shared: Path
) -> None:
    picture = vision.decode(jpeg_of(shared / "data" / "coral" / "grace_hopper.bmp"), None)
    persons = [picture.whole, BoundingBox(60, 60, 450, 560)]
    faces = vision.faces(picture, persons, FaceSettings())
    assert sorted(len(own) for own in faces) == [0, 1]
