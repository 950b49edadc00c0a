"""`annotator relabel` and `annotator tag`, from the command line to the database."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from annotator.app.targets import people_of
from annotator.cli.main import cli, run
from annotator.domain import (
    EMBEDDING_BYTES,
    FaceEvidence,
    FaceQuestion,
    Identification,
    Identity,
    Renaming,
    StoredFace,
)
from annotator.inference.bundle import write_bundle
from db.engine import open_database, open_read_only
from db.face_book import SqlFaceBook
from db.queries import SqlQueries
from db.store import SqlStore
from tests.contracts.backlog import BLURRED, captures, event
from tests.contracts.faces import annotation, face, known
from tests.databases import Databases
from tests.fakes.clock import ManualClock
from tests.fakes.people import MadeUpPeople
from trainer.fit import train

NOBODY = Identification(Identity.NO_GALLERY)
DOOR, HALL = event(0), event(1, "Hall")


@dataclass(frozen=True)
class House:
    """A store's root, a database and a configuration that names both and a recogniser."""

    root: Path
    config: Path
    database: Path
    bundle: Path

    def call(self, *words: str) -> Result:
        return CliRunner().invoke(cli, [*words, "--config", str(self.config)])

    def said(self, *words: str) -> str:
        done = self.call(*words)
        assert done.exit_code == 0, done.output
        return done.output

    def refused(self, *words: str) -> str:
        done = self.call(*words)
        assert done.exception is not None
        return f"{done.exception}\n{getattr(done.exception, 'next_step', '')}\n{done.output}"

    def faces(self, **question: object) -> list[StoredFace]:
        with open_read_only(self.database) as database:
            asked = FaceQuestion(**question)  # type: ignore[arg-type]
            return list(SqlQueries(database).stored_faces(asked))

    def names(self) -> list[str]:
        """Oldest first."""
        found = sorted(self.faces(), key=lambda one: (one.captured_at, one.box.xmin))
        return [one.identification.name or str(one.identification.identity) for one in found]

    def words(self) -> int:
        """How much was said by people."""
        with closing(sqlite3.connect(self.database)) as connection:
            (count,) = connection.execute("SELECT count(*) FROM tag").fetchone()
        return int(count)


@pytest.fixture
def house(databases: Databases, tmp_path: Path) -> House:
    root = tmp_path / "store"
    root.mkdir()
    config = tmp_path / "annotator.toml"
    bundle = tmp_path / "recogniser.bundle"
    database = databases.put(tmp_path / "annotator.sqlite")
    config.write_text(
        f'[store]\nroot = "{root}"\n[database]\npath = "{database}"\n'
        f'[faces]\nrecogniser = "{bundle}"\n'
    )
    return House(root, config, database, bundle)


Record = Callable[..., None]


@pytest.fixture
def record(house: House) -> Record:
    def write(*annotations: object) -> None:
        with open_database(house.database, forbidden_root=None) as database:
            SqlStore(database, ManualClock()).record(annotations, [])  # type: ignore[arg-type]

    return write


@pytest.fixture
def lived_in(house: House, record: Record) -> House:
    """Anna, twice, and then two people at the door; a stranger in the hall, twice."""
    door, hall = captures(DOOR, 1, 2, 3), captures(HALL, 1, 2)
    record(
        annotation(door[0], face("Anna", 1)),
        annotation(door[1], face("Anna", 1), face("Anna", 1, x=300, seen_better=True)),
        annotation(door[2], face(None, 1), face("Bob", 2, x=300), BLURRED),
        annotation(hall[0], face(None, 1)),
        annotation(hall[1], face(None, 1)),
    )
    with open_database(house.database, forbidden_root=None) as database:
        numbers = {one.id: 17 for one in house.faces(monitors=("Hall",))}
        SqlFaceBook(database, ManualClock()).group(numbers)
    return house


def test_a_stranger_gets_a_name(lived_in: House) -> None:
    table = lived_in.said("query", "--monitor", "Hall")
    assert table.count("stranger-017") == 2
    assert "tagged as Carl: 2 faces; 2 have another name than before" in lived_in.said(
        "tag", "stranger-017", "Carl"
    )
    lines = lived_in.said("query", "--name", "Carl", "--format", "jsonl").splitlines()
    assert [json.loads(line)["stranger"] for line in lines] == ["stranger-017"] * 2
    assert "stranger-017" not in lived_in.said("query", "--monitor", "Hall")
    assert "no face is of stranger-004" in lived_in.refused("tag", "stranger-4", "Carl")


def test_faces_are_named_by_the_numbers_that_query_tells(lived_in: House) -> None:
    lines = lived_in.said("query", "--name", "Bob", "--format", "jsonl").splitlines()
    bob = str(json.loads(lines[0])["face_id"])
    lived_in.said("tag", bob, " Ben ")
    assert lived_in.names() == ["Anna", "Anna", "unknown", "Ben", "unknown", "unknown"]
    lived_in.said("tag", bob, "--not", "Ben")
    assert lived_in.names()[3] == "Bob"
    told = lived_in.said("tag", bob, "--forget")
    assert "forgotten of 1 faces" in told
    assert lived_in.faces(by_hand=True) == []
    assert "no face 4711" in lived_in.refused("tag", "4711", "Ben")


