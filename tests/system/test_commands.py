"""The main job from end to end, through the command line."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from multiprocessing.connection import wait
from pathlib import Path

import pytest
from PIL import Image

from demo.nvr import Frame, Recorder, Recording, Scheme
from tests.system.conftest import House, furnish, picture


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> House:
    """A house with one annotated capture, for those who only ask."""
    house = furnish(tmp_path_factory.mktemp("asked"))
    house.capture("FrontDoor", 0, 1, picture("red"))
    house.run("backfill")
    return house


def test_backfill_annotates_everything_once_and_query_answers(house: House) -> None:
    house.capture("FrontDoor", 0, 1, picture("red"))
    house.capture("FrontDoor", 0, 2, picture("red", "lime"))
    house.capture("Garden", 5, 1, picture())
    report = house.run("backfill").stderr
    assert "3 annotated (3 detections), 0 failed" in report

    rows = house.rows()
    assert [(row["monitor"], row["frame"], row["label"]) for row in rows] == [
        ("FrontDoor", 2, "red"),
        ("FrontDoor", 2, "green"),
        ("FrontDoor", 1, "red"),
    ] or {row["label"] for row in rows[:2]} == {"red", "green"}
    box = next(row["box"] for row in rows if row["frame"] == 1)
    assert abs(box["xmin"] - 40) < 15
    assert abs(box["ymax"] - 401) < 15
    assert rows[-1]["captured_at"] == "2024-05-01T12:00:01.000+00:00"
    assert rows[0]["path"] == str(house.path("FrontDoor", 0, 2))

    again = house.run("backfill").stderr
    assert "0 of them new" in again
    assert "0 annotated" in again


def test_query_filters_and_formats(house: House) -> None:
    house.capture("FrontDoor", 0, 1, picture("red"))
    house.capture("Garden", 60, 1, picture("lime"))
    house.run("backfill")
    assert {row["monitor"] for row in house.rows("--label", "green")} == {"Garden"}
    assert len(house.rows("--since", "2024-05-01T12:30:00Z")) == 1
    assert len(house.rows("--until", "2024-05-01 12:30")) == 1
    assert len(house.rows("--monitor", "FrontDoor", "--monitor", "Garden")) == 2
    assert len(house.rows("--limit", "1")) == 1

    table = list(csv.DictReader(io.StringIO(house.run("query", "--format", "csv").stdout)))
    assert [row["label"] for row in table] == ["green", "red"]
    assert set(json.loads(house.run("query", "--format", "json").stdout)[0]) >= {"path", "box"}
    shown = house.run("query").stdout
    assert "FrontDoor" in shown
    assert "2024-05-01 12:00:01" in shown

    wrong = house.run("query", "--monitor", "Gardn", code=2).stderr
    assert "did you mean Garden?" in wrong


def test_plain_sqlite3_answers_from_the_view(asked: House) -> None:
    with closing(sqlite3.connect(asked.folder / "annotator.sqlite")) as database:
        row = database.execute("SELECT monitor, label, path, utc_time FROM sightings").fetchone()
    relative = asked.path("FrontDoor", 0, 1).relative_to(asked.store)
    assert row[:3] == ("FrontDoor", "red", str(relative))
    assert row[3].startswith("2024-05-01")


def test_whatever_is_broken_is_a_failure_with_a_reason_and_the_rest_goes_on(house: House) -> None:
    whole = picture("red")
    house.capture("Door", 0, 1, whole)
    house.capture("Door", 0, 2, whole[: len(whole) // 2])
    house.capture("Door", 0, 3, b"")
    house.capture("Door", 0, 4, b"GIF89a nonsense")
    cmyk = io.BytesIO()
    Image.new("CMYK", (64, 64)).save(cmyk, "JPEG")
    house.capture("Door", 0, 5, cmyk.getvalue())
    os.mkfifo(house.path("Door", 0, 6))
    loop = house.store / "Loop"
    loop.symlink_to("Loop")
    report = house.run("backfill", code=3).stderr
    assert "1 annotated (1 detections), 5 failed" in report
    status = house.status()
    assert status["annotated"] == 1
    assert status["failures"].keys() >= {
        "empty", "truncated", "not a jpeg", "unsupported", "unreadable"
    }  # fmt: skip
    assert status["waiting"] == {}


def test_an_interrupted_backfill_goes_on_where_it_stopped(house: House) -> None:
    # Many more than are written at once, so that the first are there long before the last.
    red = picture("red")
    for frame in range(600):
        house.capture("Door", frame // 20, frame, red)
    first = house.start("backfill")
    database = house.folder / "annotator.sqlite"
    wait_for(lambda: database.exists() and annotated(database) > 0, first)
    first.send_signal(signal.SIGINT)
    _, errors = first.communicate(timeout=30)
    assert first.returncode in (130, 0), errors
    house.run("backfill")
    assert annotated(database) == 600
    assert house.status()["failed"] == 0


def test_a_killed_backfill_loses_nothing(house: House) -> None:
    for frame in range(60):
        house.capture("Door", frame // 20, frame, picture("red"))
    first = house.start("backfill")
    database = house.folder / "annotator.sqlite"
    wait_for(lambda: database.exists() and annotated(database) > 0, first)
    first.kill()
    first.communicate(timeout=30)
    house.run("backfill")
    assert annotated(database) == 60
    assert len(house.rows()) == 60
    with closing(sqlite3.connect(database)) as opened:
        assert opened.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_backfill_of_a_part_leaves_the_rest(house: House) -> None:
    house.capture("Door", 0, 1, picture("red"))
    house.capture("Garden", 0, 1, picture("red"))
    house.capture("Garden", 90, 1, picture("red"))
    house.run("backfill", "--monitor", "Garden", "--since", "2024-05-01T13:00:00Z")
    assert house.status()["annotated"] == 1
    house.run("backfill", str(house.store / "Door"))
    assert house.status()["annotated"] == 2
    outside = house.run("backfill", "/etc", code=5).stderr
    assert "is not below the store" in outside


def test_detect_prints_the_seeds_shape(house: House, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.jpg", tmp_path / "bad.jpg"
    good.write_bytes(picture("red"))
    bad.write_bytes(b"\xff\xd8 nothing more")
    done = house.run("detect", str(good), str(bad), "--format", "json", "--save", "drawn", code=3)
    (seen,) = json.loads(done.stdout)
    assert seen["image"] == str(good)
    (label,) = seen["labels"]
    assert set(label) == {"name", "id", "score", "box", "face", "faceProba"}
    assert label["name"] == "red"
    assert set(label["box"]) == {"xmin", "ymin", "xmax", "ymax"}
    assert "bad.jpg" in done.stderr
    with Image.open(house.folder / "drawn" / "good.jpg") as drawn:
        assert drawn.size == (640, 480)


def test_show_draws_what_the_database_knows(house: House) -> None:
    path = house.capture("Door", 0, 1, picture("red"))
    unknown = house.run("show", str(path), code=7).stderr
    assert "there is no database" in unknown
    house.run("backfill")
    (written,) = house.run("show", str(path), "--output", "out").stdout.splitlines()
    drawn = Image.open(house.folder / written)
    assert drawn.tobytes() != Image.open(path).tobytes()
    other = house.capture("Door", 0, 2, picture("red"))
    assert "has not been annotated" in house.run("show", str(other), code=2).stderr


@pytest.mark.parametrize(
    ("spoil", "code", "words"),
    [
        ("detection.min_scor = 1", 4, "did you mean `min_score`?"),
        ('detection.model = "nonsense"', 6, "there is no model 'nonsense'"),
        ('store.root = "/nowhere/at/all"', 5, "cannot be reached"),
        ('database.path = "/proc/annotator.sqlite"', 7, "next: "),
    ],
)
def test_every_error_has_its_exit_code_and_a_next_step(
    house: House, spoil: str, code: int, words: str
) -> None:
    house.capture("Door", 0, 1, picture("red"))
    config = house.folder / "annotator.toml"
    key = spoil.split(" =")[0]
    lines = [line for line in config.read_text().splitlines() if not line.startswith(key)]
    config.write_text("\n".join([*lines, spoil]))
    errors = house.run("backfill", code=code).stderr
    assert words in errors
    assert "next: " in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize("scheme", list(Scheme))
def test_every_layout_of_zoneminder_works(house: House, scheme: Scheme) -> None:
    taken_at = datetime(2024, 5, 1, 12, 0, 5, tzinfo=UTC)
    frames = tuple(Frame(number, taken_at, picture("red")) for number in (3, 7, 10))
    recorder = Recorder(house.store, scheme, UTC)
    recorder.record(Recording(41, 2, "Drive", taken_at, frames))
    house.run("backfill")
    rows = house.rows("--monitor", "Drive")
    assert [row["frame"] for row in rows] == [10, 7, 3]
    assert {row["captured_at"] for row in rows} == {"2024-05-01T12:00:05.000+00:00"}
    assert all(Path(row["path"]).is_file() for row in rows)


def test_a_plain_folder_of_pictures_works(house: House) -> None:
    (house.store / "holiday").mkdir()
    (house.store / "holiday" / "Beach 12.JPG").write_bytes(picture("lime"))
    (house.store / "loose.jpeg").write_bytes(picture("red"))
    house.run("backfill")
    assert {(row["monitor"], row["label"], row["frame"]) for row in house.rows()} == {
        ("holiday", "green", 12),
        ("events", "red", 0),
    }


QUESTIONS = [["query"], ["events"], ["people"], ["stats", "--by", "hour"], ["empty-events"]]


@pytest.mark.parametrize("arguments", [["--help"], ["query", "--help"], ["status"], *QUESTIONS])
def test_questions_load_nothing_heavy(asked: House, arguments: list[str]) -> None:
    program = (
        "import sys, annotator.cli.main as m\n"
        f"code = m.run(m.cli, {arguments!r})\n"
        "print('LOADED', *sorted(sys.modules))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=asked.environment,
        cwd=asked.folder,
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {name.split(".")[0] for name in done.stdout.split("LOADED")[1].split()}
    heavy = {
        *("numpy", "ai_edge_litert", "tflite_runtime", "dlib", "_dlib_pybind11"),
        *("sklearn", "xgboost", "watchdog", "PIL", "alembic", "dateparser"),
        *("datasette", "jinja2", "matplotlib", "paho", "prometheus_client"),
    }
    if arguments in QUESTIONS:
        heavy |= {"pydantic"}
    assert not loaded & heavy


@pytest.mark.parametrize("form", ["table", "jsonl"])
def test_a_closed_standard_output_is_no_place_for_the_database(asked: House, form: str) -> None:
    ask = asked.command("query", "--format", form)
    closed = subprocess.run(
        ["sh", "-c", 'exec "$@" <&- >&-', "sh", *ask],
        env=asked.environment,
        cwd=asked.folder,
        capture_output=True,
    )
    assert (closed.returncode, closed.stderr) == (0, b"")
    assert len(asked.rows()) == 1


def annotated(database: Path) -> int:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as opened:
        try:
            count: int = opened.execute("SELECT count(*) FROM capture").fetchone()[0]
        except sqlite3.OperationalError:  # not yet made
            return 0
        return count


def wait_for(condition: object, process: subprocess.Popen[str]) -> None:
    import time

    assert callable(condition)
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "nothing happened within a minute"
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)


def test_query_goes_on_with_what_is_seen_from_now_on(house: House) -> None:
    house.capture("Door", 0, 1, picture("lime"))
    house.run("backfill")
    follower = house.start("query", "--follow", "--label", "green", "--format", "jsonl")
    try:
        assert follower.stdout is not None
        told: list[str] = []
        # When it has begun nobody says, so something new is seen until it tells of it.
        for minute in range(1, 60):
            house.capture("Door", minute, 1, picture("lime"))
            house.capture("Door", minute, 2, picture("red"))
            house.run("backfill")
            if wait([follower.stdout.fileno()], timeout=3):
                told.append(follower.stdout.readline())
                break
        assert [json.loads(line)["label"] for line in told] == ["green"]
        follower.send_signal(signal.SIGINT)
        assert follower.wait(timeout=30) == 130
    finally:
        follower.kill()
        follower.communicate()


@pytest.mark.parametrize("words", [["export"], ["events"], ["query", "--format", "jsonl"]])
def test_a_reader_who_has_had_enough_is_no_failure(asked: House, words: list[str]) -> None:
    """As in `annotator export | head`; click and rich would end with 1, which means a bug."""
    with asked.start(*words) as asking:
        assert asking.stdout is not None
        asking.stdout.close()
        asking.stdout = None
        _, said = asking.communicate(timeout=60)
    assert asking.returncode == 0, said
    assert "Traceback" not in said


def test_a_full_disk_under_the_output_is_no_bug(asked: House) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            asked.command("export"),
            env=asked.environment,
            cwd=asked.folder,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
        )
    assert done.returncode == 2
    assert "no room left on the disk" in done.stderr


def test_a_dry_run_that_finds_deleted_events_says_that_it_marked_none(house: House) -> None:
    for minute in range(3):
        house.capture("FrontDoor", minute, 1, picture("red"))
    house.run("backfill")
    house.run("accept-store")
    shutil.rmtree(house.path("FrontDoor", 0, 1).parent)
    dry = house.run("prune", "--dry-run")
    assert "events marked as gone" in dry.stdout
    assert "nothing was changed" in dry.stderr
    assert "nothing was changed" not in house.run("prune").stderr
