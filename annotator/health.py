"""How the daemon is, for `annotator status`: a small file beside the database.

Written on a change and once a minute, so that it says something even of a daemon that hangs.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from annotator.outposts import StoreHealth


@dataclass(frozen=True, slots=True)
class Health:
    """`annotated_per_minute` is over the last minute; `delegates` are what made those rows.

    `stood_in_for` are the Edge TPUs that are away, whose work the CPU does. `waiting` is the
    backlog.
    """

    written_at: datetime
    mount: StoreHealth
    workers: tuple[int, ...]
    worker_restarts: int
    annotated_per_minute: float
    delegates: tuple[str, ...]
    database_stuck: bool
    stood_in_for: tuple[str, ...] = ()
    waiting: int = 0


_adapter: TypeAdapter[Health] = TypeAdapter(Health)


def health_file(database: Path) -> Path:
    return database.with_name(database.name + ".health")


def write_health(database: Path, health: Health) -> None:
    """Raises OSError."""
    path = health_file(database)
    part = path.with_name(path.name + ".part")
    part.write_bytes(_adapter.dump_json(health))
    part.replace(path)


def read_health(database: Path) -> Health | None:
    """None where no daemon ever ran, or an older one wrote something else."""
    try:
        return _adapter.validate_json(health_file(database).read_bytes())
    except (OSError, ValidationError):
        return None
