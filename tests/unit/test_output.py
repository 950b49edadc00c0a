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

NARROW = """
from annotator.cli import output
output.table(
    ["name", "events", "where"], [["anna", "12345", "FrontDoor 12000, Drive 345"]],
    numbers=["events"], folding=["where"],
)
"""


def test_on_a_narrow_terminal_text_folds_and_no_number_is_cut() -> None:
    ours, theirs = pty.openpty()
    try:
        subprocess.run(
            [sys.executable, "-c", NARROW],
            stdout=theirs,
            env={**os.environ, "COLUMNS": "32", "TERM": "xterm"},
            check=True,
        )
        shown = re.sub(r"\x1b\[[0-9;]*m|\r", "", os.read(ours, 10_000).decode())
    finally:
        os.close(ours)
        os.close(theirs)
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
