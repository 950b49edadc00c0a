"""The database and the fake in memory keep the same contract."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from db.backlog import SqlBacklog
from db.engine import Database
from db.face_book import SqlFaceBook
from db.queries import SqlQueries
from db.store import SqlStore
from tests.contracts.backlog import StoreContract, World, stationary_at
from tests.contracts.questions import LATER, AskedWorld, QuestionsContract
from tests.fakes.clock import ManualClock
from tests.fakes.memory_faces import MemoryFaceBook
from tests.fakes.memory_store import MemoryQueries, MemoryStore


class TestDatabase(StoreContract):
    @pytest.fixture
    def world(self, database: Database) -> World:
        clock = ManualClock()
        store = SqlStore(database, clock, stationary_at)
        return World(SqlBacklog(database, clock), store, SqlQueries(database), clock)


class TestMemory(StoreContract):
    @pytest.fixture
    def world(self) -> World:
        clock = ManualClock()
        store = MemoryStore(clock, stationary_at)
        return World(store, store, MemoryQueries(store), clock)


class TestQuestionsToTheDatabase(QuestionsContract):
    @pytest.fixture
    def world(self, database: Database, local_zone: Callable[[str], None]) -> AskedWorld:
        local_zone("Europe/Berlin")
        clock = ManualClock(LATER)
        return AskedWorld(
            SqlBacklog(database, clock),
            SqlStore(database, clock, stationary_at),
            SqlQueries(database, clock),
            SqlFaceBook(database, clock),
            clock,
        )


class TestQuestionsToMemory(QuestionsContract):
    @pytest.fixture
    def world(self, local_zone: Callable[[str], None]) -> AskedWorld:
        local_zone("Europe/Berlin")
        clock = ManualClock(LATER)
        store = MemoryStore(clock, stationary_at)
        queries = MemoryQueries(store)
        return AskedWorld(store, store, queries, MemoryFaceBook(store.faces), clock)
