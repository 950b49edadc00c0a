"""The database and the fake in memory keep the same contract."""

from __future__ import annotations

import pytest

from db.backlog import SqlBacklog
from db.engine import Database
from db.queries import SqlQueries
from db.store import SqlStore
from tests.contracts.backlog import StoreContract, World, stationary_at
from tests.fakes.clock import ManualClock
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
