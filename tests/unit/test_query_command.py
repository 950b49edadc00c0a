"""`annotator query`: what a parked car looks like in each format."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from annotator.cli.main import cli
from db.engine import open_database
from db.store import SqlStore
from tests.contracts.backlog import CAR, annotation, captures, event, stationary_at
from tests.databases import Databases
from tests.fakes.clock import ManualClock


@pytest.fixture
def database(databases: Databases, tmp_path: Path) -> Path:
    """A car stands for 30 captures and is gone for the next three."""
    path = databases.put(tmp_path / "annotator.sqlite")
    with open_database(path, forbidden_root=None) as database:
        store = SqlStore(database, ManualClock(), stationary_at)
        every = captures(event(), *range(1, 34))
        store.record([annotation(one, *[CAR][: one.frame <= 30]) for one in every], [])
    return path


def ask(database: Path, *words: str) -> str:
    done = CliRunner().invoke(cli, ["query", "--database", str(database), *words])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_a_table_tells_only_on_demand_what_is_still_there(database: Path) -> None:
    usual = ask(database)
    assert len([line for line in usual.splitlines() if "car" in line]) == 2
    assert "stay" not in usual
    everything = ask(database, "--stationary").strip().splitlines()
    assert everything[0].split()[-1] == "stay"
    stays = [line.split("0.75")[1].strip() for line in everything if "car" in line]
    assert stays == ["left", *["still there"] * 28, "arrived"]


def test_json_and_csv_tell_the_stay(database: Path) -> None:
    found = json.loads(ask(database, "--format", "json"))
    assert [list(one)[-3:] for one in found] == [["stay", "stranger", "face_id"]] * 2
    assert [one["stay"] for one in found] == ["left", "arrived"]
    lines = ask(database, "--stationary", "--format", "jsonl").splitlines()
    assert [json.loads(line)["stay"] for line in lines].count("still there") == 28
    rows = list(csv.reader(io.StringIO(ask(database, "--format", "csv"))))
    assert [row[-3] for row in rows] == ["stay", "left", "arrived"]
