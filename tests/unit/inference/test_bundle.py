from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from annotator.domain import Identity
from annotator.errors import ModelError
from annotator.inference import bundle as bundles
from annotator.inference.bundle import (
    Bundle,
    BundleWatch,
    load_recogniser,
    packed,
    read_bundle,
    write_bundle,
)
from annotator.inference.identify import OpenSet
from tests.fakes.people import MadeUpPeople
from trainer.fit import train

EMBEDDER = "embedder@123456789abc"


@pytest.fixture(scope="module")
def made_up() -> MadeUpPeople:
    return MadeUpPeople()


@pytest.fixture(scope="module")
def family(made_up: MadeUpPeople) -> dict[str, np.ndarray]:
    return {name: made_up.someone() for name in ("anna", "ben", "zoë")}


@pytest.fixture(scope="module")
def trained(made_up: MadeUpPeople, family: dict[str, np.ndarray]) -> dict[str, Bundle]:
    gallery = made_up.gallery(family, 6, unknown=6)
    return {
        family: train(gallery, embedder=EMBEDDER, families=(family,)).bundle
        for family in ("none", "svm", "xgboost")
    }


@pytest.mark.parametrize("family_of", ["none", "svm", "xgboost"])
def test_a_bundle_says_the_same_after_it_was_written(
    family_of: str,
    trained: dict[str, Bundle],
    made_up: MadeUpPeople,
    family: dict[str, np.ndarray],
    tmp_path: Path,
) -> None:
    path = tmp_path / "recogniser.bundle"
    bundle = trained[family_of]
    write_bundle(path, bundle)
    faces = [made_up.face(person) for person in family.values()] + [
        made_up.face(made_up.someone()) for _ in range(20)
    ]
    loaded = load_recogniser(path, EMBEDDER)
    assert loaded.identify(faces) == bundle.recogniser().identify(faces)
    assert [one.name for one in loaded.identify(faces)][:3] == list(family)
    assert all(one.identity is Identity.UNKNOWN for one in loaded.identify(faces)[3:])
    assert loaded.provenance is not None
    assert len(loaded.provenance.removeprefix("recogniser@")) == 12


def test_the_same_bundle_gives_the_same_bytes(trained: dict[str, Bundle]) -> None:
    assert packed(trained["svm"]) == packed(trained["svm"])


def test_the_one_before_is_kept(trained: dict[str, Bundle], tmp_path: Path) -> None:
    path = tmp_path / "new" / "recogniser.bundle"
    write_bundle(path, trained["none"])
    first = path.read_bytes()
    write_bundle(path, trained["svm"])
    assert path.with_name("recogniser.bundle.previous").read_bytes() == first
    assert read_bundle(path).manifest.classifier == "svm"
    assert sorted(one.name for one in path.parent.iterdir()) == [
        "recogniser.bundle",
        "recogniser.bundle.previous",
    ]


def test_a_bundle_for_another_embedder_is_refused(
    trained: dict[str, Bundle], tmp_path: Path
) -> None:
    path = tmp_path / "recogniser.bundle"
    write_bundle(path, trained["none"])
    with pytest.raises(ModelError, match=r"as embedder@123456789abc sees them, and this is other"):
        load_recogniser(path, "other@0")


Members = dict[str, bytes]


