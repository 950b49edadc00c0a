"""One supervisor per database."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from annotator.errors import BusyError, DatabaseError
from db.lock import SupervisorLock, holder

HOLD = """
import sys
from pathlib import Path
from db.lock import SupervisorLock
SupervisorLock(Path(sys.argv[1])).acquire("backfill")
print("held", flush=True)
sys.stdin.read()
"""


def test_the_second_is_told_who_is_first(tmp_path: Path) -> None:
    path = tmp_path / "new" / "annotator.sqlite"
    with SupervisorLock(path).acquire("watch"):
        with pytest.raises(BusyError, match=f"`annotator watch` .process {os.getpid()}.") as caught:
            SupervisorLock(path).acquire("backfill")
        assert "annotator status" in caught.value.next_step
        found = holder(path)
        assert found is not None
        assert (found.role, found.pid) == ("watch", os.getpid())
        assert found.started_at is not None
        assert abs(found.started_at - datetime.now(UTC)) < timedelta(minutes=1)
    assert holder(path) is None
    with SupervisorLock(path).acquire("backfill"):
        assert holder(path) is not None


def test_nobody_has_run_yet(tmp_path: Path) -> None:
    assert holder(tmp_path / "annotator.sqlite") is None
    assert not list(tmp_path.iterdir())


def test_a_killed_process_leaves_a_file_but_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "annotator.sqlite"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        found = holder(path)
        assert found is not None
        assert (found.role, found.pid) == ("backfill", process.pid)
        process.kill()
    assert (tmp_path / "annotator.sqlite.lock").exists()
    assert holder(path) is None
    with SupervisorLock(path).acquire("watch"):
        pass


def test_a_child_that_outlives_the_holder_does_not_keep_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "annotator.sqlite"
    lock = SupervisorLock(path).acquire("watch")
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        lock.release()
        assert holder(path) is None
        assert child.stdin is not None
        child.stdin.write(b"\n")


def test_a_link_to_the_database_is_the_same_database(tmp_path: Path) -> None:
    (tmp_path / "link.sqlite").symlink_to(tmp_path / "annotator.sqlite")
    with SupervisorLock(tmp_path / "annotator.sqlite").acquire("watch"):
        assert holder(tmp_path / "link.sqlite") is not None


def test_a_lock_that_is_just_being_written(tmp_path: Path) -> None:
    path = tmp_path / "annotator.sqlite"
    with SupervisorLock(path).acquire("watch"):
        for text in ("", "{", "[]", '{"pid": "x"}', '{"pid": 1, "role": "watch"}'):
            (tmp_path / "annotator.sqlite.lock").write_text(text)
            found = holder(path)
            assert found is not None
            assert found.pid is None


def test_a_place_where_no_lock_can_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DatabaseError, match="cannot make the lock file"):
        SupervisorLock(tmp_path / "file" / "annotator.sqlite").acquire("watch")
    (tmp_path / "annotator.sqlite.lock").mkdir()
    with pytest.raises(DatabaseError, match="cannot make the lock file"):
        SupervisorLock(tmp_path / "annotator.sqlite").acquire("watch")
