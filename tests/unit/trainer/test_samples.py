from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path

import pytest

from annotator.config import FaceSettings
from annotator.domain import (
    BoundingBox,
    Face,
    FaceModels,
    Gate,
    Identification,
    Identity,
    Reason,
)
from annotator.errors import CaptureUnreadable, StoreError
from trainer.gallery import GalleryPicture
from trainer.remembered import Memory
from trainer.samples import group_of, read_samples

MODELS = FaceModels("finder@1", "embedder@1", None)
NOBODY = Identification(Identity.NO_GALLERY)


def face(side: int, gate: Gate = Gate.USABLE, number: int = 1) -> Face:
    embedding = bytes([number]) * 512 if gate is Gate.USABLE else None
    identification = NOBODY if gate is Gate.USABLE else None
    box = BoundingBox(5, 6, 5 + side, 6 + side)
    return Face(box, 0.9, 345.678, gate, embedding, identification)


FACES = {
    b"one": (face(80),),
    b"one and a small one behind": (face(80), face(30, number=2)),
    b"one and a blurred one": (face(60, Gate.BLURRED), face(80)),
    b"two": (face(80), face(70, number=2)),
    b"small": (face(20, Gate.TOO_SMALL),),
    b"none": (),
}


class Looks:
    def __init__(self) -> None:
        self.asked: Counter[bytes] = Counter()

    def __call__(self, jpeg: bytes) -> tuple[Face, ...]:
        self.asked[jpeg] += 1
        if jpeg not in FACES:
            raise CaptureUnreadable(Reason.NOT_JPEG, "this is no JPEG")
        return FACES[jpeg]


def gallery(folder: Path, **people: list[bytes]) -> Path:
    for person, pictures in people.items():
        (folder / person).mkdir(parents=True)
        for number, content in enumerate(pictures):
            (folder / person / f"{number}.jpg").write_bytes(content)
    return folder


def test_every_picture_gives_a_sample_or_a_reason(tmp_path: Path) -> None:
    folder = gallery(
        tmp_path,
        anna=[b"one", b"two", b"one and a small one behind", b"one and a blurred one"],
        ben=[b"small", b"none", b"broken"],
        UNKNOWN=[b"one"],
    )
    (folder / "anna" / "notes.txt").write_text("no picture")
    (folder / ".hidden").mkdir()
    told: list[tuple[int, int]] = []
    samples = read_samples([folder], Looks(), lambda done, total: told.append((done, total)))
    assert [(one.person, Path(one.source).name) for one in samples.usable] == [
        (None, "0.jpg"),
        ("anna", "0.jpg"),
        ("anna", "2.jpg"),
        ("anna", "3.jpg"),
    ]
    assert {one.evidence.size_px for one in samples.usable} == {80}
    assert [(one.person, one.why) for one in samples.left_out] == [
        ("anna", "several people"),
        ("ben", "too small"),
        ("ben", "no face found"),
        ("ben", "not readable: this is no JPEG"),
    ]
    assert samples.folders == ("UNKNOWN", "anna", "ben")
    assert told[-1] == (8, 8)


def test_several_folders_are_one_gallery_and_a_missing_one_is_an_error(tmp_path: Path) -> None:
    first = gallery(tmp_path / "first", anna=[b"one"])
    second = gallery(tmp_path / "second", anna=[b"one"], ben=[b"one"])
    samples = read_samples([first, second], Looks())
    assert Counter(one.person for one in samples.usable) == {"anna": 2, "ben": 1}
    with pytest.raises(StoreError) as caught:
        read_samples([tmp_path / "nowhere"], Looks())
    assert caught.value.next_step


def test_a_picture_named_after_its_event_is_of_that_group() -> None:
    assert group_of(Path("anna/gate-4711--00017.jpg")) == "gate-4711"
    assert group_of(Path("anna/gate-4711--00018.jpg")) == "gate-4711"
    assert group_of(Path("anna/holiday.jpg")) != group_of(Path("ben/holiday.jpg"))


def test_a_picture_is_looked_at_once_in_a_lifetime(tmp_path: Path) -> None:
    file = tmp_path / "state" / "faces.npz"
    settings = FaceSettings()
    looks = Looks()
    memory = Memory.load(file)
    look = memory.around(looks, MODELS, settings)
    first = {jpeg: look(jpeg) for jpeg in FACES}
    memory.save()

    again = Memory.load(file).around(looks, MODELS, settings)
    assert {jpeg: again(jpeg) for jpeg in FACES} == first == FACES
    assert set(looks.asked.values()) == {1}


@pytest.mark.parametrize(
    ("models", "settings"),
    [
        (FaceModels("finder@2", "embedder@1", None), FaceSettings()),
        (FaceModels("finder@1", "embedder@2", None), FaceSettings()),
        (MODELS, FaceSettings(min_face_px=20)),
        (MODELS, FaceSettings(min_sharpness=20)),
    ],
)
def test_whatever_the_answer_depends_on_asks_anew(
    models: FaceModels, settings: FaceSettings, tmp_path: Path
) -> None:
    memory, looks = Memory.load(tmp_path / "faces.npz"), Looks()
    memory.around(looks, MODELS, FaceSettings())(b"one")
    memory.around(looks, models, settings)(b"one")
    assert looks.asked[b"one"] == 2


@pytest.mark.parametrize("content", [b"", b"scribble", b"PK\x03\x04 but no more"])
def test_a_broken_memory_is_begun_anew(
    content: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "faces.npz"
    file.write_bytes(content)
    memory = Memory.load(file)
    assert memory.known == {}
    assert [one.levelno for one in caplog.records] == [logging.WARNING]
    memory.around(Looks(), MODELS, FaceSettings())(b"one")
    memory.save()
    assert len(Memory.load(file).known) == 1


def test_an_empty_memory_is_a_good_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Memory(tmp_path / "seen.npz", {}).save()
    assert Memory.load(tmp_path / "seen.npz").known == {}
    assert not caplog.records


def test_an_unreadable_picture_is_not_remembered(tmp_path: Path) -> None:
    memory = Memory.load(tmp_path / "faces.npz")
    with pytest.raises(CaptureUnreadable):
        memory.around(Looks(), MODELS, FaceSettings())(b"broken")
    assert memory.known == {}


def test_a_verdict_is_said_in_words() -> None:
    def verdict(*faces: Face, problem: str | None = None) -> str:
        return GalleryPicture("anna", Path("1.jpg"), faces, problem).verdict

    assert verdict(face(80)) == "usable"
    assert verdict(face(80), face(60)) == "several people"
    assert verdict(face(30, Gate.TURNED_AWAY)) == "turned away"
    assert verdict() == "no face found"
    assert verdict(problem="broken") == "not readable"
