"""The commands that ask: filters, formats, empty answers, impossible questions."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from annotator.cli.main import cli, run
from annotator.domain import Annotation, Capture, Detection, Event, Identity
from annotator.errors import EXIT_PARTIAL, AnnotatorError, QueryError
from db.engine import open_database
from db.store import SqlStore
from tests.contracts.backlog import annotation, captures, detection, face, failure
from tests.databases import Databases
from tests.fakes.clock import ManualClock

NIGHT = datetime(2024, 5, 3, 21, 30, tzinfo=UTC)  # a Friday, 23:30 in Berlin
NOON = datetime(2024, 5, 4, 10, tzinfo=UTC)

ANNA = replace(detection("person", 0.9, [face(Identity.KNOWN, "anna")]))
STRANGER = detection("person", 0.8, [face(Identity.UNKNOWN)])


def event(monitor: str, at: datetime) -> Event:
    return Event(monitor, monitor, f"{at:%y/%m/%d/%H/%M/%S}", at)


def seen(of: Event, *detections: Detection, frames: int = 2) -> list[Annotation]:
    return [annotation(one, *detections) for one in captures(of, *range(1, frames + 1))]


@pytest.fixture(scope="module")
def seen_before(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Anna on Friday night, a stranger and a cat at noon, and an empty event in the garden."""
    path = databases.put(tmp_path_factory.mktemp("seen") / "annotator.sqlite")
    with open_database(path, forbidden_root=None) as database:
        store = SqlStore(database, ManualClock())
        store.record(
            [
                *seen(event("FrontDoor", NIGHT), ANNA, frames=3),
                *seen(event("FrontDoor", NOON), STRANGER, detection("cat", 0.6)),
                *seen(event("Garden", NOON - timedelta(hours=3))),
            ],
            [failure(Capture(event("Garden", NOON), "00001-capture.jpg", 1))],
        )
    return path


@pytest.fixture
def database(seen_before: Path, tmp_path: Path, local_zone: Callable[[str], None]) -> Path:
    local_zone("Europe/Berlin")
    return Path(shutil.copyfile(seen_before, tmp_path / "annotator.sqlite"))


def ask(database: Path, *words: str) -> Result:
    return CliRunner().invoke(cli, [words[0], "--database", str(database), *words[1:]])


def answer(database: Path, *words: str) -> str:
    done = ask(database, *words)
    assert done.exit_code == 0, (done.output, done.exception)
    return done.stdout


def objects(database: Path, *words: str) -> list[dict[str, object]]:
    lines = answer(database, *words, "--format", "jsonl").splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize(
    ("filters", "labels"),
    [
        ([], {"person", "cat"}),
        (["--label", "cat"], {"cat"}),
        (["--monitor", "FrontDoor", "--on", "2024-05-04"], {"person", "cat"}),
        (["--between", "22:00-06:00"], {"person"}),
        (["--weekday", "fri"], {"person"}),
        (["--weekday", "saturday", "--no-face"], {"cat"}),
        (["--unknown"], {"person"}),
        (["--name", "anna", "--unknown"], {"person"}),
        (["--max-box", "50"], set()),
        (["--min-score", "0.85"], {"person"}),
        (["--until", "2024-05-04"], {"person"}),
        (["--on", "2024-05-03 night"], {"person"}),
        (["--on", "2024-05-03", "--between", "23:45-00:45"], set()),
        (["--on", "2024-05-03", "--between", "21:00-00:00"], {"person"}),
        (["--on", "2024-05-02", "--between", "23:00-23:00"], set()),
        (["--on", "2024-05-03", "--between", "13:00-12:30"], {"person", "cat"}),
        (["--on", "2024-05-04", "--between", "13:00-12:30"], set()),
        (["--on", "3-4 may 2024"], {"person", "cat"}),
        (["--on", "1-3 may 2024", "--between", "22:00-06:00"], {"person"}),
    ],
)
def test_filters(database: Path, filters: list[str], labels: set[str]) -> None:
    assert {row["label"] for row in objects(database, "query", *filters)} == labels


def test_hours_are_by_the_local_clock(database: Path) -> None:
    night = objects(database, "query", "--between", "23:00-24:00")
    assert [row["face"] for row in night] == ["anna"] * 3
    assert not answer(database, "query", "--between", "21:00-22:00", "--format", "jsonl")


