"""The trainer's commands on real faces."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from annotator.config import Config, FaceSettings, ModelSettings
from annotator.domain import Gate
from annotator.inference.identify import NoGallery, embeddings_of
from annotator.inference.vision import ModelVision, build_vision
from trainer.check import Kind, check_gallery
from trainer.crops import FACE_MARGIN
from trainer.extract import extract_from, faces_found
from trainer.gallery import whole_picture
from trainer.linkage import alike
from trainer.samples import Samples, read_samples

PEOPLE, PICTURES = 4, 6


@pytest.fixture(scope="module")
def vision(shared: Path) -> ModelVision:
    config = Config(models=ModelSettings(directory=shared / "models"))
    return build_vision(config, recogniser=NoGallery())


@pytest.fixture(scope="module")
def gallery(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some people; the first one's last picture is in the second one's folder."""
    folder = tmp_path_factory.mktemp("gallery")
    people = sorted((shared / "data" / "faces" / "gallery").iterdir())[:PEOPLE]
    for person in people:
        (folder / person.name).mkdir()
        for picture in sorted(person.glob("*.jpg"))[:PICTURES]:
            shutil.copy(picture, folder / person.name)
    swapped = sorted((folder / people[0].name).iterdir())[-1]
    swapped.rename(folder / people[1].name / "swapped.jpg")
    return folder


@pytest.fixture(scope="module")
def samples(vision: ModelVision, gallery: Path) -> Samples:
    return read_samples([gallery], whole_picture(vision, FaceSettings()))


def test_a_picture_in_the_wrong_folder_is_found(samples: Samples) -> None:
    found = [one for one in check_gallery(samples) if one.kind is Kind.MISLABELLED]
    assert [Path(one.picture or "").name for one in found] == ["swapped.jpg"]
    assert sorted(samples.folders)[0] in found[0].why


def test_strangers_are_told_apart(samples: Samples) -> None:
    embeddings = embeddings_of([one.evidence for one in samples.usable]).astype(np.float32)
    labels = alike(embeddings, np.arange(len(embeddings), dtype=np.int32), 0.56)
    right = {
        label: {
            sorted(samples.folders)[0] if "swapped" in one.source else one.person
            for one, other in zip(samples.usable, labels, strict=True)
            if other == label
        }
        for label in labels
    }
    assert all(len(people) == 1 for people in right.values())
    assert len(right) <= PEOPLE + 2


def test_a_crop_is_a_good_gallery_picture(
    vision: ModelVision, gallery: Path, samples: Samples, tmp_path: Path
) -> None:
    settings = FaceSettings()
    look = whole_picture(vision, settings)
    done = extract_from(
        [gallery], faces_found(look), tmp_path, margin=FACE_MARGIN, max_megapixels=50
    )
    assert done.written >= len(samples.usable)
    hog = whole_picture(vision, settings.model_copy(update={"model": "hog"}))
    crops = sorted(tmp_path.iterdir())[::4]
    for crop in crops:
        content = crop.read_bytes()
        for found in (look(content), hog(content)):
            assert [face.gate for face in found].count(Gate.USABLE) == 1, crop.name
