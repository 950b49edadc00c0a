"""The typical questions are answered from an index, in its order, without a sort."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import time, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
from sqlalchemy import event as sqlalchemy_event

from annotator.config import RetentionSettings
from annotator.domain import (
    UNKNOWN_NAME,
    By,
    CaptureQuery,
    FaceQuestion,
    Hours,
    Identification,
    Identity,
    Order,
    Origin,
    Renaming,
    Tag,
    Window,
)
from db.backlog import SqlBacklog
from db.engine import Database, open_database
from db.face_book import SqlFaceBook
from db.gone import SqlEventRoll
from db.prune import SqlPruning
from db.queries import SqlQueries
from db.rules import What
from db.store import SqlStore
from tests.contracts.backlog import (
    CAR,
    NOON,
    annotation,
    captures,
    detection,
    event,
    face,
    stationary_at,
)
from tests.contracts.faces import annotation as seen_with
from tests.contracts.faces import face as face_of
from tests.databases import Databases
from tests.fakes.clock import ManualClock

SINCE, UNTIL = NOON, NOON + timedelta(days=1)


class Step(NamedTuple):
    """One instruction; p1 is the cursor where it has one."""

    address: int
    opcode: str
    p1: int


class Planner:
    """Plans of plain SQL, and of whatever the program runs."""

    def __init__(self, database: Database) -> None:
        self.statements: list[tuple[str, tuple[object, ...]]] = []
        self._connection = sqlite3.connect(database.path)
        self._connection.execute("PRAGMA foreign_keys = ON")
        sqlalchemy_event.listen(database.engine, "before_cursor_execute", self._note)

    def _note(self, _c: object, _k: object, sql: str, values: object, *_: object) -> None:
        self.statements.append((sql, tuple(values)))  # type: ignore[arg-type]

    def plan(self, sql: str, values: tuple[object, ...] = ()) -> list[str]:
        rows = self._connection.execute(f"EXPLAIN QUERY PLAN {sql}", values)
        return [row[3] for row in rows]

    def plans(self) -> Iterator[list[str]]:
        """Of every SELECT since the last call."""
        noted, self.statements = self.statements, []
        for sql, values in noted:
            if sql.lstrip().startswith(("SELECT", "WITH")):
                yield self.plan(sql, values)

    def plans_in_order(self) -> list[list[str]]:
        """Of those that have an order."""
        noted, self.statements = self.statements, []
        return [self.plan(sql, values) for sql, values in noted if " ORDER BY " in sql]

    def program(self, sql: str, values: tuple[object, ...]) -> list[Step]:
        """What SQLite's machine does."""
        rows = self._connection.execute(f"EXPLAIN {sql}", values)
        return [Step(address, opcode, p1) for address, opcode, p1, *_ in rows]

    def create(self, sql: str) -> None:
        """A temporary table that statements to be explained are about."""
        self._connection.execute(sql)

    def close(self) -> None:
        self._connection.close()


