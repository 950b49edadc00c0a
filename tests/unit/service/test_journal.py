from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

from annotator.journal import JournalFormatter, marked


def test_every_line_carries_its_level() -> None:
    assert marked("one\ntwo", logging.WARNING) == "<4>one\n<4>two"
    assert marked("", logging.INFO) == "<6>"
    assert marked("x", logging.DEBUG) == "<7>x"


def test_so_does_every_line_of_a_traceback() -> None:
    try:
        raise ValueError("bad\nworse")
    except ValueError:
        found = sys.exc_info()
    record = logging.LogRecord("a", logging.ERROR, __file__, 1, "%d lost", (3,), found)
    lines = JournalFormatter("worker: ").format(record).splitlines()
    assert lines[0] == "<3>worker: 3 lost"
    assert lines[-1] == "<3>worse"
    assert all(line.startswith("<3>") for line in lines)


SAY = "from annotator import journal; print(journal.is_stderr())"


def is_stderr(log: Path, named: str) -> bool:
    with log.open("w") as err:
        done = subprocess.run(
            [sys.executable, "-c", SAY],
            env={**os.environ, "JOURNAL_STREAM": named},
            stdout=subprocess.PIPE,
            stderr=err,
            text=True,
            check=True,
        )
    return done.stdout.strip() == "True"


def test_only_what_goes_to_the_journal_is_marked(tmp_path: Path) -> None:
    log = tmp_path / "journal"
    log.touch()
    its = log.stat()
    assert is_stderr(log, f"{its.st_dev}:{its.st_ino}")
    # A service that has sent its stderr elsewhere still has the variable.
    assert not is_stderr(log, f"{its.st_dev}:{its.st_ino + 1}")