def rezipped(content: bytes, change: Callable[[Members], None], *, sums: bool) -> bytes:
    """A changed bundle, with sums that are right again where `sums` is True."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    if sums:
        del members[bundles.SUMS]
        members[bundles.SUMS] = bundles.sums_of(members)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, member in members.items():
            archive.writestr(name, member)
    return out.getvalue()


def manifest_with(**changes: object) -> Callable[[Members], None]:
    def change(members: Members) -> None:
        said = {**json.loads(members["manifest.json"]), **changes}
        members["manifest.json"] = json.dumps(said).encode()

    return change


def array(name: str, value: np.ndarray) -> Callable[[Members], None]:
    def change(members: Members) -> None:
        out = io.BytesIO()
        np.save(out, value, allow_pickle=True)
        members[f"{name}.npy"] = out.getvalue()

    return change


def huge(members: Members) -> None:
    out = io.BytesIO()
    said = {"descr": "<f8", "fortran_order": False, "shape": (1 << 50, 128)}
    np.lib.format.write_array_header_1_0(out, said)
    members["people.centres.npy"] = out.getvalue()


def without(name: str) -> Callable[[Members], None]:
    def change(members: Members) -> None:
        del members[name]

    return change


@pytest.mark.parametrize(
    ("change", "sums", "why"),
    [
        (manifest_with(threshold=-9.0), False, "changed since it was made"),
        (manifest_with(format=2), True, "has format 2, and this program reads 1"),
        (manifest_with(slope=-1.0), True, "slope: Input should be greater than 0"),
        (manifest_with(names=["anna", "anna", "ben"]), True, "a name is there twice"),
        (manifest_with(names=["anna"]), True, r"people.centres has the shape \(3, 128\)"),
        (manifest_with(surprise=1), True, "surprise: Extra inputs"),
        (array("people.strangers", np.full(3, np.nan)), True, "values that are no numbers"),
        (array("people.strangers", np.zeros(3, "<f4")), True, "of type float32"),
        (array("people.strangers", np.array([{}] * 3)), True, "allow_pickle=False"),
        (array("people.axis_owner", np.array([7], "<i4")), True, "shape"),
        (huge, True, "cannot be used"),
        (without("people.axes.npy"), True, "people.axes.npy' is missing"),
        (without(bundles.SUMS), False, "SHA256SUMS' is missing"),
        (lambda members: members.update({"evil.py": b""}), True, "members that no bundle has"),
        (lambda members: members.update({"report.json": b"[]"}), True, "are no objects"),
        (lambda members: members.update({"report.json": b"{"}), True, "Expecting"),
        (lambda members: members.update({"report.json": b" " * (2 << 20)}), True, "too long"),
    ],
)
def test_what_is_no_good_bundle_is_refused_with_a_next_step(
    change: Callable[[Members], None],
    sums: bool,
    why: str,
    trained: dict[str, Bundle],
    tmp_path: Path,
) -> None:
    path = tmp_path / "recogniser.bundle"
    path.write_bytes(rezipped(packed(trained["none"]), change, sums=sums))
    with pytest.raises(ModelError, match=why) as caught:
        read_bundle(path)
    assert "trainer train" in caught.value.next_step


def test_a_bundle_that_says_it_unpacks_to_gigabytes_is_not_unpacked(
    trained: dict[str, Bundle], tmp_path: Path
) -> None:
    path = tmp_path / "recogniser.bundle"
    content = bytearray(packed(trained["none"]))
    last_entry = content.rindex(b"PK\x01\x02")
    content[last_entry + 24 : last_entry + 28] = (3 << 30).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(ModelError, match="unpacks to more than 256 MB"):
        read_bundle(path)


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x05\x06" + bytes(18)])
def test_what_is_no_bundle_at_all_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "recogniser.bundle"
    path.write_bytes(content)
    with pytest.raises(ModelError):
        read_bundle(path)


def test_a_cut_or_scribbled_bundle_is_refused(trained: dict[str, Bundle], tmp_path: Path) -> None:
    path = tmp_path / "recogniser.bundle"
    content = packed(trained["svm"])
    random = np.random.default_rng(1)
    spoilt = [content[:length] for length in range(0, len(content), len(content) // 40)]
    for _ in range(60):
        scribbled = bytearray(content)
        scribbled[int(random.integers(len(content)))] ^= int(random.integers(1, 256))
        spoilt.append(bytes(scribbled))
    good = read_bundle_from(path, content)
    for one in spoilt:
        path.write_bytes(one)
        try:
            read = read_bundle(path)
        except ModelError:
            continue
        # Names and times of members, which mean nothing here, may differ; what they hold may not.
        assert read.manifest == good.manifest
        assert (read.people.centres == good.people.centres).all()


def read_bundle_from(path: Path, content: bytes) -> Bundle:
    path.write_bytes(content)
    return read_bundle(path)


def test_trees_that_are_none_are_refused(trained: dict[str, Bundle], tmp_path: Path) -> None:
    path = tmp_path / "recogniser.bundle"
    path.write_bytes(
        rezipped(
            packed(trained["xgboost"]),
            lambda members: members.update({"trees.ubj": b"not trees"}),
            sums=True,
        )
    )
    with pytest.raises(ModelError, match="cannot be used"):
        read_bundle(path)


class Hours:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        self.now_s += 3600
        return self.now_s


def test_a_bundle_is_taken_up_when_it_comes_and_when_it_changes(
    trained: dict[str, Bundle],
    made_up: MadeUpPeople,
    family: dict[str, np.ndarray],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = tmp_path / "recogniser.bundle"
    watch = BundleWatch(path, EMBEDDER, Hours())
    face = made_up.face(family["anna"])
    assert watch.identify([face])[0].identity is Identity.NO_GALLERY
    assert watch.provenance is None

    write_bundle(path, trained["none"])
    watch.refresh()
    assert watch.identify([face])[0].name == "anna"
    first = watch.provenance

    path.write_bytes(b"broken")
    watch.refresh()
    watch.refresh()
    assert watch.provenance == first
    assert [r.levelname for r in caplog.records].count("WARNING") == 1

    path.unlink()
    watch.refresh()
    assert watch.identify([face])[0].name == "anna"

    write_bundle(path, trained["svm"])
    watch.refresh()
    assert watch.provenance not in (None, first)


def test_a_bundle_is_not_looked_for_all_the_time(
    trained: dict[str, Bundle], tmp_path: Path
) -> None:
    path = tmp_path / "recogniser.bundle"
    watch = BundleWatch(path, EMBEDDER, lambda: 0.0)
    write_bundle(path, trained["none"])
    watch.refresh()
    assert watch.provenance is None


def test_a_bundle_that_cannot_be_used_stops_the_start(tmp_path: Path) -> None:
    path = tmp_path / "recogniser.bundle"
    path.write_bytes(b"broken")
    with pytest.raises(ModelError):
        BundleWatch(path, EMBEDDER)


def test_faces_are_identified_alike_one_by_one_and_in_blocks(
    trained: dict[str, Bundle], made_up: MadeUpPeople, family: dict[str, np.ndarray]
) -> None:
    recogniser: OpenSet = trained["svm"].recogniser()
    faces = [made_up.face(family["ben"], size_px=20 + n, sharpness=10 * n) for n in range(4200)]
    together = recogniser.identify(faces)
    for n in (0, 1, 4095, 4096, 4199):
        (alone,) = recogniser.identify([faces[n]])
        assert (alone.name, alone.identity) == (together[n].name, together[n].identity)
        assert alone.distance == pytest.approx(together[n].distance, abs=1e-3)
    assert recogniser.identify([]) == ()
