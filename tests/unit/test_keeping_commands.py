"""`prune`, `backup`, `vacuum`, `export` and `import`, from the command line to the database."""

from __future__ import annotations

import gzip
import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from annotator.cli.main import cli, run
from annotator.clock import SystemClock
from annotator.domain import Event
from db.engine import open_database, open_read_only
from db.lock import SupervisorLock
from db.queries import SqlQueries
from db.store import SqlStore
from tests.contracts.backlog import annotation, captures, detection
from tests.databases import Databases

LONG_AGO = datetime.now(UTC) - timedelta(days=90)


@dataclass(frozen=True)
class House:
    """A database with an event of long ago, and a configuration that names it."""

    folder: Path

    @property
    def database(self) -> Path:
        return self.folder / "annotator.sqlite"

    @property
    def config(self) -> Path:
        return self.folder / "annotator.toml"

    def call(self, *words: str, given: bytes | None = None) -> Result:
        words = (*words, "--config", str(self.config))
        return CliRunner().invoke(cli, words, input=given)

    def said(self, *words: str, given: bytes | None = None) -> str:
        done = self.call(*words, given=given)
        assert done.exception is None, done.output
        return done.stdout

    def code(self, *words: str) -> int:
        return run(cli, [*words, "--config", str(self.config)])

    def annotated(self, path: Path | None = None) -> int:
        with open_read_only(path or self.database) as database:
            return SqlQueries(database).totals().annotated


@pytest.fixture
def house(databases: Databases, tmp_path: Path) -> House:
    house = House(tmp_path)
    databases.put(house.database)
    house.config.write_text(
        f'[database]\npath = "{house.database}"\n[retention]\nby_label = {{ car = 30 }}\n'
        "empty_days = 30\n"
    )
    old = Event("Door", "Door", "1", LONG_AGO)
    with open_database(house.database, forbidden_root=None) as database:
        store = SqlStore(database, SystemClock())
        every = captures(old, *range(1, 31))
        seen = [annotation(one, detection("car"), detection("person")) for one in every[:5]]
        store.record([*seen, *map(annotation, every[5:])], [])
        new = Event("Door", "Door", "2", datetime.now(UTC))
        store.record([annotation(*captures(new, 1), detection("cat"))], [])
    return house


def test_pruning_says_what_went(house: House) -> None:
    planned = house.said("prune", "--dry-run")
    rows = [line.split() for line in planned.splitlines()]
    assert ["detections", "Door", "car", "5"] in rows
    assert ["empty", "captures", "Door", "25"] in rows
    assert house.annotated() == 31
    (told,) = map(json.loads, house.said("prune", "--format", "json").splitlines())
    assert told == {
        "dry_run": False,
        "counts": [
            {"what": "detections", "monitor": "Door", "label": "car", "count": 5},
            {"what": "empty captures", "monitor": "Door", "label": None, "count": 25},
        ],
    }
    assert house.annotated() == 31, "folded ones are annotated ones"
    assert house.said("prune") == ""


def test_pruning_says_what_is_misspelt(house: House) -> None:
    house.config.write_text(house.config.read_text().replace("car = 30", "persn = 0"))
    assert "'persn'; did you mean 'person'?" in house.call("prune", "--dry-run").stderr


def test_pruning_asks_no_store_where_none_is_named(house: House) -> None:
    assert house.code("prune", "--gone") == 4
    house.config.write_text(f'[store]\nroot = "{house.folder}/nvr"\n' + house.config.read_text())
    done = house.call("prune", "--dry-run")
    assert done.exit_code == 0
    assert "accept-store" in done.stderr
    assert "accept-store" not in house.call("prune", "--dry-run", "--no-gone").stderr


def test_backups(house: House) -> None:
    target = house.folder / "copy.sqlite"
    assert house.said("backup", str(target)) == f"{target}\n"
    assert house.annotated(target) == 31
    assert house.code("backup", str(target)) == 7
    assert house.code("backup", "--force", str(target)) == 0
    folder = house.folder / "backups"
    (one,) = house.said("backup", "--keep", "2", str(folder)).split()
    assert [str(path) for path in folder.iterdir()] == [one]


def test_a_backup_onto_the_store_is_refused(house: House) -> None:
    house.config.write_text(f'[store]\nroot = "{house.folder}/nvr"\n' + house.config.read_text())
    assert house.code("backup", str(house.folder / "nvr" / "copy.sqlite")) == 7


def test_vacuum(house: House) -> None:
    assert " MB before, " in house.said("vacuum")
    with SupervisorLock(house.database).acquire("watch"):
        assert house.code("vacuum") == 8
    assert house.annotated() == 31


def test_export_and_import(house: House) -> None:
    text = house.said("export")
    assert len(text.splitlines()) > 31
    file = house.folder / "all.jsonl"
    house.said("export", "-o", str(file))
    assert file.read_text() == text
    copy = house.folder / "copy.sqlite"
    to_copy = ("--database", str(copy))
    done = house.call("import", str(file), *to_copy)
    assert done.exit_code == 0
    assert "31 captures that were annotated" in done.stderr
    assert house.said("export", *to_copy) == text
    assert "31 were known" in house.call("import", "-", *to_copy, given=file.read_bytes()).stderr
    assert len(house.said("export", "--since", "30d").splitlines()) == 4
    assert len(house.said("export", "--monitor", "Hall").splitlines()) == 1


def test_a_wrong_file_is_refused_by_its_line(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    file = house.folder / "wrong.jsonl"
    file.touch()
    assert house.code("import", str(file), "--database", str(house.folder / "new.sqlite")) == 2
    assert not (house.folder / "new.sqlite").exists()
    file.write_bytes(gzip.compress(b"something else"))
    assert house.code("import", str(file)) == 2
    file.write_bytes(b'{"kind":"annotator export","version":1}\n\n{"kind":"event"}\n')
    assert house.code("import", str(file)) == 2
    assert "line 3: " in capsys.readouterr().err
    file.write_bytes(b'{"kind":"annotator export","version":1}\n' + b" " * (9 * 2**20))
    assert house.code("import", str(file)) == 2
    assert "line 2 has more than" in capsys.readouterr().err
    file.write_bytes(b'{"kind":"annotator export","version":1}\n')
    with SupervisorLock(house.database).acquire("watch"):
        assert house.code("import", str(file)) == 8


def test_a_file_that_cannot_be_written_is_named(house: House) -> None:
    assert house.code("export", "-o", str(house.folder / "nowhere" / "all.jsonl")) == 2
    assert not list(house.folder.glob(".*"))


def test_what_is_no_file_is_written_to(house: House) -> None:
    """Such as /dev/stdout: a file of its name would take its place."""
    pipe = house.folder / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as reader:
        got = reader.submit(pipe.read_bytes)
        assert house.code("export", "-o", str(pipe)) == 0
        assert got.result() == house.said("export").encode()
    assert pipe.is_fifo()


def test_an_export_replaces_no_database_and_no_link(house: House) -> None:
    assert house.code("export", "-o", str(house.database)) == 2
    assert house.code("report", "--daily", "-o", str(house.database)) == 2
    assert house.annotated() == 31
    file, link = house.folder / "all.jsonl", house.folder / "link.jsonl"
    link.symlink_to(file)
    assert house.code("export", "-o", str(link)) == 0
    assert link.is_symlink()
    assert file.read_text() == house.said("export")