def test_how_many(database: Path) -> None:
    assert answer(database, "query", "--count") == "7\n"
    assert answer(database, "query", "--count", "--label", "cat", "--limit", "1") == "2\n"


def test_paths_are_told_once_and_end_with_nul_if_asked(database: Path, tmp_path: Path) -> None:
    store = tmp_path / "events"
    found = answer(database, "query", "--store", str(store), "--on", "2024-05-04", "-0")
    names = [f"FrontDoor/24/05/04/10/00/00/{frame:05d}-capture.jpg" for frame in (2, 1)]
    assert found.split("\0") == [*(str(store / name) for name in names), ""]


def test_the_seeds_json_has_a_picture_with_all_its_labels(database: Path) -> None:
    (first, _) = json.loads(
        answer(database, "query", "--on", "2024-05-04", "--format", "seed-json")
    )
    assert first["image"].endswith("00002-capture.jpg")
    assert {label["name"] for label in first["labels"]} == {"person", "cat"}
    assert set(first["labels"][0]) == {"name", "id", "score", "box", "face", "faceProba"}


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--since", "2024-05-02", "--until", "2024-05-01"], "no time is between"),
        (["--since", "2199-01-01"], "in the future"),
        (["--on", "yesterday", "--since", "3d"], "--on is a time of its own"),
        (["--no-face", "--unknown"], "has no face"),
        (["--min-box", "50", "--max-box", "40"], "no box fits"),
        (["--between", "25-26"], "no time of day"),
        (["--weekday", "someday"], "no weekday"),
        (["--since", "2024-13-01"], "is no time"),
        (["--on", "2024-05-04 18:00"], "is a time and no day"),
        (["--on", "4/5/2024"], "may be two days"),
        (["--min-score", "nan"], "is no number"),
        (["--count", "--follow"], "leave out one"),
    ],
)
def test_what_cannot_be_is_refused(database: Path, words: list[str], complaint: str) -> None:
    done = ask(database, "query", *words)
    assert done.exit_code == 2
    assert complaint in done.stderr


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["query", "--monitor", "Front"], "did you mean FrontDoor?"),
        (["events", "--label", "persn"], "did you mean person?"),
        (["people", "ana"], "did you mean anna?"),
        (["last", "xyzzy"], "no name 'xyzzy'"),
        (["last", "kat"], "did you mean cat?"),
        (["last", "stranger-007"], "stranger-007"),
        (["stats", "--by", "hour", "--name", "Anna"], "did you mean anna?"),
        (["empty-events", "--monitor", "garden"], "did you mean Garden?"),
    ],
)
def test_a_word_that_nothing_is_called_gets_the_nearest(
    database: Path, words: list[str], hint: str
) -> None:
    done = ask(database, *words)
    assert isinstance(done.exception, QueryError)
    assert hint in str(done.exception)
    assert isinstance(done.exception, AnnotatorError)
    assert done.exception.exit_code == 2


@pytest.mark.parametrize(
    "words",
    [
        ["query", "--label", "cat", "--until", "2024-05-04"],
        ["events", "--label", "cat", "--until", "2024-05-04"],
        ["people", "--until", "2024-05-03"],
        ["last", "cat", "--until", "2024-05-03"],
        ["stats", "--by", "hour", "--until", "2024-05-03"],
        ["empty-events", "--until", "2024-05-03"],
    ],
)
def test_nothing_is_said_to_be_nothing(database: Path, words: list[str]) -> None:
    done = ask(database, *words)
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr.strip()


def test_a_table_is_as_long_as_one_reads(databases: Databases, tmp_path: Path) -> None:
    path = databases.put(tmp_path / "annotator.sqlite")
    with open_database(path, forbidden_root=None) as database:
        store = SqlStore(database, ManualClock())
        store.record(seen(event("Drive", NOON), detection(), frames=101), [])
    done = ask(path, "query")
    assert done.stdout.count("person") == 100
    assert "the first 100" in done.stderr
    assert ask(path, "query", "--limit", "101").stdout.count("person") == 101
    assert answer(path, "query", "--format", "csv").count("person") == 101