@pytest.fixture(scope="module")
def seen_before(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with something in it; not to be changed."""
    path = databases.put(tmp_path_factory.mktemp("seen") / "annotator.sqlite")
    people = [face(Identity.KNOWN, "Anna"), face(Identity.KNOWN, "Bob")]
    seen = [detection("person", 0.5, people), detection("cat")]
    every = captures(event(0, "Door"), 1, 2) + captures(event(0, "Hall"), 1, 2)
    with open_database(path, forbidden_root=None) as database:
        store = SqlStore(database, ManualClock())
        store.record([annotation(one, *seen) for one in every], [])
    return path


@pytest.fixture
def database(databases: Databases, seen_before: Path) -> Iterator[Database]:
    with databases.fresh(seen_before) as database:
        yield database


@pytest.fixture
def planner(database: Database) -> Iterator[Planner]:
    with closing(Planner(database)) as planner:
        yield planner


def first_step(plan: list[str], table: str) -> str:
    """The first step over the table that has the order."""
    return next(step for step in plan if table in step.split())


@pytest.mark.parametrize(
    ("question", "index"),
    [
        (CaptureQuery(limit=10), "detection_by_time"),
        (CaptureQuery(since=SINCE, until=UNTIL), "detection_by_time"),
        (CaptureQuery(min_score=0.5, since=SINCE, limit=10), "detection_by_time"),
        (CaptureQuery(labels=("person",), limit=10), "detection_by_label"),
        (CaptureQuery(labels=("person", "cat"), since=SINCE, limit=10), "detection_by_label"),
        (CaptureQuery(labels=("person",), monitors=("Door", "Hall")), "detection_by_label"),
        (CaptureQuery(monitors=("Door",), limit=10), "detection_by_monitor"),
        (CaptureQuery(monitors=("Door", "Hall"), until=UNTIL), "detection_by_monitor"),
        (CaptureQuery(names=("Anna",), limit=10), "face_by_name"),
        (CaptureQuery(names=("Anna", "Bob"), since=SINCE), "face_by_name"),
        (CaptureQuery(names=("Anna",), labels=("person", "cat")), "face_by_name"),
        (CaptureQuery(names=("Anna",), labels=("person",), monitors=("Door",)), "face_by_name"),
        (CaptureQuery(names=(UNKNOWN_NAME,), limit=10), "face_by_verdict"),
        (CaptureQuery(stationary=True, limit=10), "detection_by_time"),
        (CaptureQuery(stationary=True, labels=("person", "cat")), "detection_by_label"),
        (CaptureQuery(stationary=True, monitors=("Door",)), "detection_by_monitor"),
        (CaptureQuery(order=Order.OLDEST, limit=10), "detection_by_time"),
        (CaptureQuery(order=Order.OLDEST, labels=("cat",), since=SINCE), "detection_by_label"),
        (CaptureQuery(order=Order.OLDEST, names=("Anna",)), "face_by_name"),
        (CaptureQuery(no_face=True, labels=("person",), limit=10), "detection_by_label"),
        (CaptureQuery(min_box_px=40, max_box_px=400, monitors=("Hall",)), "detection_by_monitor"),
        (CaptureQuery(min_probability=0.5, limit=10), "face_by_verdict"),
        (CaptureQuery(min_probability=0.5, labels=("person",), since=SINCE), "face_by_verdict"),
    ],
)
def test_sightings(
    database: Database, planner: Planner, question: CaptureQuery, index: str
) -> None:
    list(SqlQueries(database).sightings(question))
    plans = planner.plans_in_order()
    assert plans
    for plan in plans:
        assert not [step for step in plan if "TEMP B-TREE" in step], plan
        assert f"USING INDEX {index}" in first_step(plan, index.split("_")[0]), plan
        assert not [step for step in plan if step.startswith("SCAN") and index not in step], plan


HOURS = Hours(time(0), time(23, 59))


@pytest.mark.parametrize(
    ("question", "lookup"),
    [
        (
            CaptureQuery(hours=HOURS, labels=("person",), monitors=("Door",)),
            "detection USING INDEX detection_by_label"
            " (label_id=? AND captured_at>? AND captured_at<?)",
        ),
        (
            CaptureQuery(hours=HOURS, limit=10),
            "detection USING INDEX detection_by_time (captured_at>? AND captured_at<?)",
        ),
        (
            CaptureQuery(hours=HOURS, names=("Anna",)),
            "face USING INDEX face_by_name (name=? AND captured_at>? AND captured_at<?)",
        ),
        (
            CaptureQuery(events=("24/05/01/12/00/00",), labels=("person",), since=SINCE),
            "detection USING INDEX detection_by_capture (event_id=?)",
        ),
        (
            CaptureQuery(events=("24/05/01/12/00/00",), names=("Anna",)),
            "face USING INDEX face_by_event (event_id=?)",
        ),
        (
            CaptureQuery(strangers=(7,), since=SINCE),
            "face USING INDEX face_by_stranger (stranger=?)",
        ),
    ],
)
def test_few_rows_are_found_by_what_tells_most_of_them(
    database: Database, planner: Planner, question: CaptureQuery, lookup: str
) -> None:
    """And sorted, which is quick then."""
    with database.writing() as connection:
        connection.exec_driver_sql("UPDATE face SET stranger = 7 WHERE id = 1")
    planner.statements.clear()
    list(SqlQueries(database).sightings(question))
    plans = planner.plans_in_order()
    assert plans
    for plan in plans:
        assert any(f"SEARCH {lookup}" in step for step in plan), plan
        assert not scanned(plan), plan


@pytest.mark.parametrize(
    "question",
    [
        CaptureQuery(),
        CaptureQuery(labels=("person", "cat"), since=SINCE),
        CaptureQuery(monitors=("Door",), hours=HOURS),
        CaptureQuery(names=("Anna",), until=UNTIL),
    ],
)
def test_counting_reads_the_counts(
    database: Database, planner: Planner, question: CaptureQuery
) -> None:
    queries = SqlQueries(database)
    queries.count(question)
    queries.people(question)
    for by in By:
        queries.stats(question, [by])
    plans = [plan for plan in planner.plans() if any("_count" in step for step in plan)]
    assert len(plans) >= len(By)
    all_there_is = {"label_count"} if question == CaptureQuery() else set()
    for plan in plans:
        assert not {"detection", "face", "label_count"} & scanned(plan) - all_there_is, plan
        names_found = [step for step in plan if step.startswith("SCAN name_count")]
        assert len(names_found) <= 1, "the names there are"


def test_events_are_looked_up_one_by_one(database: Database, planner: Planner) -> None:
    queries = SqlQueries(database)
    assert list(queries.events(CaptureQuery(labels=("person",))))
    assert queries.frames(event(0))
    assert not list(queries.empty_events(CaptureQuery(since=SINCE)))
    plans = list(planner.plans())
    assert any("event_by_beginning (began_at>? AND began_at<?)" in s for p in plans for s in p)
    for plan in plans:
        assert not scanned(plan), plan


@pytest.mark.parametrize(
    "question",
    [CaptureQuery(labels=("person",), since=SINCE), CaptureQuery(names=("Anna",), since=SINCE)],
)
def test_what_is_new_is_found_by_its_id(
    database: Database, planner: Planner, question: CaptureQuery
) -> None:
    queries = SqlQueries(database)
    mark = queries.newest_mark() - 1
    assert queries.sightings_since(question, mark)[0]
    plans = [plan for plan in planner.plans() if any("rowid>?" in step for step in plan)]
    assert len(plans) == 2
    for plan in plans:
        assert not scanned(plan), plan


@pytest.mark.parametrize(
    "question",
    [CaptureQuery(limit=10), CaptureQuery(labels=("cat",)), CaptureQuery(monitors=("Door",))],
)
def test_what_is_only_still_there_is_passed_over_in_the_index(
    database: Database, planner: Planner, question: CaptureQuery
) -> None:
    """Its rows are not read: of a parked car there may be a million."""
    list(SqlQueries(database).sightings(question))
    sql, values = next(one for one in planner.statements if "ORDER BY detection" in one[0])
    steps = planner.program(sql, values)
    lookup = next(step for step in steps if step.opcode == "DeferredSeek")
    first = next(s for s in steps if s.opcode == "Column" and s.address > lookup.address)
    assert first.p1 == lookup.p1, "`stay` is read from the index, before the row is"


def test_what_stands_still_is_looked_up_by_index(database: Database, planner: Planner) -> None:
    """Whatever is asked while captures are recorded, in order, out of order and again."""
    store = SqlStore(database, ManualClock(), stationary_at)
    every = [
        annotation(one, *([CAR] if minute in (20, 22) else []))
        for minute in (22, 20, 21, 23)
        for one in captures(event(minute), *range(1, 40))
    ]
    for begin in range(0, len(every), 16):
        store.record(every[begin : begin + 16], [])
    store.record(every[:16], [])
    asked = [one for one in planner.statements if one[0].startswith("SELECT")]
    assert any("coalesce(sum(" in sql for sql, _ in asked)
    assert any("stay IS NULL" in sql for sql, _ in asked)
    for sql, values in asked:
        scanned = [step.split()[1] for step in planner.plan(sql, values) if "SCAN" in step]
        # The objects themselves are few.
        assert not {"detection", "capture", "event", "folded"}.intersection(scanned), sql


def test_what_is_pruned_is_looked_up_by_index(database: Database, planner: Planner) -> None:
    """No statement of a night reads through all there is."""
    clock = ManualClock()
    store = SqlStore(database, clock)
    store.record([annotation(one) for one in captures(event(3), *range(20))], [])
    store.record([annotation(one, detection()) for one in captures(event(4), 1)], [])
    roll = SqlEventRoll(database, clock)
    roll.mark([one.id for one in roll.events() if one.event.monitor == "Hall"], gone=True)
    clock.sleep(10 * 86400)
    rules = RetentionSettings(
        detections_days=1,
        by_label={"cat": 1},
        unknown_embeddings_days=1,
        empty_days=1,
        gone_days=1,
    )
    pruning = SqlPruning(database, clock, lambda name: rules)
    expected = {one.what for turn in pruning.expected() for one in turn.pruned}
    assert expected >= {What.DETECTIONS, What.EMPTY, What.EVENTS}
    planner.statements.clear()
    assert len(list(pruning.turns())) > 3
    for sql, values in planner.statements:
        if sql.startswith(("SELECT", "DELETE", "UPDATE")):
            if values and isinstance(values[0], tuple):  # executed many times
                values = values[0]
            scanned = [step.split()[1] for step in planner.plan(sql, values) if "SCAN" in step]
            # The monitors, labels and stationary objects are few.
            few = {"monitor", "label", "stationary", "provenance"}
            assert set(scanned) <= few, (sql, scanned)


def test_a_sample_is_counted_by_event(database: Database, planner: Planner) -> None:
    assert len(SqlQueries(database).sample(Window(monitors=("Door",)), 2)) == 2
    plans = list(planner.plans())
    for plan in plans:
        assert any("capture USING PRIMARY KEY (event_id=?)" in step for step in plan), plan


def test_what_was_seen_in_one_capture(database: Database, planner: Planner) -> None:
    (one,) = captures(event(0), 1)
    assert SqlQueries(database).seen_in(one)
    steps = [step for plan in planner.plans() for step in plan]
    assert any("detection_by_capture" in step for step in steps), steps
    assert not [step for step in steps if step.startswith("SCAN")], steps


def test_directories_that_failed_are_found_among_many_captures(
    database: Database, planner: Planner
) -> None:
    SqlStore(database, ManualClock()).clear_directory_failures(["Door"])
    (steps,) = planner.plans()
    assert "directory>?" in steps[0], steps


@pytest.fixture
def busy(database: Database) -> SqlBacklog:
    """A backlog with something in hand, put off and free of each of two monitors."""
    clock = ManualClock()
    backlog = SqlBacklog(database, clock)
    for origin in Origin:
        for monitor in ("Door", "Hall"):
            minute = 10 + list(Origin).index(origin)
            backlog.add(captures(event(minute, monitor), *range(9)), origin)
    backlog.give_back(backlog.lease(2), not_before=clock.now() + timedelta(days=1), attempted=True)
    backlog.lease(2)
    return backlog


def test_leases_come_in_order_from_the_index(busy: SqlBacklog, planner: Planner) -> None:
    list(planner.plans())
    busy.lease(99)
    plans = list(planner.plans())
    by_monitor = [plan for plan in plans if any("attempt" in step for step in plan)]
    assert len(by_monitor) == 6, "one of each monitor and origin"
    for plan in by_monitor:
        index = "backlog USING INDEX backlog_by_urgency (monitor_id=? AND origin=?)"
        assert index in plan[1], plan
        assert plan[0].startswith("SEARCH monitor USING INTEGER PRIMARY KEY"), plan
        assert "attempt USING PRIMARY KEY" in plan[-1], plan
    who_waits = [plan for plan in plans if plan not in by_monitor]
    assert len(who_waits) == 3
    for plan in who_waits:
        assert any("backlog_by_" in s and "(monitor_id=? AND origin=?)" in s for s in plan), plan
    assert not [step for plan in plans for step in plan if "TEMP B-TREE" in step]


def test_a_small_lease_asks_no_more_than_it_needs(busy: SqlBacklog, planner: Planner) -> None:
    list(planner.plans())
    assert len(busy.lease(1)) == 1
    assert len(list(planner.plans())) == 2, "who waits, and the one whose turn it is"


def test_what_waited_too_long_is_found_by_its_age(busy: SqlBacklog, planner: Planner) -> None:
    list(planner.plans())
    assert busy.expire("Door", NOON) == 0
    (plan,) = planner.plans()
    by_age = "USING COVERING INDEX backlog_by_age (monitor_id=? AND origin=? AND added_at<?)"
    assert any(by_age in step for step in plan), plan
    assert not [step for step in plan if step.startswith("SCAN backlog")], plan


def test_how_long_the_oldest_waits_is_read_from_the_index(
    database: Database, busy: SqlBacklog, planner: Planner
) -> None:
    list(planner.plans())
    assert SqlQueries(database).totals().oldest_waiting
    steps = [step for plan in planner.plans() for step in plan]
    by_age = "backlog USING COVERING INDEX backlog_by_age (monitor_id=? AND origin=?)"
    assert len([step for step in steps if by_age in step]) == len(Origin), steps
    assert not [step for step in steps if step.startswith("SCAN backlog")], steps


def test_what_may_be_unfinished_is_found_by_its_time(database: Database, planner: Planner) -> None:
    list(planner.plans())
    SqlStore(database, ManualClock()).unfinished(NOON)
    (plan,) = planner.plans()
    assert "failure_by_time (failed_at>?)" in plan[0], plan
    assert not [step for step in plan if "TEMP B-TREE" in step], plan


def test_what_is_known_of_an_event_is_read_from_its_keys(
    database: Database, planner: Planner
) -> None:
    SqlBacklog(database, ManualClock()).add(captures(event(0), 1, 2), Origin.LIVE)
    steps = [step for plan in planner.plans() for step in plan]
    assert any("capture USING PRIMARY KEY (event_id=? AND frame>? AND frame<?)" in s for s in steps)
    assert not [step for step in steps if step.startswith("SCAN")], steps


@pytest.mark.parametrize(
    ("question", "index"),
    [
        ("SELECT * FROM sightings ORDER BY captured_at DESC LIMIT 10", "detection_by_time"),
        (
            "SELECT * FROM sightings WHERE label = 'person' ORDER BY captured_at DESC LIMIT 10",
            "detection_by_label",
        ),
        (
            "SELECT * FROM faces WHERE name = 'Anna' ORDER BY captured_at DESC LIMIT 10",
            "face_by_name",
        ),
        (
            "SELECT * FROM faces WHERE verdict = 'unknown' ORDER BY captured_at DESC LIMIT 10",
            "face_by_verdict",
        ),
        ("SELECT * FROM events ORDER BY began_at DESC LIMIT 10", "event_by_beginning"),
        ("SELECT * FROM failures ORDER BY failed_at DESC LIMIT 10", "failure_by_time"),
    ],
)
def test_plain_sql(planner: Planner, question: str, index: str) -> None:
    plan = planner.plan(question)
    rows_are_sorted = plan[-1].startswith("USE TEMP B-TREE FOR ORDER BY")
    assert not rows_are_sorted, plan
    assert any(f"USING INDEX {index}" in step for step in plan), plan


def test_plain_sql_about_a_name_begins_with_its_faces(planner: Planner) -> None:
    plan = planner.plan("SELECT * FROM sightings WHERE name = 'Anna' ORDER BY captured_at DESC")
    assert "face_by_name" in plan[0]


@pytest.mark.parametrize(
    "deletion",
    [
        "DELETE FROM capture WHERE event_id = 1 AND frame = 1 AND file_name = ''",
        "DELETE FROM backlog WHERE event_id = 1 AND frame = 1 AND file_name = ''",
        "DELETE FROM skipped WHERE event_id = 1 AND frame = 1 AND file_name = ''",
        "DELETE FROM event WHERE id = 1",
    ],
)
def test_deleting_looks_nothing_up_by_scanning(planner: Planner, deletion: str) -> None:
    plan = planner.plan(deletion)
    assert not [step for step in plan if step.startswith("SCAN")], plan


@pytest.fixture
def named(database: Database) -> Database:
    """Faces in tracks, with tags and strangers."""
    store, book = SqlStore(database, ManualClock()), SqlFaceBook(database, ManualClock())
    every = captures(event(5), *range(1, 9))
    seen = [face_of("Anna", 1), face_of("Anna", 1, x=300, seen_better=True)]
    store.record([seen_with(one, *seen) for one in every], [])
    first = next(SqlQueries(database).stored_faces(FaceQuestion()))
    book.tag([first.id], Tag("Eva", NOON))
    book.group({first.id: 1})
    return database


def scanned(plan: list[str]) -> set[str]:
    """The tables of any size that a plan reads from one end to the other."""
    return {step.split()[1] for step in plan if step.startswith("SCAN")} & {
        *("face", "detection", "embedding", "event", "capture", "follower", "leader", "voice"),
        *("relabelled", "same", "best", "label_count"),
    }


@pytest.mark.parametrize(
    ("question", "index"),
    [
        (FaceQuestion(ids=(1, 2)), "INTEGER PRIMARY KEY"),
        (FaceQuestion(names=("Anna",)), "face_by_name"),
        (FaceQuestion(strangers=(1,)), "face_by_stranger"),
    ],
)
def test_stored_faces(
    named: Database, planner: Planner, question: FaceQuestion, index: str
) -> None:
    assert list(SqlQueries(named).stored_faces(question))
    plans = [plan for plan in planner.plans() if any("embedding" in step for step in plan)]
    for plan in plans:
        assert any(index in step for step in plan), plan
        assert not scanned(plan), plan


def test_all_stored_faces_come_without_a_sort(named: Database, planner: Planner) -> None:
    assert list(SqlQueries(named).stored_faces(FaceQuestion()))
    (plan,) = [plan for plan in planner.plans() if any("embedding" in step for step in plan)]
    assert not [step for step in plan if "TEMP B-TREE" in step], plan


@pytest.mark.parametrize(
    "question",
    [
        "SELECT * FROM event_people WHERE started_at >= 1714564800000",
        "SELECT * FROM event_people WHERE started_at >= 1 AND started_at < 2 AND monitor = 'Door'",
        "SELECT * FROM event_people WHERE event_id = 5",
        "SELECT * FROM event_people WHERE event_id IN (5, 6, 7)",
    ],
)
def test_the_people_of_some_events_are_read_from_those(planner: Planner, question: str) -> None:
    plan = planner.plan(question)
    assert not scanned(plan), plan
    assert any("SEARCH face USING INDEX face_by_event (event_id=?)" in step for step in plan), plan
    if "started_at" in question:
        assert any("event_by_start (monitor_id=? AND started_at>?" in step for step in plan), plan


def test_naming_and_renaming_read_only_what_they_change(named: Database, planner: Planner) -> None:
    book, queries = SqlFaceBook(named, ManualClock()), SqlQueries(named)
    faces = list(queries.stored_faces(FaceQuestion(names=("Anna",))))
    ben = Identification(Identity.KNOWN, "Ben")
    planner.statements.clear()
    book.tag([faces[0].id], Tag("Eva", NOON))
    book.untag([faces[0].id])
    assert book.relabel(
        [Renaming(one.id, one.identification, ben) for one in faces], None, dry_run=False
    ).changed
    assert book.undo_relabelling().changed
    asked = dict.fromkeys(sql for sql, _ in planner.statements)
    for sql in asked:
        if "TEMPORARY TABLE" in sql:
            planner.create(sql)
    for sql in asked:
        if "TABLE change" not in sql and not sql.startswith(("BEGIN", "COMMIT", "ROLLBACK")):
            plan = planner.plan(sql, (None,) * sql.count("?"))
            assert not scanned(plan), (sql, plan)


def test_recording_looks_for_homeless_tags_in_the_index(named: Database, planner: Planner) -> None:
    planner.statements.clear()
    (one,) = captures(event(5), 1)
    SqlStore(named, ManualClock()).record([seen_with(one, face_of("Anna", 1))], [])
    plans = [plan for plan in planner.plans() if any("tag" in step.split() for step in plan)]
    assert plans
    for plan in plans:
        assert not scanned(plan), plan
        assert not [step for step in plan if step.startswith("SCAN tag")], plan
