"""Stationary objects in the database: what the contract does not say."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import timedelta

import pytest
from sqlalchemy import event as sqlalchemy_event

from annotator.domain import (
    Annotation,
    BoundingBox,
    Capture,
    CaptureQuery,
    Detection,
    Event,
    Sighting,
    Stay,
)
from annotator.errors import DatabaseUnwritable
from db.engine import Database
from db.queries import SqlQueries
from db.store import SqlStore
from tests.contracts.backlog import CAR, NOON, annotation, captures, event, stationary_at
from tests.fakes.clock import ManualClock
from tests.fakes.memory_store import MemoryQueries, MemoryStore

FRAMES = 16
EVERYTHING = CaptureQuery(stationary=True)
OTHER = Detection("car", 2, 0.625, BoundingBox(100, 400, 400, 600))


def store_of(database: Database) -> SqlStore:
    return SqlStore(database, ManualClock(), stationary_at)


def street(presence: Sequence[tuple[int, tuple[Detection, ...]]]) -> list[Annotation]:
    """For so many captures each these are there; a second apart, in events of 16."""
    seen = [detections for count, detections in presence for _ in range(count)]
    every: list[Capture] = []
    for minute in range(1 + len(seen) // FRAMES):
        every += captures(event(minute), *range(1, FRAMES + 1))
    return [annotation(one, *found) for one, found in zip(every, seen, strict=False)]


LONG_DAY = street(
    [(20, ()), (70, (CAR,)), (5, ()), (40, (CAR, OTHER)), (2, (OTHER,)), (50, (CAR,)), (30, ())]
)


def in_time(seen: list[Annotation]) -> list[Annotation]:
    return seen


def newest_event_first(seen: list[Annotation]) -> list[Annotation]:
    return sorted(seen, key=lambda one: (-_minute(one), one.capture.frame))


def coarse_to_fine(seen: list[Annotation]) -> list[Annotation]:
    def fineness(frame: int) -> int:
        distance = frame - 1
        return 0 if not distance else 16 - (distance & -distance).bit_length()

    return sorted(seen, key=lambda one: (fineness(one.capture.frame), -_minute(one)))


def at_random(seen: list[Annotation]) -> list[Annotation]:
    return random.Random(1).sample(seen, len(seen))


def _minute(one: Annotation) -> float:
    assert one.capture.event.started_at is not None
    return one.capture.event.started_at.timestamp()


every_order = pytest.mark.parametrize(
    "order", [in_time, newest_event_first, coarse_to_fine, at_random]
)
Order = Callable[[list[Annotation]], list[Annotation]]


def record(store: SqlStore, seen: Sequence[Annotation], batch: int = 8) -> None:
    for begin in range(0, len(seen), batch):
        store.record(seen[begin : begin + batch], [])


def expected(seen: Sequence[Annotation]) -> list[Sighting]:
    memory = MemoryStore(ManualClock(), stationary_at)
    memory.record(seen, [])
    return list(MemoryQueries(memory).sightings(EVERYTHING))


def found(database: Database) -> list[Sighting]:
    return list(SqlQueries(database).sightings(EVERYTHING))


def objects(database: Database) -> list[tuple[int, int, int, str]]:
    with closing(sqlite3.connect(database.path)) as connection:
        return connection.execute(
            "SELECT arrived_at, last_seen_at, sightings, state FROM stationary_objects"
            " ORDER BY arrived_at, xmin"
        ).fetchall()


def check_objects(database: Database) -> None:
    """Objects and sightings agree, to the minute for what is still there."""
    with closing(sqlite3.connect(database.path)) as connection:
        counted = connection.execute(
            "SELECT id, first_seen, last_seen, sightings, there,"
            " (SELECT min(captured_at) FROM detection WHERE stationary_id = stationary.id),"
            " (SELECT max(captured_at) FROM detection WHERE stationary_id = stationary.id),"
            " (SELECT count(*) FROM detection WHERE stationary_id = stationary.id)"
            " FROM stationary"
        ).fetchall()
        (lost,) = connection.execute(
            "SELECT count(*) FROM detection WHERE stationary_id NOT IN (SELECT id FROM stationary)"
        ).fetchone()
    assert lost == 0
    for _, first, last, sightings, there, first_is, last_is, sightings_are in counted:
        assert first == first_is
        assert 0 <= last_is - last < (60_000 if there else 1)
        assert 0 <= sightings_are - sightings < (100 if there else 1)


@every_order
@pytest.mark.parametrize("batch", [1, 8, 64])
def test_the_order_does_not_matter(database: Database, order: Order, batch: int) -> None:
    record(store_of(database), order(LONG_DAY), batch)
    assert found(database) == expected(LONG_DAY)
    check_objects(database)


@every_order
def test_nor_do_restarts_once_a_stay_is_known(database: Database, order: Order) -> None:
    seen = street([(10, ()), (150, (CAR,)), (10, ())])
    ordered = order(seen)
    half = len(ordered) // 2
    record(store_of(database), ordered[:half])
    for begin in range(half, len(ordered), 8):
        record(store_of(database), ordered[begin : begin + 8])
    assert found(database) == expected(seen)
    check_objects(database)


@every_order
def test_everything_looked_at_again_comes_to_the_same(database: Database, order: Order) -> None:
    store = store_of(database)
    record(store, LONG_DAY)
    record(store, order(LONG_DAY))
    assert found(database) == expected(LONG_DAY)
    check_objects(database)


def test_an_object_whose_sightings_are_all_gone_is_gone(database: Database) -> None:
    store = store_of(database)
    record(store, street([(60, (CAR,))]))
    assert len(objects(database)) == 1
    record(store, street([(60, ())]))
    assert objects(database) == []


def test_a_batch_that_could_not_be_written_is_written_later(database: Database) -> None:
    store = store_of(database)
    record(store, LONG_DAY[:60])
    with database.reading() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    many = [annotation(one) for one in captures(Event("Hall", "Hall", "9"), *range(5000))]
    for _ in range(2):
        with pytest.raises(DatabaseUnwritable):
            store.record([*LONG_DAY[60:150], *many], [])
    with database.reading() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 100000")
    store.record(LONG_DAY[60:150], [])
    record(store, LONG_DAY[150:])
    assert found(database) == expected(LONG_DAY)
    check_objects(database)


def test_captures_that_somebody_deletes_meanwhile_are_missed_by_nobody(database: Database) -> None:
    store = store_of(database)
    record(store, LONG_DAY[:80])
    with closing(sqlite3.connect(database.path)) as connection, connection:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("DELETE FROM capture WHERE captured_at < ?", [_ms(minutes=3)])
    record(store, LONG_DAY[80:])
    record(store_of(database), [annotation(one, CAR) for one in captures(event(59), 1)])
    rest = [one for one in LONG_DAY if one.captured_at >= NOON + timedelta(minutes=3)]
    stays = [one.stay for one in found(database) if one.stay is not Stay.STILL_THERE]
    assert len(objects(database)) == len([one for one in stays if one is Stay.ARRIVED])
    assert objects(database)[0][0] == round(rest[0].captured_at.timestamp() * 1000)
    check_objects(database)


def _ms(**after_noon: float) -> int:
    return round((NOON + timedelta(**after_noon)).timestamp() * 1000)


def test_an_object_that_is_still_there_is_seldom_written(database: Database) -> None:
    store, statements = store_of(database), list[str]()
    record(store, street([(80, (CAR,))]))
    sqlalchemy_event.listen(
        database.engine,
        "before_cursor_execute",
        lambda _c, _k, sql, *_: statements.append(sql),
    )
    later = captures(Event("Door", "Door", "late", NOON + timedelta(minutes=20)), *range(1, 201))
    seen_at = NOON + timedelta(minutes=20)
    for one in later:
        at = seen_at + timedelta(milliseconds=500 * one.frame)
        store.record([annotation(one, CAR, captured_at=at)], [])
    written = [sql for sql in statements if sql.startswith("UPDATE stationary ")]
    assert len(written) <= 1 + 100 / 60 + 200 / 100
    counting = [sql for sql in statements if "coalesce(sum(" in sql]
    assert len(counting) == 1, "only where one event follows another"


def test_captures_of_one_time_are_told_apart_by_their_frames(database: Database) -> None:
    """A tree that was copied tells only when its events began."""
    store = store_of(database)
    copied = [
        annotation(one.capture, *one.detections, captured_at=one.capture.event.started_at)
        for one in LONG_DAY
    ]
    record(store, copied)
    stays = [(one.event, one.frame, one.stay) for one in found(database) if one.stay]
    ends = [one for one in stays if one[2] is not Stay.STILL_THERE]
    assert ends[-1] == (event(1).path, 5, Stay.ARRIVED)
    check_objects(database)
