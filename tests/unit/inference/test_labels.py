from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.errors import ModelError
from annotator.inference.catalogue import load_catalogue
from annotator.inference.labels import Labels, labels_inside, parse_labels, read_labels


@pytest.mark.parametrize(
    "text",
    [
        "person\ncat\n",
        "0 person\n1 cat\n",
        "0  person\n1  cat",
        "0: person\n1: cat",
        "1 cat\r\n0 person\r\n",
        "# mine\n\nperson\ncat\n\n",
        "???\nperson\ncat\n",
        "0 ???\n1 person\n2 cat\n",
    ],
)
def test_every_way_to_write_labels_means_the_same(text: str) -> None:
    labels = parse_labels(text)
    assert [labels.name(class_id) for class_id in (0, 1)] == ["person", "cat"]


def test_classes_without_a_name_keep_their_number() -> None:
    labels = parse_labels("person\nn/a\ncat\n")
    assert [labels.name(class_id) for class_id in range(4)] == [
        "person",
        "class 1",
        "cat",
        "class 3",
    ]


@given(st.dictionaries(st.integers(0, 10_000), st.sampled_from(["a", "b c", "d-e"]), min_size=1))
def test_numbered_labels_come_back(names: dict[int, str]) -> None:
    text = "".join(f"{class_id} {name}\n" for class_id, name in names.items())
    assert parse_labels(text).names == names


def test_our_own_files_fit_the_catalogue() -> None:
    files = {entry.labels for entry in load_catalogue().entries}
    coco = read_labels(next(file for file in files if file.name == "coco.txt"))
    assert len(coco.names) == 80
    assert [coco.name(class_id) for class_id in (0, 2, 16, 17, 89)] == [
        "person",
        "car",
        "cat",
        "dog",
        "toothbrush",
    ]
    assert {read_labels(file).name(0) for file in files} == {"person", "face"}


def test_a_label_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    for name in ("absent", "binary"):
        with pytest.raises(ModelError, match=name):
            read_labels(tmp_path / name)


def model_with(name: str, text: str) -> bytes:
    file = io.BytesIO(b"the network itself")
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(name, text)
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("temp_meta.txt", "{'task': 'detect', 'names': {0: 'cat', 1: 'dog'}}"),
        ("temp_meta.txt", "{'stride': 32, 'names': ['cat', 'dog']}"),
        ("metadata.json", '{\n "task": "detect", "names": {"0": "cat", "1": "dog"}}'),
        ("labelmap.txt", "???\ncat\ndog\n"),
    ],
)
def test_labels_that_a_model_file_carries(name: str, text: str) -> None:
    labels = labels_inside(model_with(name, text))
    assert labels == Labels({0: "cat", 1: "dog"})
    assert labels.count == 2


@pytest.mark.parametrize(
    "text", ["{'names'", "{'names': 7}", "{1: 2}", "{" * 5000, '{"names": {"a": "cat"}}', "{f()}"]
)
def test_what_cannot_be_read_carries_none(text: str) -> None:
    assert labels_inside(model_with("temp_meta.txt", text)) is None


@given(st.binary(max_size=60))
def test_any_bytes_carry_labels_or_none(content: bytes) -> None:
    whole = model_with("temp_meta.txt", "{'names': ['cat', 'dog']}")
    assert labels_inside(content) is None
    assert labels_inside(whole[: len(whole) - len(content) - 1]) is None
