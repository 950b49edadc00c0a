"""`show`, `plot` and `report` as commands, on a real store and database."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, replace
from email import message_from_bytes
from email.policy import default
from io import StringIO
from pathlib import Path

import pytest

from annotator.cli.main import cli, run
from annotator.clock import SystemClock
from annotator.domain import Failure, Reason
from db.engine import open_database
from db.store import SqlStore
from tests.fakes.pages import Page
from tests.fakes.seen import event, jpeg, opened, recorded
from tests.system.conftest import PROJECT

HOUR, DAY = 60, 24 * 60
EVENTS = (
    (event(0), 3, "person", "Anna"),
    (event(HOUR, "Yard"), 2, "cat", None),
    (event(2 * HOUR), 1, "person", None),
    *((event(-day * DAY), 2, "person", "Ben") for day in range(1, 13)),
)
DOOR = event(0).directory


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its configuration; by the name `FrontDoor` the monitor in the folder `1` is called."""
    folder = tmp_path_factory.mktemp("house")
    config = folder / "annotator.toml"
    config.write_text(
        f'store.root = "{folder}/events"\nstore.timezone = "UTC"\n'
        f'database.path = "{folder}/annotator.sqlite"\n'
    )
    called = replace(event(3 * HOUR), monitor="FrontDoor", monitor_directory="1")
    with open_database(folder / "annotator.sqlite", forbidden_root=None) as database:
        store = SqlStore(database, SystemClock())
        for of, frames, label, name in (*EVENTS, (called, 1, "dog", None)):
            annotations = list(recorded(of, frames, label, name))
            lost = Failure(f"{of.directory}/00099-capture.jpg", Reason.TRUNCATED, "it ends early")
            lost = replace(
                lost,
                capture=replace(annotations[0].capture, file_name="00099-capture.jpg", frame=99),
            )
            store.record(annotations, [lost] if of == event(0) else [])
            for one in annotations:
                path = folder / "events" / one.capture.path
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(jpeg("darkgreen"))
    (folder / "events" / DOOR / "00001-capture.jpg").unlink()
    return config


@pytest.fixture
def out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "out"


@dataclass(frozen=True)
class Done:
    exit_code: int
    stdout: str
    stderr: str


def call(house: Path, *words: str) -> Done:
    with redirect_stdout(StringIO()) as stdout, redirect_stderr(StringIO()) as stderr:
        code = run(cli, [words[0], "--config", str(house), *words[1:]])
    return Done(code, stdout.getvalue(), stderr.getvalue())


def complaint(house: Path, *words: str) -> str:
    done = call(house, *words)
    assert done.exit_code not in (0, 3)
    return done.stderr


@pytest.mark.parametrize(
    "target",
    [
        DOOR,
        f"{DOOR}/00003-capture.jpg",
        "{store}/" + DOOR,
        event(-DAY).path,  # without the monitor
        f"FrontDoor/{event(3 * HOUR).path}",  # by the monitor's name
        "1/" + event(3 * HOUR).path + "/00001-capture.jpg",
    ],
)
def test_show_takes_what_query_prints(house: Path, out: Path, target: str) -> None:
    target = target.format(store=house.parent / "events")
    done = call(house, "show", target, "-o", str(out))
    assert done.exit_code == 0, done.stderr
    (written,) = done.stdout.splitlines()
    assert Path(written).parent == out
    assert opened(Path(written).read_bytes()).size == (640, 360)


def test_show_of_an_event_is_its_best_capture_or_all_or_a_sheet(house: Path, out: Path) -> None:
    best = call(house, "show", DOOR, "-o", str(out))
    assert best.stdout.strip().endswith("_00003-capture.jpg")
    every = call(house, "show", DOOR, "--all", "-o", str(out))
    assert every.exit_code == 3, "one is no longer in the store"
    assert len(every.stdout.splitlines()) == 2
    assert "00001-capture.jpg: it is no longer there" in every.stderr
    sheet = call(house, "show", DOOR, "--sheet", "-o", str(out))
    assert sheet.exit_code == 3
    width, height = opened(Path(sheet.stdout.strip()).read_bytes()).size
    assert width > 2 * 400
    assert height > 225


def test_show_goes_on_after_what_is_gone(house: Path, out: Path) -> None:
    targets = (f"{DOOR}/00001-capture.jpg", f"{DOOR}/00002-capture.jpg")
    done = call(house, "show", *targets, "-o", str(out))
    assert done.exit_code == 3
    assert len(done.stdout.splitlines()) == 1
    assert "1 capture could not be shown" in done.stderr


