"""The database and the fake in memory keep the same contract about faces, whatever happens."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from annotator.domain import UNKNOWN_NAME, Annotation, FaceQuestion, Renaming, Tag
from annotator.errors import QueryError
from db.engine import Database, open_database
from db.face_book import SqlFaceBook
from db.queries import SqlQueries
from db.store import SqlStore
from tests.contracts.backlog import BLURRED, captures, event
from tests.contracts.faces import (
    NEW,
    FaceBookContract,
    FaceWorld,
    annotation,
    face,
    known,
)
from tests.databases import Databases
from tests.fakes.clock import ManualClock
from tests.fakes.memory_faces import MemoryFaceBook
from tests.fakes.memory_store import MemoryQueries, MemoryStore


def in_database(database: Database) -> FaceWorld:
    clock = ManualClock()
    return FaceWorld(
        SqlStore(database, clock), SqlQueries(database), SqlFaceBook(database, clock), clock
    )


def in_memory() -> FaceWorld:
    clock = ManualClock()
    store = MemoryStore(clock)
    return FaceWorld(store, MemoryQueries(store), MemoryFaceBook(store.faces), clock)


class TestDatabase(FaceBookContract):
    @pytest.fixture
    def world(self, database: Database) -> FaceWorld:
        return in_database(database)


class TestMemory(FaceBookContract):
    @pytest.fixture
    def world(self) -> FaceWorld:
        return in_memory()


NAMES = st.sampled_from(["Anna", "Bob", None])
PLACES = (12, 300, 600)
EVERY = captures(event(), 1, 2, 3)


@st.composite
def pictures(draw: st.DrawFn) -> Annotation:
    capture = draw(st.sampled_from(EVERY))
    found = [
        face(
            draw(NAMES),
            draw(st.sampled_from([None, 1, 2])),
            x=place + draw(st.integers(0, 8)),
            side=draw(st.integers(40, 200)),
            # No two faces weigh the same: between equals the ids decide, which may differ.
            sharpness=200 + 7.123 * capture.frame + 0.00377 * place,
            seen_better=draw(st.booleans()),
        )
        for place in PLACES[: draw(st.integers(0, 3))]
    ]
    return annotation(capture, *found, *[BLURRED][: draw(st.integers(0, 1))])


Deed = tuple[object, ...]
DEEDS: st.SearchStrategy[Deed] = st.one_of(
    st.tuples(st.just("record"), pictures()),
    st.tuples(st.just("tag"), st.integers(0, 8), st.sampled_from(["Anna", "Bob"]), st.booleans()),
    st.tuples(st.just("untag"), st.integers(0, 8)),
    st.tuples(st.just("relabel"), st.lists(NAMES, min_size=3, max_size=3), st.booleans()),
    st.tuples(st.just("undo")),
)


def told(world: FaceWorld, deed: Deed) -> object:
    """What comes of one deed, told without ids."""
    match deed:
        case ("record", Annotation() as picture):
            world.store.record([picture], [])
        case ("tag", int(nth), str(name), bool(negated)):
            faces = placed(world)
            if faces:
                chosen = faces[nth % len(faces)][1]
                return world.book.tag([chosen], Tag(name, world.clock.now(), negated))
        case ("untag", int(nth)):
            faces = placed(world)
            return world.book.untag([faces[nth % len(faces)][1]]) if faces else None
        case ("relabel", list(names), bool(dry_run)):
            stored = sorted(world.faces(), key=lambda one: (one.capture.frame, one.box.xmin))
            renamings = [
                Renaming(one.id, one.identification, known(names[nth % 3]))
                for nth, one in enumerate(stored)
            ]
            return replace(world.book.relabel(renamings, NEW, dry_run=dry_run), run=None)
        case _:
            try:
                return replace(world.book.undo_relabelling(), run=None)
            except QueryError:
                return "nothing to take back"
    return None


def placed(world: FaceWorld) -> list[tuple[tuple[int, int], int]]:
    """The ids of all faces that can be tagged, in an order that does not depend on the ids."""
    return sorted(
        ((one.frame, one.face_box.xmin), one.face_id)
        for one in world.sightings()
        if one.face_box is not None
        and one.face_id is not None
        and one.verdict in ("known", "unknown")
    )


def state(world: FaceWorld) -> object:
    faces = [replace(one, id=0) for one in world.faces()]
    people = [
        (one.name, round(one.share, 9), one.faces, one.first_at, one.last_at, one.best.box)
        for one in world.people()
    ]
    return (
        world.names(),
        sorted(faces, key=lambda one: (one.capture.frame, one.box.xmin)),
        people,
    )


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(pictures(), max_size=3), st.lists(DEEDS, max_size=12))
def test_whatever_is_done_both_say_the_same(
    databases: Databases, begun: list[Annotation], deeds: list[Deed]
) -> None:
    memory = in_memory()
    with databases.fresh() as database:
        world = in_database(database)
        for deed in [*(("record", one) for one in begun), *deeds]:
            assert told(world, deed) == told(memory, deed), deed
            assert state(world) == state(memory), deed


def test_people_speak_while_captures_are_recorded(database: Database) -> None:
    """As beside a running daemon: each waits for the other's short transactions."""
    every = captures(event(), *range(1, 31))

    def record() -> None:
        store = SqlStore(database, ManualClock())
        for one in every:
            store.record([annotation(one, face("Anna", 1))], [])

    with open_database(database.path, forbidden_root=None) as other:
        world = in_database(other)
        world.store.record([annotation(*captures(event(1), 1), face(None))], [])
        (mine,) = world.faces()
        recorder = threading.Thread(target=record)
        recorder.start()
        for _ in range(10):
            world.book.tag([mine.id], Tag("Eva", world.clock.now()))
            stored = world.queries.stored_faces(FaceQuestion(names=("Eva", UNKNOWN_NAME)))
            renamings = [Renaming(one.id, one.identification, known("Bob")) for one in stored]
            world.book.relabel(renamings, NEW, dry_run=False)
            world.book.untag([mine.id])
        recorder.join()
        assert len(world.faces(names=("Anna",))) == len(every)
        assert world.faces(by_hand=True) == []
