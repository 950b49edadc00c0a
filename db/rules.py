"""What [retention] asks of the monitors and labels of a database, and what became of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, Connection, case, select

from db.schema import label, monitor
from db.values import to_ms

if TYPE_CHECKING:
    from annotator.config import RetentionSettings
    from annotator.ports import Clock


class What(StrEnum):
    """What is pruned."""

    DETECTIONS = "detections"
    EMBEDDINGS = "embeddings of unknown faces"
    EMPTY = "empty captures"
    EVENTS = "events the recorder deleted"


@dataclass(frozen=True, slots=True)
class Pruned:
    """How much of something went, or would go, of one monitor; of detections, of one label."""

    what: What
    monitor: str
    count: int
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """One transaction: what went in it, and how far the work on `what` is."""

    what: What
    done: int
    total: int
    pruned: tuple[Pruned, ...]


class Deadlines:
    """Per monitor, by id, before when in milliseconds something goes; the others keep it all."""

    def __init__(self, before_ms: Mapping[int, int]) -> None:
        self.before_ms = {key: before for key, before in before_ms.items() if before > 0}

    def __bool__(self) -> bool:
        return bool(self.before_ms)

    @property
    def last_ms(self) -> int:
        return max(self.before_ms.values())

    def of(self, monitor_id: ColumnElement[int]) -> ColumnElement[int]:
        return case(self.before_ms, value=monitor_id, else_=0)


class Rules:
    """What [retention] asks of the monitors and labels that the database knows, from now on."""

    def __init__(
        self,
        connection: Connection,
        clock: Clock,
        settings_of: Callable[[str], RetentionSettings],
    ) -> None:
        self._now_ms = to_ms(clock.now())
        rows = connection.execute(select(monitor.c.id, monitor.c.name)).all()
        self.monitors: dict[int, str] = {row.id: row.name for row in rows}
        self.labels: dict[int, str] = {
            row.id: row.name for row in connection.execute(select(label.c.id, label.c.name))
        }
        self.settings = {key: settings_of(name) for key, name in self.monitors.items()}

    def deadlines(self, days_of: Callable[[RetentionSettings], float]) -> Deadlines:
        return Deadlines({key: self._before(days_of(one)) for key, one in self.settings.items()})

    def _before(self, days: float) -> int:
        return self._now_ms - timedelta(days=days) // timedelta(milliseconds=1) if days else 0