def test_show_says_what_it_does_not_know(house: Path, out: Path) -> None:
    nowhere = complaint(house, "show", f"{DOOR[:-1]}9")
    assert f"has not been annotated: no event '{DOOR[:-1]}9'" in nowhere
    assert "did you mean" in nowhere
    lost = f"{DOOR}/00099-capture.jpg"
    assert f"{lost} could not be looked at: it ends early" in complaint(house, "show", lost)
    assert "leave out --inline" in complaint(house, "show", DOOR, "--inline")
    assert "leave out one" in complaint(house, "show", DOOR, "--all", "--sheet")


@pytest.mark.parametrize(
    ("variables", "shown"),
    [
        ({"TERM": "xterm-kitty"}, b"\x1b_Ga=T,f=100,"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "WezTerm"}, b"\x1b]1337;File=inline=1;"),
        ({"TERM": "tmux-256color", "TMUX": "yes", "TERM_PROGRAM": "WezTerm"}, None),
        ({"TERM": "xterm-256color"}, None),
    ],
)
def test_a_terminal_that_can_shows_the_picture(
    house: Path, out: Path, variables: dict[str, str], shown: bytes | None
) -> None:
    ours, theirs = pty.openpty()
    command = (sys.executable, "-m", "annotator", "--config", str(house), "show", DOOR)
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    with subprocess.Popen(
        command, stdout=theirs, env={**kept, "PYTHONPATH": str(PROJECT), **variables}
    ) as process:
        os.close(theirs)
        written = b""
        with suppress(OSError), os.fdopen(ours, "rb", buffering=0) as terminal:
            while chunk := terminal.read(65536):  # a terminal ends with an error
                written += chunk
    assert process.returncode == 0
    assert b"00003-capture.jpg" in written
    assert (b"\x1b" in written) == (shown is not None)
    assert shown is None or shown in written


@pytest.mark.parametrize("kind", ["heatmap", "timeline", "monitors"])
@pytest.mark.parametrize("since", ["2024-05-01", "2024-04-01"])
def test_plots(house: Path, out: Path, kind: str, since: str) -> None:
    file = out / "plot.png"
    words = ("--kind", kind, "--since", since, "--until", "2024-05-02", "-o", str(file))
    done = call(house, "plot", *words)
    assert (done.exit_code, done.stdout.strip()) == (0, str(file)), done.stderr
    assert opened(file.read_bytes()).format == "PNG"


def test_a_plot_can_be_an_svg_but_nothing_else(house: Path, out: Path) -> None:
    assert call(house, "plot", "-o", "plot.svg").exit_code == 0
    assert Path("plot.svg").read_bytes().startswith(b"<?xml")
    assert "a plot is a .png or an .svg" in complaint(house, "plot", "-o", "plot.gif")


@pytest.mark.parametrize("kind", ["heatmap", "timeline", "monitors"])
def test_nothing_to_plot_is_said(house: Path, out: Path, kind: str) -> None:
    words = ("--until", "2020-01-01", "--kind", kind, "-o", "plot.png")
    assert "was seen that fits, so there is nothing to draw" in complaint(house, "plot", *words)
    assert not Path("plot.png").exists()


def test_the_report_of_a_day(house: Path, out: Path) -> None:
    done = call(house, "report", "--date", "2024-05-01", "-o", "day.html")
    assert done.exit_code == 0, done.stderr
    html = Path("day.html").read_text()
    Page(html).check()
    for words in (
        "Wednesday, 1 May 2024",
        "4 events in which something was seen",
        "Anna was seen, and not in the 12 days before",
        "Ben was not seen, but in 12 of the 12 days before",
        "1 capture could not be looked at.",
        "it ends early",
        "nothing; new captures wait until",
    ):
        assert words in html, words
    assert html.count("data:image/jpeg") == 2 + 3, "two faces, three monitors"


def test_the_report_of_a_week_and_as_a_mail(house: Path, out: Path) -> None:
    words = ("--weekly", "--date", "2024-05-01", "-o", "week.eml")
    done = call(house, "report", *words)
    assert done.exit_code == 0, done.stderr
    message = message_from_bytes(Path("week.eml").read_bytes(), policy=default)
    assert message["Subject"] == "25 Apr 2024 to 1 May 2024"
    html = message.get_body(("html",))
    assert html is not None
    assert "Ben" in html.get_content()


def test_the_report_is_of_one_day_that_has_been(house: Path, out: Path) -> None:
    assert "--date is one day" in complaint(house, "report", "--date", "may", "-o", "r.html")
    assert "not there yet" in complaint(house, "report", "--date", "2199-01-01", "-o", "r")
