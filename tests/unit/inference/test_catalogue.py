from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from annotator.errors import ModelError
from annotator.inference.catalogue import (
    PREFERENCE,
    Asset,
    FileState,
    ModelFile,
    Source,
    Task,
    digests_of,
    file_state,
    load_catalogue,
)
from annotator.inference.heads import HEADS

HERE = Source("here", "url", "https://example.invalid/{file}")


def asset(content: bytes, **changes: object) -> Asset:
    fields = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)} | changes
    return Asset("model.tflite", HERE, **fields)  # type: ignore[arg-type]


def test_every_entry_is_complete() -> None:
    catalogue = load_catalogue()
    for entry in catalogue.entries:
        assert entry.head in HEADS
        assert entry.labels.is_file()
        assert entry.licence and entry.about
        assert entry.home.startswith("https://")
        for one in entry.assets:
            assert len(one.sha256) == 64 or len(one.git_blob) == 40
            assert bool(one.member) == (one.source.kind != "url")
            # Archives are unpacked up to the size that is known.
            assert one.size is not None or one.source.kind == "url"
    files = [one.file for entry in catalogue.entries for one in entry.assets]
    assert len(files) == len(set(files))


def test_every_entry_has_its_rank() -> None:
    catalogue = load_catalogue()
    for task in Task:
        names = {entry.name for entry in catalogue.entries if entry.task is task}
        assert names == set(PREFERENCE[task])
        assert catalogue.preferred(task)[0].task is task


def test_digests_are_those_of_git_and_sha256sum(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"some bytes\n" * 1000)
    with path.open("rb") as file:
        digests = digests_of(file)
    git = subprocess.run(["git", "hash-object", path], capture_output=True, text=True, check=True)
    assert digests.git_blob == git.stdout.strip()
    assert digests.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("by", ["sha256", "git_blob"])
def test_a_file_is_what_its_checksum_says(tmp_path: Path, by: str) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(b"right")
    with path.open("rb") as file:
        digests = digests_of(file)
    meant = Asset("model.tflite", HERE, **{by: getattr(digests, by)})
    assert file_state(tmp_path, meant) is FileState.GOOD
    assert ModelFile("m", path, meant).load().content == b"right"
    path.write_bytes(b"wrong")
    assert file_state(tmp_path, meant) is FileState.WRONG
    with pytest.raises(ModelError, match="not the file that the catalogue means") as raised:
        ModelFile("m", path, meant).load()
    assert "models fetch m" in raised.value.next_step
    path.unlink()
    assert file_state(tmp_path, meant) is FileState.MISSING
    with pytest.raises(ModelError, match="cannot read"):
        ModelFile("m", path, meant).load()


def test_auto_takes_the_best_that_the_delegate_can_run(tmp_path: Path) -> None:
    catalogue = load_catalogue()
    best, second = catalogue.preferred(Task.OBJECTS)[:2]
    assert best.edgetpu is not None
    (tmp_path / second.cpu.file).touch()
    assert catalogue.resolve("auto", Task.OBJECTS, tmp_path, "auto").name == second.name
    (tmp_path / best.edgetpu.file).touch()
    assert catalogue.resolve("auto", Task.OBJECTS, tmp_path, "auto").name == best.name
    assert catalogue.resolve("auto", Task.OBJECTS, tmp_path, "edgetpu").name == best.name
    assert catalogue.resolve("auto", Task.OBJECTS, tmp_path, "cpu").name == second.name
    with pytest.raises(ModelError, match="no model for faces"):
        catalogue.resolve("auto", Task.FACES, tmp_path, "auto")


def test_ones_own_model_brings_its_twin(tmp_path: Path) -> None:
    for name in ("mine.tflite", "mine_edgetpu.tflite", "other_edgetpu.tflite"):
        (tmp_path / name).touch()
    catalogue = load_catalogue()
    for name in ("mine.tflite", "mine_edgetpu.tflite"):
        chosen = catalogue.resolve(str(tmp_path / name), Task.OBJECTS, tmp_path, "auto")
        assert chosen.name == "mine"
        assert chosen.cpu is not None and chosen.edgetpu is not None
    other = catalogue.resolve(str(tmp_path / "other_edgetpu.tflite"), Task.OBJECTS, tmp_path, "cpu")
    assert (other.name, other.cpu) == ("other", None)
