from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from annotator.domain import FaceEvidence
from tests.fakes.people import MadeUpPeople
from trainer.check import SERIOUS, Finding, Kind, check_gallery
from trainer.roll import roll
from trainer.samples import LeftOut, Sample, Samples, person_of


class Gallery:
    """Folders of files whose faces are made of numbers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.made_up = MadeUpPeople()
        self._samples: list[Sample] = []
        self._left_out: list[LeftOut] = []

    def add(
        self, name: str, person: np.ndarray, count: int = 1, content: bytes | None = None
    ) -> list[str]:
        return [self.put(name, self.made_up.face(person), content) for _ in range(count)]

    def put(self, name: str, face: FaceEvidence, content: bytes | None = None) -> str:
        path = self.folder / name / f"{len(self._samples)}.jpg"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(path.name.encode() if content is None else content)
        self._samples.append(Sample(person_of(name), face, path.name, str(path)))
        return str(path)

    def leave_out(self, name: str, why: str) -> str:
        path = self.folder / name / "left out.jpg"
        self._left_out.append(LeftOut(name, path, why))
        return str(path)

    @property
    def samples(self) -> Samples:
        folders = [Path(one.source).parent.name for one in self._samples]
        folders += [one.person for one in self._left_out]
        return Samples(tuple(self._samples), tuple(self._left_out), tuple(dict.fromkeys(folders)))

    def findings(self, kind: Kind | None = None) -> list[Finding]:
        return [one for one in check_gallery(self.samples) if kind in (None, one.kind)]


@pytest.fixture
def gallery(tmp_path: Path) -> Gallery:
    return Gallery(tmp_path)


def test_a_good_gallery_has_nothing_to_be_looked_at(gallery: Gallery) -> None:
    for name in ("anna", "ben", "carla"):
        gallery.add(name, gallery.made_up.someone(), 8)
    for _ in range(20):
        gallery.add("Unknown", gallery.made_up.someone())
    assert gallery.findings() == []


def test_pictures_of_somebody_else_are_found(gallery: Gallery) -> None:
    anna, ben = gallery.made_up.someone(), gallery.made_up.someone()
    gallery.add("anna", anna, 8)
    gallery.add("ben", ben, 8)
    (swapped,) = gallery.add("ben", anna)
    (stranger,) = gallery.add("anna", gallery.made_up.someone())
    (mislabelled,) = gallery.findings(Kind.MISLABELLED)
    assert (mislabelled.picture, mislabelled.person) == (swapped, "ben")
    assert "looks like anna" in mislabelled.why
    assert "anna" in mislabelled.next_step
    assert [one.picture for one in gallery.findings(Kind.OUTLIER)] == [stranger]
    assert len(gallery.findings()) == 2


def test_somebody_known_among_the_unknown(gallery: Gallery) -> None:
    anna = gallery.made_up.someone()
    gallery.add("anna", anna, 8)
    gallery.add("Unknown", gallery.made_up.someone())
    near = gallery.put("Unknown", gallery.made_up.face(anna, size_px=100))
    (found,) = gallery.findings(Kind.KNOWN_UNKNOWN)
    assert (found.person, found.picture) == ("Unknown", near)


def test_the_same_file_or_nearly_the_same_picture_twice(gallery: Gallery) -> None:
    anna, ben = gallery.made_up.someone(), gallery.made_up.someone()
    gallery.add("anna", anna, 6)
    gallery.add("ben", ben, 6)
    face = gallery.made_up.face(anna)
    _, second = (gallery.put("anna", face, b"the same") for _ in range(2))
    similar = gallery.put("anna", face, b"saved anew")
    assert [one.picture for one in gallery.findings(Kind.SAME_FILE)] == [second]
    assert [one.picture for one in gallery.findings(Kind.DUPLICATE)] == [similar]
    in_both = gallery.put("ben", face, b"the same")
    assert [one.picture for one in gallery.findings(Kind.MISLABELLED)] == [in_both]
    assert not any(one.kind in SERIOUS for one in gallery.findings() if one.picture == second)


def test_people_who_are_one_or_look_alike(gallery: Gallery) -> None:
    anna = gallery.made_up.someone()
    step = gallery.made_up.someone()
    step /= np.linalg.norm(step)
    gallery.add("anna", anna, 20)
    gallery.add("Annie", anna - 0.1 * step, 20)
    gallery.add("sister", anna + 0.43 * step, 20)
    assert [one.person for one in gallery.findings(Kind.ONE_PERSON)] == ["Annie"]
    (alike,) = gallery.findings(Kind.LOOK_ALIKE)
    assert alike.person == "anna"
    assert "sister" in alike.why
    assert "0.4" in alike.why


def test_few_pictures_and_pictures_that_cannot_be_used(gallery: Gallery) -> None:
    gallery.add("anna", gallery.made_up.someone(), 2)
    broken = gallery.leave_out("anna", "not readable: it is cut short")
    crowd = gallery.leave_out("ben", "several people")
    few = gallery.findings(Kind.FEW)
    assert [(one.person, one.why) for one in few] == [
        ("anna", "2 usable pictures"),
        ("ben", "no usable pictures"),
    ]
    assert [one.picture for one in gallery.findings(Kind.UNREADABLE)] == [broken]
    assert [one.picture for one in gallery.findings(Kind.UNUSABLE)] == [crowd]
    assert Kind.UNREADABLE in SERIOUS
    assert Kind.UNUSABLE not in SERIOUS


def test_one_picture_alone_and_no_picture(gallery: Gallery) -> None:
    assert gallery.findings() == []
    gallery.add("anna", gallery.made_up.someone())
    assert [one.kind for one in gallery.findings()] == [Kind.FEW]


def test_the_roll(gallery: Gallery) -> None:
    gallery.add("ben", gallery.made_up.someone(), 3)
    gallery.add("Unknown", gallery.made_up.someone())
    gallery.leave_out("ben", "blurred")
    members = roll(gallery.samples, {"anna": 40, "ben": 2})
    assert [(one.name, one.pictures, one.usable, one.tagged) for one in members] == [
        ("anna", 0, 0, 40),
        ("ben", 4, 3, 2),
        ("Unknown", 1, 1, 0),
    ]
    assert members[0].last_added is None
    assert members[1].last_added is not None
