"""Databases for the tests of db/."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from db.engine import Database
from tests.databases import Databases


@pytest.fixture
def migrated(databases: Databases) -> Path:
    """An empty database of the newest schema; not to be changed."""
    return databases.migrated


@pytest.fixture
def database(databases: Databases) -> Iterator[Database]:
    """A database of its own for each test."""
    with databases.fresh() as database:
        yield database
