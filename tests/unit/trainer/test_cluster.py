from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from annotator.domain import FaceQuestion, Identification, Identity, Tag
from tests.fakes.people import MadeUpPeople
from tests.unit.trainer.conftest import NOON, House
from trainer.cluster import Clustering, cluster, numbered
from trainer.sheet import TILES, write_sheets


def group(house: House, **settings: object) -> Clustering:
    return cluster(house.queries, house.book, **settings)  # type: ignore[arg-type]


def strangers_of(house: House) -> dict[str, set[int | None]]:
    """The strangers by event."""
    found: dict[str, set[int | None]] = {}
    for face in house.faces():
        found.setdefault(face.capture.event.path, set()).add(face.stranger)
    return found


@pytest.fixture
def made_up() -> MadeUpPeople:
    return MadeUpPeople()


def test_strangers_keep_their_numbers(house: House, made_up: MadeUpPeople) -> None:
    postman, neighbour, once = (made_up.someone() for _ in range(3))
    for event in range(4):
        house.see(event, made_up.face(postman), monitor="Gate")
    for event in range(4, 7):
        house.see(event, made_up.face(neighbour), made_up.face(neighbour), monitor="Yard")
    house.see(7, made_up.face(once))
    first = group(house)
    assert [(one.number, one.faces, one.events, one.monitors) for one in first.strangers] == [
        (2, 6, 3, ("Yard",)),
        (1, 4, 4, ("Gate",)),
    ]
    assert (first.faces, first.alone) == (11, 1)
    assert all(one.is_new for one in first.strangers)
    for event in range(20, 25):
        house.see(event, made_up.face(postman), made_up.face(once), monitor="Door")
    second = group(house)
    assert [(one.number, one.faces, one.is_new) for one in second.strangers] == [
        (1, 9, False),
        (2, 6, False),
        (3, 6, True),
    ]
    assert second.strangers[0].monitors == ("Door", "Gate")
    assert second.strangers[0].first_at == NOON + timedelta(seconds=1)
    assert second == group(house) or not any(one.is_new for one in group(house).strangers)


def test_whoever_gets_a_name_is_no_stranger_and_the_number_is_nobody_elses(
    house: House, made_up: MadeUpPeople
) -> None:
    anna, ben = made_up.someone(), made_up.someone()
    for event in range(3):
        house.see(event, made_up.face(anna))
    group(house)
    ids = [face.id for face in house.queries.stored_faces(FaceQuestion(strangers=(1,)))]
    house.book.tag(ids, Tag("anna", NOON))
    assert group(house).strangers == ()
    # The word can still be said of the same stranger again.
    assert len(list(house.queries.stored_faces(FaceQuestion(strangers=(1,))))) == 3
    for event in range(10, 13):
        house.see(event, made_up.face(ben))
    assert [one.number for one in group(house).strangers] == [2]


def test_whom_a_recogniser_names_loses_the_number(house: House, made_up: MadeUpPeople) -> None:
    anna = made_up.someone()
    for event in range(3):
        house.see(event, made_up.face(anna))
    group(house)
    known = Identification(Identity.KNOWN, "anna", 0.99, 0.3)
    from annotator.domain import Renaming

    house.book.relabel(
        [Renaming(face.id, face.identification, known) for face in house.faces()],
        "bundle@123456789abc",
        dry_run=False,
    )
    assert group(house).faces == 0
    assert {face.stranger for face in house.faces()} == {None}


def test_since_keeps_to_recent_faces_and_earlier_strangers(
    house: House, made_up: MadeUpPeople
) -> None:
    postman, other = made_up.someone(), made_up.someone()
    for event in range(3):
        house.see(event, made_up.face(postman))
    group(house)
    for event in range(10, 13):
        house.see(event, made_up.face(other))
    for event in range(1000, 1002):
        house.see(event, made_up.face(postman))
    recent = group(house, since=NOON + timedelta(minutes=900))
    assert [(one.number, one.faces) for one in recent.strangers] == [(1, 5)]
    assert strangers_of(house)["2024-05-01/11"] == {None}


def test_damaged_embeddings_are_nobodys(house: House, made_up: MadeUpPeople) -> None:
    from annotator.domain import FaceEvidence

    for event, number in enumerate([np.nan, np.nan, np.inf, 1e30, 1e30]):
        damaged = np.full(128, number, "<f4").tobytes()
        house.see(event, FaceEvidence(damaged, 100, 500.0))
    assert group(house, min_faces=1).alone == 0
    assert len(group(house, min_faces=1).strangers) == 5