@pytest.mark.parametrize(
    "target",
    [
        HALL.directory,
        HALL.path,
        f"{HALL.directory}/00001-capture.jpg",
        f"{{root}}/{HALL.directory}",
        f"{{root}}/{HALL.directory}/00001-capture.jpg",
    ],
)
def test_an_event_or_a_capture_is_named_by_its_path(lived_in: House, target: str) -> None:
    lived_in.said("tag", target.format(root=lived_in.root), "Eva")
    captured = 1 if target.endswith(".jpg") else 2
    assert lived_in.names()[4:] == ["Eva", "Eva", "unknown"][:captured] + ["unknown"] * (
        2 - captured
    )
    assert "Eva" not in lived_in.names()[:4]


def test_paths_are_also_meant_from_where_one_is(
    lived_in: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    (lived_in.root / "Hall").mkdir()
    monkeypatch.chdir(lived_in.root / "Hall")
    lived_in.said("tag", HALL.path, "Eva")
    assert lived_in.names()[4:] == ["Eva", "Eva"]


def test_several_people_are_not_named_at_once(lived_in: House) -> None:
    refused = lived_in.refused("tag", DOOR.directory, "Eva")
    assert f"{DOOR.directory} shows 2 people" in refused
    assert "Anna or unknown: faces " in refused
    assert "Bob: face " in refused
    assert "--all" in refused
    assert lived_in.faces(by_hand=True) == []
    assert "shows 2 people" in lived_in.refused("tag", f"{DOOR.directory}/00003-capture.jpg", "Eva")
    assert "tagged as Eva: 4 faces; 5 have another name" in lived_in.said(
        "tag", DOOR.directory, "Eva", "--all"
    )
    assert "forgotten of 4 faces" in lived_in.said("tag", DOOR.directory, "--forget")
    assert lived_in.names()[:4] == ["Anna", "Anna", "unknown", "Bob"]


def test_not_somebody_means_those_who_are_said_to_be(lived_in: House) -> None:
    told = lived_in.said("tag", DOOR.directory, "--not", "Bob")
    assert "tagged as not Bob: 1 faces; 1 have another name" in told
    assert lived_in.names()[:4] == ["Anna", "Anna", "unknown", "unknown"]


@pytest.mark.parametrize("target", [HALL.directory, f"{HALL.directory}/00001-capture.jpg"])
def test_what_was_said_of_a_face_that_is_gone_is_forgotten_by_its_path(
    lived_in: House, record: Record, target: str
) -> None:
    lived_in.said("tag", HALL.directory, "Eva")
    lived_in.said("tag", DOOR.directory, "Anna", "--all")
    for gone in (HALL, DOOR):
        record(annotation(*captures(gone, 1)))
    assert lived_in.words() == 6
    told = lived_in.said("tag", target, "--forget")
    faces = 1 if target == HALL.directory else 0
    assert f"forgotten of {faces} faces" in told
    assert "and 1 words about faces that are not there any more" in told
    record(annotation(captures(HALL, 1)[0], face(None, 1)))
    assert lived_in.words() == 5 - faces
    told = lived_in.said("tag", target, "--forget")
    assert "not there any more" not in told


def test_a_path_has_to_be_of_one_event(lived_in: House, record: Record) -> None:
    for nothing in (
        "Hall",
        "Door/24",
        "nowhere",
        "",
        "9" * 30,
        f"{DOOR.directory}/00009-capture.jpg",
    ):
        assert "no event or capture" in lived_in.refused("tag", nothing, "Eva")
    record(annotation(captures(replace(DOOR, monitor="Gate", monitor_directory="Gate"), 1)[0]))
    refused = lived_in.refused("tag", DOOR.path, "Eva")
    assert f"Door/{DOOR.path}, Gate/{DOOR.path}" in refused


def test_what_looks_like_a_slip_is_told(lived_in: House) -> None:
    assert "did you mean Anna?" in lived_in.said("tag", "stranger-017", "Ana")
    assert "did you mean" not in lived_in.said("tag", "stranger-017", "Wolfgang")
    assert "did you mean" not in lived_in.said("tag", "stranger-017", "Anna")


def test_wrong_use_says_what_is_right(house: House) -> None:
    assert house.call("tag", "stranger-017").exit_code == 2
    assert house.call("tag", "1", "--forget", "--not", "Anna").exit_code == 2
    assert house.call("relabel", "--undo", "--dry-run").exit_code == 2
    assert "cannot be a person's name" in house.refused("tag", "1", "a\tb")


def test_nothing_is_made_where_there_is_no_database(tmp_path: Path) -> None:
    database = tmp_path / "none.sqlite"
    for words in (["tag", "1", "Anna"], ["relabel", "--undo"]):
        assert run(cli, [*words, "--database", str(database)]) == 7
    assert not database.exists()


@pytest.fixture(scope="module")
def made_up() -> MadeUpPeople:
    return MadeUpPeople()


def test_the_past_is_named_anew_and_back(
    house: House, record: Record, made_up: MadeUpPeople
) -> None:
    """Two people and somebody else, of whom only one was enrolled at first."""
    anna, ben = made_up.someone(), made_up.someone()
    shown = [*[anna] * 3, *[ben] * 2, made_up.someone()]
    record(
        *(
            annotation(
                one,
                replace(
                    face(),
                    identification=NOBODY,
                    embedding=made_up.face(who).embedding,
                    sharpness=900.0,
                ),
            )
            for one, who in zip(captures(DOOR, *range(1, 7)), shown, strict=True)
        )
    )
    assert "`trainer train` makes one" in house.refused("relabel")
    write_bundle(house.bundle, train(made_up.gallery({"anna": anna}, 6), embedder="dlib").bundle)
    told = house.said("relabel", "--dry-run")
    assert "3 no gallery -> anna" in told
    assert "3 no gallery -> unknown" in told
    assert "nothing was written" in told
    assert house.names() == ["no gallery"] * 6
    assert "applied; `annotator relabel --undo`" in house.said("relabel")
    assert house.names() == [*["anna"] * 3, *["unknown"] * 3]
    assert len({one.recogniser for one in house.faces()}) == 1
    assert "nothing changes for any of 6 faces" in house.said("relabel")

    house.said("tag", str(house.faces()[0].id), "eva")
    both = {"anna": anna, "ben": ben}
    write_bundle(house.bundle, train(made_up.gallery(both, 6), embedder="dlib").bundle)
    done = json.loads(house.call("relabel", "--format", "json").stdout)
    assert done == {
        "faces": 6,
        "changed": 2,
        "changes": [{"before": "unknown", "after": "ben", "faces": 2}],
        "run": done["run"],
    }
    assert house.names() == ["eva", "anna", "anna", "ben", "ben", "unknown"]
    assert "2 ben -> unknown" in house.said("relabel", "--undo")
    assert "taken back for 5 of 6 faces" in house.said("relabel", "--undo")
    assert house.names() == ["eva", *["no gallery"] * 5]
    assert "no relabelling to take back" in house.refused("relabel", "--undo")
    assert "2 no gallery -> anna" in house.said("relabel", "--until", "2024-05-01T12:00:04Z")
    assert house.names() == ["eva", "anna", "anna", *["no gallery"] * 3]


def test_a_bundle_for_other_embeddings_is_refused(lived_in: House, made_up: MadeUpPeople) -> None:
    bundle = train(made_up.gallery({"anna": made_up.someone()}, 6), embedder="other@1").bundle
    write_bundle(lived_in.bundle, bundle)
    assert "other@1" in lived_in.refused("relabel")


def test_only_the_last_relabellings_are_kept(lived_in: House, made_up: MadeUpPeople) -> None:
    with open_database(lived_in.database, forbidden_root=None) as database:
        book = SqlFaceBook(database, ManualClock())
        for turn in range(8):
            stored = list(SqlQueries(database).stored_faces(FaceQuestion()))
            book.relabel(
                [Renaming(one.id, one.identification, known(f"n{turn}")) for one in stored],
                None,
                dry_run=False,
            )
    with closing(sqlite3.connect(lived_in.database)) as connection:
        (runs,) = connection.execute("SELECT count(*) FROM relabelling").fetchone()
        (logged,) = connection.execute(
            "SELECT count(DISTINCT relabelling_id) FROM relabelled"
        ).fetchone()
    assert runs == logged == 5


def stored(name: str | None, track: int | None, frame: int, x: int = 12) -> StoredFace:
    one = face(name, track, x=x)
    (capture,) = captures(DOOR, frame)
    assert one.identification is not None
    evidence = FaceEvidence(bytes(EMBEDDING_BYTES), 80, 300.0)
    return StoredFace(
        frame,
        capture,
        ManualClock().now(),
        one.box,
        evidence,
        one.identification,
        None,
        track=track,
    )


@pytest.mark.parametrize(
    ("faces", "people"),
    [
        ([], 0),
        ([("Anna", 1, 1), (None, 1, 2)], 1),
        ([("Anna", 1, 1), ("Anna", 2, 2)], 1),
        ([("Anna", 1, 1), ("Bob", 1, 2), ("Anna", 2, 3)], 2),
        ([(None, 1, 1), (None, 2, 2)], 2),
        ([(None, None, 1), (None, None, 2)], 1),
        ([(None, None, 1), (None, None, 1)], 2),
        ([("Anna", None, 1), ("Anna", None, 2), ("Bob", None, 2)], 2),
    ],
)
def test_whose_faces_seem_to_be_whose(
    faces: list[tuple[str | None, int | None, int]], people: int
) -> None:
    assert len(people_of(stored(*one) for one in faces)) == people
