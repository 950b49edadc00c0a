from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from annotator.domain import (
    BoundingBox,
    Capture,
    CaptureQuery,
    Event,
    FaceQuestion,
    Gate,
    Identification,
    Identity,
)
from tests.fakes.people import MadeUpPeople
from tests.unit.trainer.conftest import FACE_BOX, House, jpeg
from trainer.cli import cli
from trainer.crops import FACE_MARGIN, crop_name, crop_name_of
from trainer.extract import extract, extract_from, wanted_faces, wanted_people
from trainer.samples import EVENT_MARK, group_of

BOX = BoundingBox(310, 92, 400, 190)
ANNA = Identification(Identity.KNOWN, "anna", 0.99, 0.3)


@pytest.fixture
def made_up() -> MadeUpPeople:
    return MadeUpPeople()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_name_tells_the_event_and_the_place() -> None:
    capture = Capture(Event("Front Door", "1", "2024-05-01/4711"), "00012-capture.jpg", 12)
    name = crop_name(capture, BOX)
    assert name == "Front Door-2024-05-01-4711--00012-310x92.jpg"
    assert group_of(Path(name)) == "Front Door-2024-05-01-4711"


@pytest.mark.parametrize(
    ("picture", "name"),
    [
        ("holiday.jpg", "holiday--310x92.jpg"),
        ("2024/rome/IMG 1.jpg", "2024-rome-IMG 1--310x92.jpg"),
        ("5/2024-05-01/4711/00012-capture.jpg", "5-2024-05-01-4711--00012-310x92.jpg"),
        ("anna/Door-4711--00012-3x4.jpg", "anna-Door-4711--00012-3x4-310x92.jpg"),
        ("--.jpg", "--310x92.jpg"),
    ],
)
def test_the_name_of_a_crop_of_any_picture(picture: str, name: str) -> None:
    assert crop_name_of(PurePosixPath(picture), BOX) == name


text = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1)


@given(monitor=text, event=text, stem=text, other=text)
def test_every_name_is_a_file_name_and_tells_its_event(
    monitor: str, event: str, stem: str, other: str
) -> None:
    of_event = Event(monitor, "1", f"2024/{event}")
    one, two = (crop_name(Capture(of_event, f"{name}.jpg", 1), BOX) for name in (stem, other))
    assert len(one.encode()) < 255
    assert one.isprintable()
    assert "/" not in one
    assert EVENT_MARK in one
    assert group_of(Path(one)) == group_of(Path(two))


def test_the_best_of_each_event_and_every_event_before_a_second_one(
    house: House, made_up: MadeUpPeople
) -> None:
    for sharpness in (100, 900, 400, 500):
        house.see(1, made_up.face(made_up.someone(), sharpness=sharpness))
    house.see(2, made_up.face(made_up.someone(), sharpness=300))
    wanted = wanted_faces(house.queries, FaceQuestion(), per_event=2)
    assert [(one.capture.event.path[-1], one.capture.frame) for one in wanted] == [
        ("1", 2),
        ("2", 5),
        ("1", 4),
    ]
    few = wanted_faces(house.queries, FaceQuestion(), per_event=2, limit=2)
    assert few == wanted[:2]
    assert wanted_faces(house.queries, FaceQuestion(), min_size_px=61) == []


def test_only_unknown_faces_and_people(house: House, made_up: MadeUpPeople) -> None:
    house.see(1, made_up.face(made_up.someone()), who=ANNA)
    unknown = house.see(2, made_up.face(made_up.someone()))
    new = house.see(3, made_up.face(made_up.someone()), who=Identification(Identity.NO_GALLERY))
    faces = wanted_faces(house.queries, FaceQuestion(), unknown=True)
    assert {one.capture for one in faces} == {unknown, new}
    question = CaptureQuery(labels=("person",))
    people = wanted_people(house.queries, question, house.tree.capture, unknown=True)
    assert {one.capture for one in people} == {unknown, new}