def test_nobody_unknown(house: House) -> None:
    assert group(house) == Clustering(0, 0, ())


numbers = st.one_of(st.none(), st.integers(1, 6))


@given(
    faces=st.lists(st.tuples(st.integers(0, 5), numbers), max_size=40),
    last=st.integers(6, 9),
    min_faces=st.integers(1, 4),
)
def test_numbers_are_given_once_and_never_anew(
    faces: list[tuple[int, int | None]], last: int, min_faces: int
) -> None:
    before = [number for _, number in faces]
    groups = [
        [at for at, (label, _) in enumerate(faces) if label == one]
        for one in sorted({label for label, _ in faces})
    ]
    given_numbers = numbered(groups, before, last, min_faces)
    told = [number for number in given_numbers if number is not None]
    assert len(told) == len(set(told))
    for members, number in zip(groups, given_numbers, strict=True):
        own = {before[at] for at in members}
        assert number is None or number in own or number > last
        assert number is not None or len(members) < min_faces or own != {None}
    # A number that is still there went to nobody who has fewer of its faces than another.
    assert numbered(groups, [None] * len(faces), last, 1) == [
        last + 1 + n for n in range(len(groups))
    ]


@pytest.mark.parametrize(
    ("groups", "before", "expected"),
    [
        # Two strangers turn out to be one: the larger one's number stays, of equals the older.
        ([[0, 1, 2, 3, 4]], [7, 7, 3, 3, 3], [3]),
        ([[0, 1, 2, 3]], [7, 7, 3, 3], [3]),
        # One turns out to be two: the larger part keeps it.
        ([[0, 1], [2, 3, 4]], [5, 5, 5, 5, 5], [10, 5]),
        # Who has a number keeps it, also with too few faces; others need enough.
        ([[0], [1], [2, 3, 4]], [4, None, None, None, None], [4, None, 10]),
    ],
)
def test_merged_and_split_strangers(
    groups: list[list[int]], before: list[int | None], expected: list[int | None]
) -> None:
    # The split-off part of three faces is new; parts of two are enough here.
    assert numbered(groups, before, 9, 2) == expected


def test_a_sheet_per_stranger(house: House, made_up: MadeUpPeople) -> None:
    postman, neighbour = made_up.someone(), made_up.someone()
    for event in range(TILES + 5):
        house.see(event, made_up.face(postman), monitor="Küche")
    for event in range(100, 103):
        house.see(event, made_up.face(neighbour))
    found = group(house)
    gone = [house.tree.root / face.capture.path for face in house.faces()[-3:]]
    for file in gone:
        file.unlink()
    folder = house.folder / "sheets"
    sheets = write_sheets(found.strangers, house.queries, house.tree, folder, max_megapixels=50)
    assert [file.name for file in sheets.files] == ["stranger-001.jpg", "stranger-002.jpg"]
    assert sheets.files == tuple(sorted(folder.iterdir()))
    assert sorted(sheets.gone) == sorted(str(one.relative_to(house.tree.root)) for one in gone)
    with Image.open(sheets.files[0]) as full, Image.open(sheets.files[1]) as blank:
        assert full.width > blank.width
        assert full.height > blank.height


def test_best_faces_are_of_different_events(house: House, made_up: MadeUpPeople) -> None:
    postman = made_up.someone()
    for _ in range(30):
        house.see(1, made_up.face(postman, sharpness=900))
    for event in range(2, 8):
        house.see(event, made_up.face(postman, sharpness=300))
    (one,) = group(house).strangers
    events = {face.id: face.capture.event.path for face in house.faces()}
    assert len({events[face_id] for face_id in one.best[:7]}) == 7


def test_the_command_tells_and_draws(house: House, made_up: MadeUpPeople, tmp_path: Path) -> None:
    from click.testing import CliRunner

    from trainer.cli import cli

    for event in range(3):
        house.see(event, made_up.face(made_up.someone()), monitor="Gate")
    postman = made_up.someone()
    for event in range(5, 9):
        house.see(event, made_up.face(postman), monitor="Yard")
    config = tmp_path / "annotator.toml"
    config.write_text(f'[store]\nroot = "{house.tree.root}"\nlayout = "medium"\n')
    arguments = ["cluster", "--config", str(config), "--database", str(house.database.path)]
    done = CliRunner().invoke(cli, [*arguments, "-o", str(tmp_path / "sheets")])
    assert done.exception is None
    assert "stranger-001" in done.stdout
    assert "Yard" in done.stdout
    assert [path.name for path in (tmp_path / "sheets").iterdir()] == ["stranger-001.jpg"]
