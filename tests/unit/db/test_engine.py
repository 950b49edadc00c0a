"""Opening: what is refused, with which next step, and what a reader may find."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from annotator.domain import CaptureQuery, Origin
from annotator.errors import DatabaseError, DatabaseUnwritable
from db.backlog import SqlBacklog
from db.engine import (
    CHECKPOINT_PAGES,
    PAGE_BYTES,
    Database,
    open_database,
    open_read_only,
)
from db.queries import SqlQueries
from db.store import SqlStore
from tests.contracts.backlog import annotation, captures, detection, event
from tests.fakes.clock import ManualClock

ANY = CaptureQuery()
NOBODY = 65534


def pragma(database: Database, name: str) -> object:
    with database.reading() as connection:
        return connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()


def execute(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def record_one(database: Database) -> None:
    (capture,) = captures(event(), 1)
    SqlStore(database, ManualClock()).record([annotation(capture, detection())], [])


def test_makes_its_directory_and_its_settings_hold(tmp_path: Path) -> None:
    path = tmp_path / "50% of" / "été #1?" / "annotator.sqlite"
    with open_database(path, forbidden_root=tmp_path / "events") as database:
        assert pragma(database, "journal_mode") == "wal"
        assert pragma(database, "synchronous") == 1
        assert pragma(database, "foreign_keys") == 1
        assert pragma(database, "busy_timeout") == 30_000
        assert pragma(database, "page_size") == PAGE_BYTES
        assert pragma(database, "wal_autocheckpoint") == CHECKPOINT_PAGES
        record_one(database)
        with open_read_only(path) as reader:
            assert len(list(SqlQueries(reader).sightings(ANY))) == 1
    assert path.is_file()


def test_a_database_on_the_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="event store"):
        open_database(tmp_path / "events" / "a.sqlite", forbidden_root=tmp_path / "events")
    assert not (tmp_path / "events").exists()


OPENERS = [lambda path: open_database(path, forbidden_root=None), open_read_only]


@pytest.mark.parametrize("opener", OPENERS, ids=["writer", "reader"])
class TestWhatIsNoDatabaseOfOurs:
    def refused(self, opener: Callable[[Path], Database], path: Path, message: str) -> None:
        before = path.read_bytes()
        with pytest.raises(DatabaseError, match=message) as caught:
            opener(path)
        assert caught.value.next_step
        assert path.read_bytes() == before, "it may be somebody's data"

    def test_no_database(self, opener: Callable[[Path], Database], tmp_path: Path) -> None:
        path = tmp_path / "a.sqlite"
        path.write_bytes(b"GIF89a" * 500)
        self.refused(opener, path, "is not a database")

    def test_a_cut_one(
        self, opener: Callable[[Path], Database], tmp_path: Path, migrated: Path
    ) -> None:
        path = tmp_path / "a.sqlite"
        path.write_bytes(migrated.read_bytes()[:6000])
        self.refused(opener, path, "is damaged")

    def test_another_programs(self, opener: Callable[[Path], Database], tmp_path: Path) -> None:
        path = tmp_path / "a.sqlite"
        execute(path, "CREATE TABLE songs (id INTEGER)")
        self.refused(opener, path, "of another program")

    def test_a_newer_one(self, opener: Callable[[Path], Database], database: Database) -> None:
        database.close()
        execute(database.path, "UPDATE alembic_version SET version_num = '0999'")
        self.refused(opener, database.path, "newer version of annotator")


def test_a_reader_finds_no_database(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="no database at") as caught:
        open_read_only(tmp_path / "a.sqlite")
    assert "annotator watch" in caught.value.next_step
    assert not (tmp_path / "a.sqlite").exists()


@pytest.mark.parametrize(
    "older", ["DELETE FROM alembic_version", "UPDATE alembic_version SET version_num = '0000'"]
)
def test_a_reader_does_not_migrate(database: Database, older: str) -> None:
    database.close()
    execute(database.path, older)
    with pytest.raises(DatabaseError, match="older version"):
        open_read_only(database.path)


def test_a_reader_cannot_write(database: Database) -> None:
    with open_read_only(database.path) as reader, pytest.raises(DatabaseError, match="written"):
        record_one(reader)


def test_readers_and_the_writer_do_not_wait_for_each_other(database: Database) -> None:
    """All in one thread: whoever waited for another here would wait for ever, or fail."""
    record_one(database)
    queries = SqlQueries(database)
    with open_read_only(database.path) as reader, reader.reading() as snapshot:
        count = "SELECT count(*) FROM capture"
        assert snapshot.exec_driver_sql(count).scalar_one() == 1
        with database.writing() as writing:
            writing.exec_driver_sql("DELETE FROM capture")
            assert queries.totals().annotated == 1, "not committed yet"
        assert queries.totals().annotated == 0
        assert snapshot.exec_driver_sql(count).scalar_one() == 1, "one snapshot"


def test_however_many_are_at_it_nobody_waits_for_a_connection(database: Database) -> None:
    """In one thread, for the same reason."""
    with ExitStack() as stack:
        for _ in range(30):
            stack.enter_context(database.reading())
        record_one(database)
        assert SqlQueries(database).totals().annotated == 1


def test_threads_share_a_database(database: Database) -> None:
    """Each writes its own captures and reads what is there, all at a time."""
    threads, each = 8, 5
    began = threading.Barrier(threads)

    def work(minute: int) -> int:
        began.wait()
        store, queries, seen = SqlStore(database, ManualClock()), SqlQueries(database), 0
        for one in captures(event(minute), *range(1, each + 1)):
            store.record([annotation(one, detection())], [])
            seen = len(list(queries.sightings(ANY)))
        return seen

    with ThreadPoolExecutor(threads) as executor:
        counts = list(executor.map(work, range(threads)))
    assert max(counts) == threads * each
    assert min(counts) >= each


def test_a_second_writer_waits_and_then_says_who_is_in_the_way(database: Database) -> None:
    with (
        open_database(database.path, forbidden_root=None, busy_timeout_s=0.02) as other,
        database.writing(),
    ):
        with pytest.raises(DatabaseUnwritable, match="another program keeps the database"):
            record_one(other)
        assert SqlQueries(other).totals().annotated == 0
    with open_database(database.path, forbidden_root=None) as other:
        record_one(other)


def test_a_failed_write_leaves_nothing_behind(database: Database) -> None:
    good, bad = captures(event(), 1, 2)
    store = SqlStore(database, ManualClock())
    with pytest.raises(DatabaseError):
        store.record([annotation(good, detection()), annotation(bad, detection(score=7.0))], [])
    assert SqlQueries(database).totals().annotated == 0
    record_one(database)


def test_damage_that_shows_only_later(database: Database) -> None:
    store = SqlStore(database, ManualClock())
    many = [detection(score=0.5)] * 100
    store.record([annotation(one, *many) for one in captures(event(), *range(10))], [])
    database.close()
    with database.path.open("r+b") as file:
        file.seek(-50_000, os.SEEK_END)
        file.write(b"\xff" * 50_000)
    with open_read_only(database.path) as reader, pytest.raises(DatabaseError, match="is damaged"):
        list(SqlQueries(reader).sightings(ANY))


def test_what_cannot_be_stored_is_an_error_of_the_database(database: Database) -> None:
    undecodable = b"caf\xe9.jpg".decode("utf-8", "surrogateescape")
    for frame, name in ((0, undecodable), (10**30, "cat.jpg")):
        (capture,) = captures(event(), 1)
        odd = type(capture)(capture.event, name, frame)
        with pytest.raises(DatabaseError, match="cannot be stored"):
            SqlBacklog(database, ManualClock()).add([odd], Origin.LIVE)


@pytest.fixture
def public() -> Iterator[Path]:
    """A directory that other users may enter, unlike pytest's."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o755)
        yield directory
        directory.chmod(0o755)