def test_a_second_run_adds_only_what_is_new(house: House, made_up: MadeUpPeople) -> None:
    folder = house.folder / "crops"
    first = house.see(1, made_up.face(made_up.someone()), made_up.face(made_up.someone()))
    gone = house.see(2, made_up.face(made_up.someone()))
    (house.tree.root / gone.path).unlink()

    def run() -> tuple[int, int, list[str]]:
        wanted = wanted_faces(house.queries, FaceQuestion())
        done = extract(wanted, house.tree, folder, margin=FACE_MARGIN, max_megapixels=50)
        return done.written, done.there, [one.path for one in done.missing]

    assert run() == (2, 0, [gone.path])
    written = names(folder)
    assert written == [crop_name(first, FACE_BOX.translate(at, 0)) for at in (0, 10)]
    (folder / written[0]).write_bytes(b"sorted and kept")
    house.see(3, made_up.face(made_up.someone()))
    assert run() == (1, 2, [gone.path])
    assert (folder / written[0]).read_bytes() == b"sorted and kept"
    with Image.open(folder / written[1]) as crop:
        side = FACE_BOX.width * (1 + 2 * FACE_MARGIN)
        assert crop.size == (side, side)


def test_faces_of_any_pictures(tmp_path: Path) -> None:
    album = tmp_path / "album"
    (album / "rome").mkdir(parents=True)
    (album / "rome" / "1.JPG").write_bytes(jpeg())
    (album / "2.jpg").write_bytes(jpeg())
    (album / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    (album / "notes.txt").write_text("no picture")
    places = [FACE_BOX, BoundingBox(10, 10, 30, 30)]
    done = extract_from(
        [album],
        lambda content: places,
        tmp_path / "crops",
        margin=0.0,
        max_megapixels=50,
        min_size_px=30,
    )
    assert (done.written, [Path(one.path).name for one in done.missing]) == (2, ["broken.jpg"])
    assert names(tmp_path / "crops") == ["2--100x60.jpg", "rome-1--100x60.jpg"]


def test_the_command(house: House, made_up: MadeUpPeople, tmp_path: Path) -> None:
    house.see(1, made_up.face(made_up.someone()), who=ANNA)
    gone = house.see(2, made_up.face(made_up.someone()))
    config = tmp_path / "annotator.toml"
    config.write_text(f'[store]\nroot = "{house.tree.root}"\nlayout = "medium"\n')

    def run(*arguments: str) -> tuple[int, str]:
        common = ("--config", str(config), "--database", str(house.database.path))
        done = CliRunner().invoke(cli, ["extract", *common, *arguments], standalone_mode=False)
        return done.return_value, f"{done.stderr}{done.exception or ''}"

    crops = tmp_path / "crops"
    assert run("--name", "anna", "-o", str(crops))[0] == 0
    assert names(crops) == ["Gate-2024-05-01-1--00001-100x60.jpg"]
    assert run("--what", "persons", "-o", str(tmp_path / "people"))[0] == 0
    assert len(names(tmp_path / "people")) == 2
    (house.tree.root / gone.path).unlink()
    code, said = run("--unknown", "-o", str(crops))
    assert code == 3
    assert gone.path in said
    for wrong in (
        [str(crops), "--unknown"],
        ["--what", "persons", "--stranger", "17"],
        ["--unknown", "--name", "anna"],
        ["--stranger", "anna"],
    ):
        assert "-" in run(*wrong, "-o", str(crops))[1]
    assert run("--stranger", "stranger-017", "-o", str(crops))[0] == 0


def test_only_faces_that_can_be_learned_from_are_taken() -> None:
    from annotator.domain import Face
    from trainer.extract import faces_found

    small = Face(FACE_BOX, 0.9, 10.0, Gate.TOO_SMALL)
    assert faces_found(lambda content: (small,))(b"") == []