def test_events(database: Path) -> None:
    latest, night = objects(database, "events")
    assert latest["labels"] == [
        {"label": "person", "detections": 2, "best_score": 0.8},
        {"label": "cat", "detections": 2, "best_score": 0.6},
    ]
    assert [who["name"] for who in latest["people"]] == ["unknown"]  # type: ignore[attr-defined]
    assert (night["duration_s"], night["captures"]) == (2.0, 3)
    assert night["best"]["face"] == "anna"  # type: ignore[index]
    table = answer(database, "events", "--name", "anna")
    assert "person 0.90 ×3" in table
    assert "anna" in table
    rows = list(csv.DictReader(io.StringIO(answer(database, "events", "--format", "csv"))))
    assert rows[0]["labels"] == "person:2:0.8000;cat:2:0.6000"
    assert answer(database, "events", "--format", "paths").splitlines() == [
        "FrontDoor/24/05/04/10/00/00",
        "FrontDoor/24/05/03/21/30/00",
    ]


def test_people(database: Path) -> None:
    by_name = {row["name"]: row for row in objects(database, "people")}
    assert by_name.keys() == {"anna", "unknown"}
    assert (by_name["anna"]["events"], by_name["anna"]["faces"]) == (1, 3)
    said = answer(database, "people", "anna")
    assert "2024-05-03 23:30:03" in said
    assert "in 1 event, 3 faces" in said
    header, *rows = csv.reader(io.StringIO(answer(database, "people", "--format", "csv")))
    assert header[:3] == ["name", "events", "faces"]
    assert len(rows) == 2


def test_paths_lead_into_the_store_everywhere(database: Path, tmp_path: Path) -> None:
    store = str(tmp_path / "events")
    for words in (["query"], ["events"], ["people"], ["last", "anna"]):
        found = answer(database, *words, "--store", store, "--format", "json")
        paths = re.findall(r'"path": "([^"]*)"', found)
        assert paths
        assert all(path.startswith(f"{store}/FrontDoor/") for path in paths)


def test_last(database: Path) -> None:
    said = answer(database, "last", "anna")
    assert said.splitlines()[0].startswith("2024-05-03 23:30:03 (")
    assert "FrontDoor" in said
    assert json.loads(answer(database, "last", "cat", "--format", "json"))["label"] == "cat"
    found = answer(database, "last", "unknown", "--format", "paths")
    assert found == "FrontDoor/24/05/04/10/00/00/00002-capture.jpg\n"
    refused = str(ask(database, "last", "dog").exception)
    assert "no label 'dog'" in refused
    assert "no name 'dog'" in refused


def test_stats(database: Path) -> None:
    assert objects(database, "stats", "--by", "hour") == [
        {"hour": "12", "events": 1, "sightings": 4},
        {"hour": "23", "events": 1, "sightings": 3},
    ]
    assert objects(database, "stats", "--by", "weekday", "--by", "label")[0] == {
        "weekday": "Friday",
        "label": "person",
        "events": 1,
        "sightings": 3,
    }
    table = answer(database, "stats", "--by", "label")
    assert "█" * 30 in table
    for wrong in ([], ["--by", "hour", "--by", "hour"], ["--by", "day"] * 3):
        assert ask(database, "stats", *wrong).exit_code == 2


def test_empty_events_are_only_those_that_were_looked_at(
    database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert answer(database, "empty-events", "--format", "paths").splitlines() == [
        "Garden/24/05/04/07/00/00"
    ]
    words = ["empty-events", "--database", str(database), "--format", "ids"]
    assert run(cli, words) == EXIT_PARTIAL, "no store tells the number"
    assert "--format paths" in capsys.readouterr().err


def test_sql(database: Path) -> None:
    question = "SELECT label, count(*) AS times FROM sightings GROUP BY label ORDER BY label"
    rows = objects(database, "sql", question)
    assert rows == [{"label": "cat", "times": 2}, {"label": "person", "times": 5}]
    done = CliRunner().invoke(
        cli, ["sql", "--database", str(database), "-", "--format", "csv"], input=question
    )
    assert done.stdout.splitlines() == ["label,times", "cat,2", "person,5"]
    rows = objects(database, "sql", "SELECT 1 AS n, 2 AS n, -1e999 AS least, NULL AS none")
    assert rows == [{"n": 1, "n:1": 2, "least": "-inf", "none": None}]
    assert "<512 bytes>" in answer(database, "sql", "SELECT vector FROM embedding LIMIT 1")
    assert isinstance(ask(database, "sql", "DELETE FROM monitor").exception, QueryError)
