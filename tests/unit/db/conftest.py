"""Databases for the tests of db/."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from db.engine import Database, open_database


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database of the newest schema; not to be changed."""
    path = tmp_path_factory.mktemp("migrated") / "annotator.sqlite"
    open_database(path, forbidden_root=None).close()
    return path


@pytest.fixture
def database(migrated: Path, tmp_path: Path) -> Iterator[Database]:
    """A database of its own for each test."""
    path = tmp_path / "annotator.sqlite"
    shutil.copyfile(migrated, path)
    with open_database(path, forbidden_root=None) as database:
        yield database
