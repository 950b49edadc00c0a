"""The whole of Vision on the tiny detector: no model is fetched, no picture is brought along."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from annotator import ports
from annotator.config import (
    Config,
    DetectionSettings,
    FaceSettings,
    InferenceSettings,
    ModelSettings,
)
from annotator.domain import BoundingBox
from annotator.errors import ModelError, RuntimeUnavailable
from annotator.inference.vision import ModelVision, build_vision
from tests.fakes.tiny_ssd import write_labels, write_tiny_ssd

RED, GREEN = (220, 30, 30), (30, 200, 40)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_tiny_ssd(folder / "tiny.tflite")
    write_labels(folder / "colours.txt")
    write_labels(folder / "people.txt", ("person", "green"))
    return folder


@pytest.fixture(scope="module")
def vision(models: Path) -> ModelVision:
    return new_vision(models)


def new_vision(models: Path, delegate: str = "auto") -> ModelVision:
    inference = InferenceSettings(delegate=delegate, threads=1)  # type: ignore[arg-type]
    return build_vision(Config(models=ModelSettings(directory=models), inference=inference))


def tiny_settings(models: Path, **changes: object) -> DetectionSettings:
    given_ = {"model": str(models / "tiny.tflite"), "labels_file": models / "colours.txt"}
    return DetectionSettings(**(given_ | changes))  # type: ignore[arg-type]


def capture(width: int, height: int, **boxes: tuple[BoundingBox, tuple[int, int, int]]) -> bytes:
    drawn = Image.new("RGB", (width, height), (100, 100, 110))
    for box, colour in boxes.values():
        ImageDraw.Draw(drawn).rectangle(
            (box.xmin, box.ymin, box.xmax - 1, box.ymax - 1), fill=colour
        )
    file = io.BytesIO()
    drawn.save(file, "JPEG", quality=90)
    return file.getvalue()


def test_it_fits_the_port(vision: ModelVision) -> None:
    port: ports.Vision = vision
    assert port is vision


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(
    width=st.integers(160, 1920),
    height=st.integers(160, 1080),
    corners=st.tuples(*[st.floats(0, 0.7)] * 2, *[st.floats(0.15, 0.3)] * 2),
)
def test_an_object_is_found_where_it_is(
    vision: ModelVision,
    models: Path,
    width: int,
    height: int,
    corners: tuple[float, float, float, float],
) -> None:
    x, y, w, h = corners
    box = BoundingBox(int(x * width), int(y * height), int((x + w) * width), int((y + h) * height))
    picture = vision.decode(capture(width, height, it=(box, RED)))
    (found,) = vision.objects(picture, tiny_settings(models))
    assert (found.label, found.class_id) == ("red", 0)
    # Within one pixel of the network's 64 x 64 input.
    assert abs(found.box.xmin - box.xmin) <= width / 64 + 1
    assert abs(found.box.xmax - box.xmax) <= width / 64 + 1
    assert abs(found.box.ymin - box.ymin) <= height / 64 + 1
    assert abs(found.box.ymax - box.ymax) <= height / 64 + 1


def test_settings_choose_labels_and_scores(vision: ModelVision, models: Path) -> None:
    picture = vision.decode(
        capture(
            640,
            480,
            a=(BoundingBox(50, 50, 250, 250), RED),
            b=(BoundingBox(350, 200, 600, 400), GREEN),
        )
    )

    def seen(**changes: object) -> list[str]:
        return [found.label for found in vision.objects(picture, tiny_settings(models, **changes))]

    assert sorted(seen()) == ["green", "red"]
    assert seen(labels=("green",)) == ["green"]
    assert seen(labels=("dog",)) == []
    assert sorted(seen(labels_file=models / "people.txt")) == ["green", "person"]


def test_an_empty_scene_has_no_objects(vision: ModelVision, models: Path) -> None:
    picture = vision.decode(capture(640, 480))
    assert vision.objects(picture, tiny_settings(models)) == ()


def test_provenance_names_the_model_by_its_checksum(vision: ModelVision, models: Path) -> None:
    import hashlib

    digest = hashlib.sha256((models / "tiny.tflite").read_bytes()).hexdigest()
    provenance = vision.provenance(tiny_settings(models))
    assert provenance.detector == f"tiny@{digest[:12]}"
    assert provenance.delegate == "cpu"
    assert provenance.face_detector is None


def test_a_person_without_a_face_has_none(vision: ModelVision, models: Path) -> None:
    """Nothing but dlib is here to find faces, and it finds none in a red rectangle."""
    box = BoundingBox(100, 100, 300, 400)
    picture = vision.decode(capture(640, 480, a=(box, RED)))
    assert vision.faces(picture, [box], FaceSettings()) == ((),)
    assert vision.faces(picture, [], FaceSettings()) == ()
    used = vision.face_models(FaceSettings())
    assert used.face_detector.startswith("hog@dlib-")
    assert used.embedder.startswith("dlib_resnet_v1@")
    assert used.recogniser is None


def test_what_is_missing_is_named_with_the_next_step(models: Path) -> None:
    vision = new_vision(models)
    picture = vision.decode(capture(64, 64))
    for changes, message, step in [
        ({"model": "auto"}, "no model for objects", "models fetch"),
        ({"model": "ssd_mobilenet_v2_coco"}, "is not in", "models fetch ssd_mobilenet_v2_coco"),
        ({"model": "ssd_mobilnet_v2_coco"}, "no model 'ssd_mobilnet", "ssd_mobilenet_v2_coco"),
        ({"model": "blazeface_full_range"}, "for faces, not for objects", "ssdlite"),
        ({"model": "./absent.tflite"}, "no model file absent", "existing"),
        ({"labels_file": None}, "called", "labels_file"),
    ]:
        with pytest.raises(ModelError, match=message) as raised:
            vision.objects(picture, tiny_settings(models, **changes))
        assert step in raised.value.next_step


def test_the_edge_tpu_is_insisted_on_only_where_asked(models: Path, tmp_path: Path) -> None:
    write_tiny_ssd(tmp_path / "tiny.tflite")
    picture = new_vision(models).decode(capture(64, 64))
    settings_ = tiny_settings(models, model=str(tmp_path / "tiny.tflite"))
    with pytest.raises(ModelError, match="for the Edge TPU is not here"):
        new_vision(models, "edgetpu").objects(picture, settings_)
    write_tiny_ssd(tmp_path / "tiny_edgetpu.tflite")
    try:
        new_vision(models, "edgetpu").objects(picture, settings_)
    except RuntimeUnavailable:
        vision = new_vision(models, "auto")
        assert vision.objects(picture, settings_) == ()
        assert vision.provenance(settings_).delegate == "cpu"
    else:
        pytest.skip("this machine has an Edge TPU")


def test_a_face_model_that_finds_no_faces_is_refused(models: Path, vision: ModelVision) -> None:
    picture = vision.decode(capture(64, 64))
    with pytest.raises(ModelError, match="not for faces"):
        vision.faces(picture, [], FaceSettings(model="blazepose"))
