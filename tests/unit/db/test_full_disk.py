"""A disk that is full for a while: nothing half-written, and the same object goes on afterwards."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from annotator.domain import Origin
from annotator.errors import DatabaseUnwritable
from db.backlog import SqlBacklog
from db.engine import Database, open_database, open_read_only
from db.queries import SqlQueries
from db.store import SqlStore
from tests.contracts.backlog import annotation, captures, detection, event
from tests.fakes.clock import ManualClock


def limit_pages(database: Database, more: int) -> None:
    with database.reading() as connection:  # the pool's only connection
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + more}")


def test_a_file_that_may_not_grow(database: Database) -> None:
    backlog = SqlBacklog(database, ManualClock())
    many = captures(event(), *range(2000))
    limit_pages(database, 0)
    with pytest.raises(DatabaseUnwritable, match="no room left on the disk") as caught:
        backlog.add(many, Origin.BACKFILL)
    assert caught.value.next_step
    assert SqlQueries(database).totals().waiting == {}
    limit_pages(database, 10_000)
    assert backlog.add(many, Origin.BACKFILL) == len(many)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of two megabytes."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    place = tmp_path / "disk"
    place.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)]
    mounted = subprocess.run(mounting, capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def fill(ballast: Path) -> None:
    with ballast.open("ab", buffering=0) as file:
        try:
            while file.write(bytes(1024)):
                pass
        except OSError:
            return


def test_a_disk_that_is_full_for_a_while(small_disk: Path) -> None:
    path, ballast = small_disk / "annotator.sqlite", small_disk / "ballast"
    with open_database(path, forbidden_root=None) as database:
        clock = ManualClock()
        backlog, store = SqlBacklog(database, clock), SqlStore(database, clock)
        queries = SqlQueries(database)
        waiting = captures(event(), *range(200))
        backlog.add(waiting, Origin.LIVE)
        fill(ballast)
        done = 0
        with pytest.raises(DatabaseUnwritable, match="no room left on the disk"):
            while leases := backlog.lease(8):
                store.record([annotation(one.capture, *[detection()] * 9) for one in leases], [])
                done += len(leases)
        assert done < len(waiting)
        for _ in range(3):
            with pytest.raises(DatabaseUnwritable):
                store.record([annotation(one, detection()) for one in waiting], [])
            assert queries.totals().annotated == done, "whole batches only"
            assert queries.totals().waiting == {Origin.LIVE: len(waiting) - done}
            assert backlog.add(waiting, Origin.RECONCILE) == 0, "asking needs no room"
        ballast.unlink()
        backlog.free_all()
        while leases := backlog.lease(8):
            store.record([annotation(one.capture, detection()) for one in leases], [])
        assert queries.totals().annotated == len(waiting)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


def test_a_full_disk_keeps_no_database_from_being_opened_later(small_disk: Path) -> None:
    path, ballast = small_disk / "annotator.sqlite", small_disk / "ballast"
    fill(ballast)
    with pytest.raises(DatabaseUnwritable, match="no room left on the disk"):
        open_database(path, forbidden_root=None)
    ballast.unlink()
    with open_database(path, forbidden_root=None) as database:
        assert SqlBacklog(database, ManualClock()).add(captures(event(), 1), Origin.LIVE) == 1


def test_a_full_disk_is_not_taken_for_a_broken_one(small_disk: Path) -> None:
    """Readers and writers share a file for which there has to be room."""
    path = small_disk / "annotator.sqlite"
    open_database(path, forbidden_root=None).close()
    fill(small_disk / "ballast")
    with pytest.raises(DatabaseUnwritable, match="no room left on the disk"):
        open_read_only(path)
