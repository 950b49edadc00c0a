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
from annotator.domain import BoundingBox, Station
from annotator.errors import ModelError
from annotator.inference.heads import head_for
from annotator.inference.objects import ObjectDetector
from annotator.inference.runtime import load_graph
from annotator.inference.tiles import tiling
from annotator.inference.vision import ON_CPU, ModelVision, build_vision
from tests.fakes.tiny_ssd import write_labels, write_tiny_ssd
from tests.fakes.tiny_yolo import write_tiny_yolo

RED, GREEN = (220, 30, 30), (30, 200, 40)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_tiny_ssd(folder / "tiny.tflite")
    write_labels(folder / "colours.txt")
    write_labels(folder / "people.txt", ("person", "green"))
    return folder


@pytest.fixture(scope="module")
def detector(models: Path) -> ObjectDetector:
    graph = load_graph((models / "tiny.tflite").read_bytes(), "tiny", threads=1)
    return ObjectDetector(graph, head_for(graph, "tiny"), "tiny")


@pytest.fixture(scope="module")
def vision(models: Path) -> ModelVision:
    return new_vision(models)


def new_vision(models: Path, station: Station = ON_CPU) -> ModelVision:
    inference = InferenceSettings(threads=1)
    return build_vision(
        Config(models=ModelSettings(directory=models), inference=inference), station
    )


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
    settings_ = tiny_settings(models)
    picture = vision.decode(capture(width, height, it=(box, RED)), settings_)
    (found,) = vision.objects(picture, settings_)
    assert (found.label, found.class_id) == ("red", 0)
    # Within one pixel of the network's 64 x 64 input.
    assert abs(found.box.xmin - box.xmin) <= width / 64 + 1
    assert abs(found.box.xmax - box.xmax) <= width / 64 + 1
    assert abs(found.box.ymin - box.ymin) <= height / 64 + 1
    assert abs(found.box.ymax - box.ymax) <= height / 64 + 1


def test_every_candidate_is_given_with_the_label_of_the_settings(
    vision: ModelVision, models: Path
) -> None:
    picture = vision.decode(
        capture(
            640,
            480,
            a=(BoundingBox(50, 50, 250, 250), RED),
            b=(BoundingBox(350, 200, 600, 400), GREEN),
        ),
        tiny_settings(models),
    )

    def seen(**changes: object) -> list[str]:
        return [found.label for found in vision.objects(picture, tiny_settings(models, **changes))]

    assert sorted(seen()) == ["green", "red"]
    assert sorted(seen(labels=("dog",))) == ["green", "red"]  # filters are another's affair
    assert sorted(seen(labels_file=models / "people.txt")) == ["green", "person"]


def test_an_empty_scene_has_no_objects(vision: ModelVision, models: Path) -> None:
    picture = vision.decode(capture(640, 480), tiny_settings(models))
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
    picture = vision.decode(capture(640, 480, a=(box, RED)), None)
    assert vision.faces(picture, [box], FaceSettings()) == ((),)
    assert vision.faces(picture, [], FaceSettings()) == ()
    used = vision.face_models(FaceSettings())
    assert used.face_detector.startswith("hog@dlib-")
    assert used.embedder.startswith("dlib_resnet_v1@")
    assert used.recogniser is None


def test_what_is_missing_is_named_with_the_next_step(models: Path) -> None:
    vision = new_vision(models)
    picture = vision.decode(capture(64, 64), None)
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


def test_an_edge_tpu_needs_a_file_of_its_own(models: Path) -> None:
    vision = new_vision(models, Station("edgetpu", "usb:0"))
    with pytest.raises(ModelError, match="for the Edge TPU is not here"):
        vision.decode(capture(64, 64), tiny_settings(models))


def test_the_labels_that_a_file_carries_are_used(tmp_path: Path) -> None:
    vision = new_vision(tmp_path)
    write_tiny_yolo(tmp_path / "own.tflite", dtype="int8", names={0: "crimson", 1: "lime"})
    settings_ = DetectionSettings(model=str(tmp_path / "own.tflite"))
    box = BoundingBox(100, 100, 300, 400)
    picture = vision.decode(capture(640, 480, a=(box, RED)), settings_)
    (found,) = vision.objects(picture, settings_)
    assert found.label == "crimson"
    assert found.box.iou(box) > 0.9  # letterboxed and back
    assert vision.labels(settings_) == {"crimson", "lime"}


@pytest.mark.parametrize("names", [("red",), ("red", "green", "blue")])
def test_labels_for_another_number_of_classes_are_an_error(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    vision = new_vision(tmp_path)
    write_tiny_yolo(tmp_path / "own.tflite")
    write_labels(tmp_path / "own.txt", names)
    settings_ = DetectionSettings(
        model=str(tmp_path / "own.tflite"), labels_file=tmp_path / "own.txt"
    )
    with pytest.raises(ModelError, match=f"own.txt names {len(names)} classes.* tells 2 apart"):
        vision.provenance(settings_)


@pytest.mark.parametrize("fit", ["stretch", "letterbox"])
@pytest.mark.parametrize("tiles", ["3x2", "4x4"])
def test_tiles_find_what_is_too_small_for_the_whole(models: Path, tiles: str, fit: str) -> None:
    """One pixel of the tiny network's 64 x 64 averages over 30 x 17 of the capture."""
    vision = new_vision(models)
    small = BoundingBox(1500, 600, 1518, 630)
    jpeg = capture(1920, 1080, a=(small, RED))
    without = tiny_settings(models, fit=fit)
    assert vision.objects(vision.decode(jpeg, without), without) == ()
    with_tiles = tiny_settings(models, fit=fit, tiles=tiles)
    found = vision.objects(vision.decode(jpeg, with_tiles), with_tiles)
    assert [one.label for one in found] == ["red"]
    assert found[0].box.intersection(small)


@given(
    size=st.tuples(st.integers(32, 4000), st.integers(32, 4000)),
    tiles=st.sampled_from(["off", "auto", "2x1", "3x2", "9x9"]),
    fit=st.sampled_from(["auto", "stretch", "letterbox"]),
    overlap=st.floats(0, 0.5),
)
def test_it_is_decoded_finely_enough_for_every_tile(
    detector: ObjectDetector, size: tuple[int, int], tiles: str, fit: str, overlap: float
) -> None:
    """At a reduction that the need allows, no part has fewer pixels than the network is fed."""
    settings_ = DetectionSettings(tiles=tiles, fit=fit, tile_overlap=overlap)  # type: ignore[arg-type]
    width, height = size
    needed_width, needed_height = detector.need(settings_)(width, height)
    assert 0 < needed_width <= width
    assert 0 < needed_height <= height
    reduction = min(width / needed_width, height / needed_height)
    network = detector.width, detector.height
    for part in tiling(tiles, overlap, width, height, network) or (BoundingBox(0, 0, *size),):
        fed = network
        if fit == "letterbox":
            scale = min(network[0] / part.width, network[1] / part.height)
            fed = round(part.width * scale), round(part.height * scale)
        assert reduction <= 1 or part.width >= fed[0] * reduction - 1e-6
        assert reduction <= 1 or part.height >= fed[1] * reduction - 1e-6


def test_a_face_model_that_finds_no_faces_is_refused(models: Path, vision: ModelVision) -> None:
    picture = vision.decode(capture(64, 64), None)
    with pytest.raises(ModelError, match="not for faces"):
        vision.faces(picture, [], FaceSettings(model="blazepose"))
