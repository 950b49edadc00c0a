from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from annotator.domain import FaceQuestion, Identity
from annotator.errors import QueryError
from tests.fakes.people import MadeUpPeople
from tests.unit.trainer.conftest import House, jpeg
from trainer.cli import cli
from trainer.cluster import cluster
from trainer.enrol import checked_name, copy_pictures, known_names

RED, GREEN, BLUE = (200, 0, 0), (0, 200, 0), (0, 0, 200)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_pictures_are_copied_once_and_nothing_is_overwritten(tmp_path: Path) -> None:
    album, gallery = tmp_path / "album", tmp_path / "gallery"
    (album / "old").mkdir(parents=True)
    (album / "1.jpg").write_bytes(jpeg(RED))
    (album / "old" / "1.JPEG").write_bytes(jpeg(GREEN))
    (album / "same.jpg").write_bytes(jpeg(RED))
    (album / "screenshot.jpg").write_bytes(b"\x89PNG")
    (album / "notes.txt").write_text("no picture")
    single = tmp_path / "Door-4711--00012-3x4.jpg"
    single.write_bytes(jpeg(BLUE))
    copied = copy_pictures([album, single], gallery, "anna")
    assert contents(gallery / "anna") == {
        "1.jpg": jpeg(RED),
        "1-2.jpg": jpeg(GREEN),
        single.name: jpeg(BLUE),
    }
    assert (len(copied.written), copied.there) == (3, 1)
    assert [one.path.name for one in copied.refused] == ["screenshot.jpg"]
    again = copy_pictures([album, single], gallery, "anna")
    assert (again.written, again.there) == ((), 4)
    assert len(contents(gallery / "anna")) == 3


def test_names(tmp_path: Path) -> None:
    (tmp_path / "anna").mkdir()
    assert known_names(tmp_path / "none") == []
    known = known_names(tmp_path)
    assert checked_name(" anna ", known, pictures_only=True) == "anna"
    assert checked_name("Jürgen Groß", known, pictures_only=True) == "Jürgen Groß"
    assert checked_name("unknown", known, pictures_only=True) == "Unknown"
    assert checked_name("Unknown", ["unknown"], pictures_only=True) == "unknown"
    for wrong in ("Anna", "../anna", "", "stranger-017"):
        with pytest.raises(QueryError):
            checked_name(wrong, known, pictures_only=True)
    with pytest.raises(QueryError):
        checked_name("Unknown", known, pictures_only=False)


def test_the_command_names_strangers_and_copies_pictures(house: House) -> None:
    made_up = MadeUpPeople()
    postman, other = made_up.someone(), made_up.someone()
    for event in range(3):
        house.see(event, made_up.face(postman), made_up.face(other))
    cluster(house.queries, house.book)
    picture, gallery = house.folder / "1.jpg", house.folder / "gallery"
    picture.write_bytes(jpeg())
    config = house.folder / "annotator.toml"
    config.write_text(f'[faces]\ngallery = "{gallery}"\n')

    def run(*arguments: str) -> tuple[int | None, str]:
        common = ("--config", str(config), "--database", str(house.database.path))
        done = CliRunner().invoke(cli, ["enrol", *common, *arguments], standalone_mode=False)
        return done.return_value, f"{done.stderr}{done.exception or ''}"

    code, said = run("anna", "stranger-001", str(picture))
    assert code == 0
    assert "3 faces" in said
    assert "trainer train" in said
    assert [path.name for path in (gallery / "anna").iterdir()] == ["1.jpg"]
    named = list(house.queries.stored_faces(FaceQuestion(names=("anna",))))
    assert {(face.stranger, face.by_hand) for face in named} == {(1, True)}
    assert "anna" in run("Anna", "stranger-002")[1]
    assert "stranger-009" in run("ben", "stranger-009")[1]
    assert "neither" in run("ben", "stranger-002", str(house.folder / "nothing"))[1]
    unknown = list(house.queries.stored_faces(FaceQuestion(strangers=(2,))))
    assert {face.identification.identity for face in unknown} == {Identity.UNKNOWN}
    picture.write_bytes(b"no picture")
    assert run("ben", str(picture))[0] == 3