def as_another_user(directory: Path, act: Callable[[], str]) -> str:
    """What `act` says where it may not write `directory`."""
    directory.chmod(0o555)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        if os.getuid() == 0:
            os.setuid(NOBODY)
        try:
            answer = act()
        except DatabaseError as error:
            answer = f"DatabaseError: {error}"
        except BaseException as error:  # nothing may leave the child but its answer
            answer = repr(error)
        os.write(writing, answer.encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading, encoding="utf-8") as pipe:
        return pipe.read()


def count_read_only(path: Path) -> str:
    with open_read_only(path) as reader:
        return str(SqlQueries(reader).totals().annotated)


def test_another_user_may_ask_while_the_daemon_runs_and_when_not(public: Path) -> None:
    path = public / "annotator.sqlite"
    with open_database(path, forbidden_root=None) as database:
        record_one(database)
        assert as_another_user(public, lambda: count_read_only(path)) == "1"
    assert not Path(f"{path}-wal").exists()
    assert as_another_user(public, lambda: count_read_only(path)) == "1"
    assert sorted(public.iterdir()) == [path]


def test_another_user_may_not_write(public: Path) -> None:
    path = public / "annotator.sqlite"
    open_database(path, forbidden_root=None).close()

    def write() -> str:
        with open_database(path, forbidden_root=None) as database:
            record_one(database)
        return "written"

    answer = as_another_user(public, write)
    assert answer.startswith(f"DatabaseError: the database {path}")
    elsewhere = public / "new" / "annotator.sqlite"
    answer = as_another_user(public, lambda: str(open_database(elsewhere, forbidden_root=None)))
    assert answer.startswith("DatabaseError: cannot make the directory")


def test_asking_loads_neither_alembic_nor_what_checks_the_configuration() -> None:
    program = (
        "import sys, db.engine, db.queries, db.lock\n"
        "print([name for name in ('alembic', 'mako', 'pydantic') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout.decode().strip() == "[]"
