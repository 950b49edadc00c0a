"""The counts that triggers keep are what a recount gives, whatever happened before."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from annotator.domain import (
    Annotation,
    Capture,
    Detection,
    FaceQuestion,
    Renaming,
    Stay,
    Tag,
)
from db.engine import Database
from db.face_book import SqlFaceBook
from db.keys import STAYS
from db.queries import SqlQueries
from db.store import SqlStore
from tests.contracts.backlog import BLURRED, CAR, NOON, annotation, captures, detection, event
from tests.contracts.faces import face, known
from tests.databases import Databases
from tests.fakes.clock import ManualClock

RECOUNTED = {
    "label_count": """
        SELECT label_id, captured_at / 900000, event_id, stay IS 1, monitor_id, count(*),
            sum((SELECT max(count(*), 1) FROM face WHERE detection_id = detection.id))
        FROM detection GROUP BY 1, 2, 3, 4
    """,
    "name_count": """
        SELECT coalesce(name, 'unknown'), face.captured_at / 900000, face.event_id, stay IS 1,
            monitor_id, count(*)
        FROM face JOIN detection ON detection.id = detection_id
        WHERE verdict IN ('known', 'unknown') GROUP BY 1, 2, 3, 4
    """,
}
BEGINNINGS = """
    SELECT event.id FROM event
    WHERE began_at IS NULL AND EXISTS (SELECT 1 FROM capture WHERE event_id = event.id)
        OR began_at > (SELECT min(captured_at) FROM capture WHERE event_id = event.id)
"""

# Two events on either side of a quarter of an hour, of two monitors.
PLACES = [
    *captures(event(14), *range(50, 70)),
    *captures(event(14, "Hall"), *range(50, 70)),
    *captures(event(15, "Hall"), 1, 2),
]
FACES = st.builds(
    face,
    st.sampled_from(["Anna", "Bob", None]),
    st.sampled_from([None, 1, 2]),
    x=st.sampled_from([12, 300, 600]),
    seen_better=st.booleans(),
)
PEOPLE = st.lists(FACES | st.just(BLURRED), max_size=3).map(lambda seen: detection(faces=seen))
DETECTIONS = st.lists(PEOPLE | st.just(CAR) | st.just(detection("cat")), max_size=3)
NAMES = st.sampled_from(["Anna", "Bob", "Eva"])

Step = Callable[[Database], None]


def record(seen: dict[Capture, list[Detection]]) -> Step:
    def run(database: Database) -> None:
        annotations: list[Annotation] = [
            annotation(one, *found, captured_at=NOON + timedelta(minutes=14, seconds=one.frame))
            for one, found in seen.items()
        ]
        SqlStore(database, ManualClock()).record(annotations, [])

    return run


def name(number: int, called: str | None) -> Step:
    """Give one of the faces there are a new name, or take it away."""

    def run(database: Database) -> None:
        faces = list(SqlQueries(database).stored_faces(FaceQuestion()))
        if faces:
            one = faces[number % len(faces)]
            renaming = Renaming(one.id, one.identification, known(called))
            SqlFaceBook(database, ManualClock()).relabel([renaming], "family@0", dry_run=False)

    return run


def say(number: int, called: str | None) -> Step:
    """A person's word about one of the faces there are, or that it is forgotten."""

    def run(database: Database) -> None:
        faces = list(SqlQueries(database).stored_faces(FaceQuestion()))
        book = SqlFaceBook(database, ManualClock())
        if faces:
            its_id = [faces[number % len(faces)].id]
            if called is None:
                book.untag(its_id)
            else:
                book.tag(its_id, Tag(called, NOON, negated=bool(number % 3)))

    return run


def plainly(sql: str, *values: object) -> Step:
    def run(database: Database) -> None:
        with database.writing() as connection:
            connection.exec_driver_sql(sql, values)

    return run


def stand(number: int, stay: Stay | None) -> Step:
    return plainly(
        "UPDATE detection SET stationary_id = ?, stay = ? WHERE id % 5 = ?",
        None if stay is None else 1,
        None if stay is None else STAYS.index(stay),
        number % 5,
    )


NUMBERS = st.integers(0, 99)
STEPS = st.one_of(
    st.builds(record, st.dictionaries(st.sampled_from(PLACES), DETECTIONS, min_size=1)),
    st.builds(name, NUMBERS, NAMES | st.none()),
    st.builds(say, NUMBERS, NAMES | st.none()),
    st.builds(stand, NUMBERS, st.sampled_from([None, *Stay])),
    st.builds(lambda n: plainly("DELETE FROM capture WHERE frame % 7 = ?", n % 7), NUMBERS),
    st.builds(lambda n: plainly("DELETE FROM detection WHERE id % 5 = ?", n % 5), NUMBERS),
    st.builds(lambda n: plainly("DELETE FROM face WHERE id % 5 = ?", n % 5), NUMBERS),
)


def differences(path: Path) -> dict[str, set[tuple[object, ...]]]:
    with closing(sqlite3.connect(path)) as connection:
        found = {
            table: {*connection.execute(recount)} ^ {*connection.execute(f"SELECT * FROM {table}")}
            for table, recount in RECOUNTED.items()
        }
        found["event"] = {*connection.execute(BEGINNINGS)}
    return {table: rows for table, rows in found.items() if rows}


@given(st.lists(STEPS, min_size=1, max_size=8))
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_history(databases: Databases, history: list[Step]) -> None:
    with databases.fresh() as database:
        for step in history:
            step(database)
            assert not differences(database.path)


def test_what_stands_still_is_counted_by_itself(database: Database) -> None:
    """With its faces: a poster may have one."""
    two = replace(detection(faces=[face("Anna"), face("Anna", x=300), BLURRED]))
    SqlStore(database, ManualClock()).record([annotation(PLACES[0], two, CAR)], [])
    for stay in (Stay.STILL_THERE, Stay.LEFT, Stay.STILL_THERE):
        for number in range(5):
            stand(number, stay)(database)
        with database.reading() as connection:
            labels = connection.exec_driver_sql(
                "SELECT still, sum(detections), sum(sightings) FROM label_count GROUP BY still"
            ).all()
            names = connection.exec_driver_sql("SELECT still, name, faces FROM name_count").all()
        still = int(stay is Stay.STILL_THERE)
        assert labels == [(still, 2, 4)]
        assert names == [(still, "Anna", 2)]
        assert not differences(database.path)


def test_nothing_is_left_where_all_is_deleted(database: Database) -> None:
    seen = detection(faces=[face("Anna"), face(), BLURRED])
    SqlStore(database, ManualClock()).record([annotation(one, seen, CAR) for one in PLACES], [])
    plainly("DELETE FROM capture")(database)
    with database.reading() as connection:
        for table in RECOUNTED:
            assert connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar() == 0
