"""How a database file is, for `annotator doctor`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from db.engine import open_read_only
from db.schema import SCHEMA_VERSION


@dataclass(frozen=True, slots=True)
class Condition:
    schema: str
    journal_mode: str
    size_bytes: int


def condition_of(path: Path) -> Condition:
    """Of a database that this program can read; changes nothing. Raises DatabaseError."""
    with open_read_only(path) as database, database.reading() as connection:
        mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar_one()
    return Condition(SCHEMA_VERSION, str(mode), path.stat().st_size)
