"""What is printed, as a terminal shows it."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from annotator.cli import output
from annotator.legible import legible, one_line

NARROW = """
from annotator.cli import output
output.table(
    ["name", "events", "where"], [["anna", "12345", "FrontDoor 12000, Drive 345"]],
    numbers=["events"], folding=["where"],
)
"""


def shown_on_a_terminal(columns: int) -> str:
    ours, theirs = pty.openpty()
    try:
        subprocess.run(
            [sys.executable, "-c", NARROW],
            stdout=theirs,
            env={**os.environ, "COLUMNS": str(columns), "TERM": "xterm"},
            check=True,
        )
        return re.sub(r"\x1b\[[0-9;]*m|\r", "", os.read(ours, 10_000).decode())
    finally:
        os.close(ours)
        os.close(theirs)


def test_on_a_terminal_that_is_far_too_narrow_nothing_is_left_out() -> None:
    assert not {"anna", "12345", "name", "events", "where"} - set(shown_on_a_terminal(8).split())


def test_no_name_makes_a_terminal_do_anything(capsys: pytest.CaptureFixture[str]) -> None:
    monitor = "Ga\x1b]0;pwned\x07te\x9b31m\u202e\r"
    output.table(["monitor"], [[monitor]])
    output.say(monitor)
    output.warn(monitor)
    shown = capsys.readouterr()
    lines = [line.strip() for line in f"{shown.out}{shown.err}".split("\n")]
    assert lines.count("Ga\ufffd]0;pwned\ufffdte\ufffd31m\ufffd\ufffd") == 3
    assert not set("\x1b\x07\x9b\u202e\r") & set(shown.out + shown.err)


def test_a_line_stays_one() -> None:
    assert one_line("a\n b\tc\x1b") == "a b c\ufffd"
    assert legible("Jörg\n\tÉlodie") == "Jörg\n\tÉlodie"


def test_on_a_narrow_terminal_text_folds_and_no_number_is_cut() -> None:
    shown = shown_on_a_terminal(32)
    assert "12345" in shown
    assert all(len(line) <= 32 for line in shown.splitlines())
    words = " ".join(line[len("anna  12345  ") :].strip() for line in shown.splitlines()[3:])
    assert words.split() == ["FrontDoor", "12000,", "Drive", "345"]


@pytest.mark.parametrize(
    ("length", "said"),
    [
        (timedelta(0), "0:00"),
        (timedelta(seconds=7.6), "0:08"),
        (timedelta(minutes=12, seconds=30), "12:30"),
        (timedelta(hours=1, minutes=2, seconds=3), "1:02:03"),
        (timedelta(days=2), "48:00:00"),
    ],
)
def test_durations(length: timedelta, said: str) -> None:
    assert output.duration(length) == said


@pytest.mark.parametrize(
    ("length", "said"),
    [
        (timedelta(seconds=-5), "just now"),
        (timedelta(seconds=59), "just now"),
        (timedelta(seconds=61), "a minute ago"),
        (timedelta(minutes=2), "2 minutes ago"),
        (timedelta(minutes=119), "119 minutes ago"),
        (timedelta(hours=47), "47 hours ago"),
        (timedelta(days=400), "400 days ago"),
    ],
)
def test_how_long_ago(length: timedelta, said: str) -> None:
    now = datetime(2024, 5, 1, tzinfo=UTC)
    assert output.ago(now - length, now) == said
