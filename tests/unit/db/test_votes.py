"""The people of many events are those of the view `event_people`."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from annotator.domain import EventName, Face, Tag
from db.face_book import SqlFaceBook
from db.questions.votes import names_of_events
from db.store import SqlStore
from tests.contracts.backlog import NOON, annotation, captures, detection, event
from tests.contracts.faces import face
from tests.databases import Databases
from tests.fakes.clock import ManualClock

NAMES = ("Anna", "Bob", "Eva")
UNTIMED = replace(event(2), path="holiday", started_at=None)
PLACES = [*captures(event(), 1, 2, 3), *captures(event(1, "Hall"), 1, 2), *captures(UNTIMED, 1, 2)]

# Their weights, half of the side, add up exactly in any order.
FACES = st.lists(
    st.builds(
        face,
        st.sampled_from([*NAMES, None]),
        st.sampled_from([None, 1, 1, 2]),
        side=st.sampled_from([40, 80, 120]),
        seen_better=st.booleans(),
    ),
    max_size=4,
)
SAID = st.tuples(st.integers(0, 20), st.sampled_from(NAMES), st.booleans())
IN_VIEW = text("""
    SELECT event_id, name, share, faces FROM event_people
    ORDER BY event_id, by_hand DESC, share DESC, name
""")


def side_by_side(faces: list[Face]) -> list[Face]:
    return [replace(one, box=one.box.translate(200 * n, 0)) for n, one in enumerate(faces)]


@given(
    st.lists(FACES, min_size=len(PLACES), max_size=len(PLACES)),
    st.lists(SAID, max_size=3, unique_by=lambda said: said[0]),
)
@settings(max_examples=25, deadline=None)
def test_the_vote_is_that_of_the_view(
    databases: Databases, seen: list[list[Face]], said: list[tuple[int, str, bool]]
) -> None:
    with databases.fresh() as database:
        clock = ManualClock()
        SqlStore(database, clock).record(
            [
                annotation(place, detection(faces=side_by_side(faces)), captured_at=NOON)
                for place, faces in zip(PLACES, seen, strict=True)
            ],
            [],
        )
        with database.reading() as connection:
            ids = connection.scalars(text("SELECT id FROM face ORDER BY id")).all()
        book = SqlFaceBook(database, clock)
        for place, name, negated in said:
            if ids:
                book.tag([ids[place % len(ids)]], Tag(name, NOON, negated))
        with database.reading() as connection:
            rows = connection.execute(IN_VIEW).all()
            expected: dict[int, tuple[EventName, ...]] = {}
            for event_id, *its in rows:
                expected[event_id] = (*expected.get(event_id, ()), EventName(*its))
            events = connection.scalars(text("SELECT id FROM event")).all()
            assert names_of_events(connection, events) == expected
