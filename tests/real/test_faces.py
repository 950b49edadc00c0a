"""Faces in real pictures: close-ups, backs of heads, and one person through an event."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from annotator.config import Config, DetectionSettings, FaceSettings, ModelSettings
from annotator.domain import BoundingBox, Face, FaceMoment, Gate
from annotator.inference.vision import ModelVision, build_vision

START = datetime(2024, 5, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def vision(shared: Path) -> ModelVision:
    return build_vision(Config(models=ModelSettings(directory=shared / "models")))


def people(vision: ModelVision, jpeg: bytes) -> list[BoundingBox]:
    settings = DetectionSettings()
    found = vision.objects(vision.decode(jpeg, settings), settings)
    return [one.box for one in found if one.label == "person" and one.score >= 0.5]


def test_portraits_are_found_and_hardly_one_is_turned_away(
    vision: ModelVision, shared: Path
) -> None:
    portraits = sorted((shared / "data" / "faces" / "gallery").glob("*/*.jpg"))[::12]
    # Nothing is embedded: only what is known before counts here.
    settings = FaceSettings(max_turn=1e-9, min_sharpness=0, min_face_px=1)
    faces = []
    for path in portraits:
        picture = vision.decode(path.read_bytes(), None)
        whole = BoundingBox(0, 0, picture.width, picture.height)
        (found,) = vision.faces(picture, [whole], settings)
        faces += found[:1]
    assert len(faces) >= 0.98 * len(portraits)
    turned = [face for face in faces if (face.turn or 0) > FaceSettings().max_turn]
    assert len(turned) <= 0.03 * len(faces)


def test_the_backs_of_heads_are_not_embedded(vision: ModelVision, shared: Path) -> None:
    """People who walk away from the camera; BlazeFace takes some of their heads for faces."""
    faces: list[Face] = []
    for path in sorted((shared / "data" / "frames" / "intel_one_by_one").glob("*.jpg"))[::2]:
        picture = vision.decode(path.read_bytes(), None)
        persons = people(vision, path.read_bytes())
        for model in ("blazeface_full_range", "blazeface_short_range"):
            for own in vision.faces(picture, persons, FaceSettings(model=model)):
                faces += own
    assert len(faces) >= 5
    assert all(face.gate is not Gate.USABLE for face in faces)
    assert any(face.turn == 1 for face in faces)


@pytest.mark.parametrize("clip", ["help_A", "school_C"])
def test_one_person_in_an_event_is_embedded_once_or_twice(
    vision: ModelVision, shared: Path, clip: str
) -> None:
    frames = sorted((shared / "data" / "frames" / "intel_office_asl" / clip).glob("*.jpg"))
    faces = []
    for frame, path in enumerate(frames):
        picture = vision.decode(path.read_bytes(), None)
        moment = FaceMoment(clip, frame, START + timedelta(seconds=frame / 3))
        persons = people(vision, path.read_bytes())
        faces += [
            face
            for own in vision.faces(picture, persons, FaceSettings(), moment)
            for face in own
            if face.identification is not None
        ]
    assert len(faces) >= 10
    assert sum(face.gate is Gate.USABLE for face in faces) <= 2
    assert len({face.track for face in faces}) == 1
