"""Copies, and files written anew."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from annotator.errors import BusyError, DatabaseError
from db.backup import back_up, dated_name, drop_old_backups
from db.engine import PAGE_BYTES, Database, open_database, open_read_only
from db.lock import SupervisorLock
from db.queries import SqlQueries
from db.store import SqlStore
from db.vacuum import vacuum
from tests.contracts.backlog import annotation, captures, detection, event
from tests.fakes.clock import ManualClock


def record(database: Database, minute: int, frames: int = 100) -> None:
    seen = [annotation(one, detection()) for one in captures(event(minute), *range(frames))]
    SqlStore(database, ManualClock()).record(seen, [])


def annotated(path: Path) -> int:
    with open_read_only(path) as database:
        return SqlQueries(database).totals().annotated


def leftovers(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir() if one.name.startswith("."))


def test_a_copy_is_the_database_as_it_was_when_it_began(database: Database, tmp_path: Path) -> None:
    """Others write all along, and neither wait nor make it begin anew."""
    record(database, 0, 2000)
    told: list[int] = []

    def tell(done: int, total: int) -> None:
        told.append(done)
        assert total >= done
        record(database, len(told), 1)

    target = tmp_path / "copies" / "copy.sqlite"
    assert back_up(database.path, target, tell=tell)
    assert len(told) > 1
    assert told == sorted(told)
    assert annotated(target) == 2000
    assert annotated(database.path) == 2000 + len(told)
    assert leftovers(target.parent) == []
    with closing(sqlite3.connect(target)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    assert [one.name for one in target.parent.iterdir()] == ["copy.sqlite"]


def test_a_copy_takes_the_place_of_the_database(database: Database, tmp_path: Path) -> None:
    record(database, 0)
    back_up(database.path, tmp_path / "copy.sqlite")
    with open_database(tmp_path / "copy.sqlite", forbidden_root=None) as copy:
        record(copy, 1)
        assert SqlQueries(copy).totals().annotated == 200


def test_what_is_there_is_replaced_only_by_force(database: Database, tmp_path: Path) -> None:
    target = tmp_path / "copy.sqlite"
    target.write_text("mine")
    with pytest.raises(DatabaseError, match="already") as caught:
        back_up(database.path, target)
    assert "--force" in caught.value.next_step
    assert target.read_text() == "mine"
    back_up(database.path, target, overwrite=True)
    assert annotated(target) == 0


def test_where_a_copy_must_not_lie(database: Database, tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    (tmp_path / "link").symlink_to(store)
    for target in (store / "copy.sqlite", tmp_path / "link" / "copy.sqlite"):
        with pytest.raises(DatabaseError, match="event store"):
            back_up(database.path, target, forbidden_root=store)
    for end in ("", "-wal", "-shm", ".lock"):
        own = database.path.with_name(database.path.name + end)
        with pytest.raises(DatabaseError, match="the database's own"):
            back_up(database.path, own, overwrite=True)
    with pytest.raises(DatabaseError, match="is a folder"):
        back_up(database.path, tmp_path)
    with pytest.raises(DatabaseError, match="File name too long"):
        back_up(database.path, tmp_path / ("a" * 300))
    with pytest.raises(DatabaseError, match="no database"):
        back_up(tmp_path / "nothing.sqlite", tmp_path / "copy.sqlite")
    (tmp_path / "other.sqlite").touch()
    with pytest.raises(DatabaseError, match="no database of annotator"):
        back_up(tmp_path / "other.sqlite", tmp_path / "copy.sqlite")
    assert list(store.iterdir()) == []


def test_it_stops_where_it_is_told_to(database: Database, tmp_path: Path) -> None:
    record(database, 0, 2000)
    asked: list[bool] = []

    def stopped() -> bool:
        asked.append(True)
        return True

    assert not back_up(database.path, tmp_path / "copy.sqlite", stopped=stopped)
    assert asked
    assert not (tmp_path / "copy.sqlite").exists()
    assert leftovers(tmp_path) == []


def test_a_folder_that_cannot_be_written_is_named(database: Database, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DatabaseError, match="cannot be written"):
        back_up(database.path, tmp_path / "file" / "copy.sqlite")


def test_a_database_of_an_older_version_is_copied_as_it_is(tmp_path: Path) -> None:
    script = Path(__file__).with_name("old") / "0001.sql"
    with closing(sqlite3.connect(tmp_path / "old.sqlite")) as connection:
        connection.executescript(script.read_text())
    assert back_up(tmp_path / "old.sqlite", tmp_path / "copy.sqlite")
    with closing(sqlite3.connect(tmp_path / "copy.sqlite")) as connection:
        version = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    assert version == ("0001",)


def test_a_damaged_copy_gets_no_name(database: Database, tmp_path: Path) -> None:
    """Damage in an index, which copying does not notice."""
    record(database, 0, 500)
    with closing(sqlite3.connect(database.path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("PRAGMA writable_schema = ON")
        question = "SELECT rootpage FROM sqlite_schema WHERE name = '{}'"
        ((one,),) = connection.execute(question.format("detection_by_time")).fetchall()
        ((other,),) = connection.execute(question.format("detection_by_label")).fetchall()
        swap = "UPDATE sqlite_schema SET rootpage = ? WHERE name = ?"
        connection.execute(swap, (other, "detection_by_time"))
        connection.execute(swap, (one, "detection_by_label"))
        connection.commit()
    with pytest.raises(DatabaseError, match="damaged"):
        back_up(database.path, tmp_path / "copy.sqlite")
    assert not (tmp_path / "copy.sqlite").exists()
    assert leftovers(tmp_path) == []


def test_only_the_newest_of_dated_backups_are_kept(tmp_path: Path) -> None:
    names = [dated_name(datetime(2026, 11, day, 3, 30, tzinfo=UTC)) for day in (9, 10, 11, 12)]
    for name in (*names, "annotator.sqlite", "annotator-mine.sqlite"):
        (tmp_path / name).touch()
    dropped = drop_old_backups(tmp_path / names[-1], 2)
    assert [one.name for one in dropped] == names[:2]
    left = {one.name for one in tmp_path.iterdir()}
    assert left == {*names[2:], "annotator.sqlite", "annotator-mine.sqlite"}


def test_backups_dated_in_the_future_go_first(tmp_path: Path) -> None:
    """A clock that was wrong for a night must cost neither the new backup nor the run."""
    now = dated_name(datetime(2024, 5, 4, 3, 30, tzinfo=UTC))
    before = dated_name(datetime(2024, 5, 3, 3, 30, tzinfo=UTC))
    wrong = [dated_name(datetime(year, 1, 1, tzinfo=UTC)) for year in (2030, 2031)]
    for name in (now, before, *wrong):
        (tmp_path / name).touch()
    assert [one.name for one in drop_old_backups(tmp_path / now, 2)] == wrong
    assert [one.name for one in drop_old_backups(tmp_path / now, 1)] == [before]
    assert [one.name for one in tmp_path.iterdir()] == [now]


def test_halves_of_old_backups_go(tmp_path: Path) -> None:
    names = [dated_name(datetime(2024, 5, day, tzinfo=UTC)) for day in (1, 2, 3)]
    old, young = (tmp_path / f".{name}.part" for name in names[:2])
    mine, newest = tmp_path / ".mine.sqlite.part", tmp_path / names[2]
    for one in (old, young, mine, newest):
        one.touch()
    a_day_ago_s = newest.stat().st_mtime - 90_000
    for one in (old, mine):
        os.utime(one, (a_day_ago_s, a_day_ago_s))
    assert drop_old_backups(newest, 5) == ()
    assert set(tmp_path.iterdir()) == {young, mine, newest}


def test_a_copy_is_as_private_as_the_database(database: Database, tmp_path: Path) -> None:
    database.path.chmod(0o600)
    target = tmp_path / "copy.sqlite"
    back_up(database.path, target)
    assert target.stat().st_mode & 0o777 == 0o600


def test_what_is_no_file_is_never_replaced(database: Database, tmp_path: Path) -> None:
    """As /dev/null, by root."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(DatabaseError, match="is no file"):
        back_up(database.path, pipe, overwrite=True)
    assert pipe.is_fifo()


# vacuum


def test_the_file_is_written_anew(database: Database) -> None:
    path = database.path
    record(database, 0, 2000)
    with database.writing() as connection:
        connection.exec_driver_sql("DELETE FROM capture WHERE frame > 10")
    database.close()
    size = path.stat().st_size
    done = vacuum(path)
    assert done is not None
    assert done.before_bytes == size
    assert done.after_bytes == path.stat().st_size < size / 2
    assert annotated(path) == 11
    with open_database(path, forbidden_root=None) as again, again.reading() as connection:
        mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar_one()
    assert mode == "wal"


def test_old_pages_get_the_size_of_new_ones(database: Database) -> None:
    database.close()
    with closing(sqlite3.connect(database.path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("PRAGMA page_size = 4096")
        connection.execute("VACUUM")
    done = vacuum(database.path)
    assert done is not None
    assert (done.page_bytes_before, done.page_bytes_after) == (4096, PAGE_BYTES)
    assert sorted(one.name for one in database.path.parent.iterdir()) == [
        "annotator.sqlite",
        "annotator.sqlite.lock",
    ]


def test_rewriting_stops_where_it_is_told_to(database: Database) -> None:
    record(database, 0, 3000)
    database.close()
    before = database.path.stat().st_size
    assert vacuum(database.path, stopped=lambda: True) is None
    assert database.path.stat().st_size == before
    assert annotated(database.path) == 3000


def test_not_while_somebody_else_has_it(database: Database) -> None:
    path = database.path
    with SupervisorLock(path).acquire("watch"), pytest.raises(BusyError, match="watch"):
        vacuum(path)
    record(database, 0)
    with (
        open_read_only(path) as reader,
        reader.reading() as connection,
        pytest.raises(DatabaseError, match="another program"),
    ):
        connection.exec_driver_sql("SELECT count(*) FROM capture")
        vacuum(path, busy_timeout_s=0.0)
    database.close()
    vacuum(path)
    assert annotated(path) == 100
