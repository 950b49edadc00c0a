"""Values of the domain <-> the keys that stand for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Table,
    and_,
    bindparam,
    insert,
    select,
    update,
)

from annotator.domain import Capture, Event, Failure, FileStamp, Origin, Reason, SkipReason, Stay
from db.schema import event, monitor
from db.values import file_name_of, frame_format, from_ms, from_us, to_ms

ORIGINS = tuple(Origin)
"""An origin is stored as its place here, which is the order of service."""

SKIP_REASONS = tuple(SkipReason)
"""A reason to skip is stored as its place here; new ones go to the end."""

STAYS = tuple(Stay)
"""A stay is stored as its place here."""


@dataclass(frozen=True, slots=True)
class EventKey:
    """An event that the database knows."""

    id: int
    monitor_id: int
    monitor_name: str
    frame_format: str
    first_frame: int
    started_at_ms: int | None
    gone_at_ms: int | None = None
    folded_at_ms: int | None = None

    def stored_name(self, capture: Capture) -> str:
        """The capture's file name, or "" where the frame format gives it."""
        usual = file_name_of(self.frame_format, capture.frame)
        return "" if capture.file_name == usual else capture.file_name

    def columns_of(self, capture: Capture) -> dict[str, Any]:
        """The columns that tell a capture from every other, in each table of captures."""
        return {
            "event_id": self.id,
            "frame": capture.frame,
            "file_name": self.stored_name(capture),
        }


def same_capture(table: Table) -> ColumnElement[bool]:
    """Whether a row is the capture of which `its` gives the parameters."""
    return and_(*(table.c[name] == bindparam(f"its_{name}") for name in _KEY_COLUMNS))


def of_same_capture(one: Table, other: Table) -> ColumnElement[bool]:
    """Whether a row of each is of the same capture."""
    return and_(*(one.c[name] == other.c[name] for name in _KEY_COLUMNS))


def its(key: dict[str, Any]) -> dict[str, Any]:
    return {f"its_{name}": key[name] for name in _KEY_COLUMNS}


_KEY_COLUMNS = ("event_id", "frame", "file_name")


def find_event(connection: Connection, wanted: Event) -> EventKey | None:
    row = connection.execute(
        _EVENT, {"wanted_directory": wanted.monitor_directory, "wanted_path": wanted.path}
    ).one_or_none()
    return EventKey(*row) if row else None


def register_event(connection: Connection, example: Capture) -> EventKey:
    """The key of a capture's event; what the database does not know of it yet is written.

    Of a new event the example becomes the first frame.
    """
    wanted = example.event
    started_at_ms = to_ms(wanted.started_at) if wanted.started_at else None
    key = find_event(connection, wanted)
    if key is None or key.monitor_name != wanted.monitor:
        monitor_id = _register_monitor(connection, wanted)
    if key is None:
        name_format = frame_format(example.file_name, example.frame)
        values = {
            "monitor_id": monitor_id,
            "path": wanted.path,
            "frame_format": name_format,
            "first_frame": example.frame,
            "started_at": started_at_ms,
        }
        event_id = _inserted(connection, event, values)
        return EventKey(
            event_id, monitor_id, wanted.monitor, name_format, example.frame, started_at_ms
        )
    if started_at_ms is not None:
        set_start(connection, key, started_at_ms)
    return key


def set_start(connection: Connection, key: EventKey, started_at_ms: int) -> None:
    """Give an event a start unless it has one."""
    if key.started_at_ms is None:
        connection.execute(
            update(event)
            .where(event.c.id == key.id, event.c.started_at.is_(None))
            .values(started_at=started_at_ms)
        )


def reopen(connection: Connection, key: EventKey) -> None:
    """Captures of an event were met or looked at: the recorder has it, and it may have something
    to fold again."""
    if key.gone_at_ms is not None or key.folded_at_ms is not None:
        connection.execute(
            update(event).where(event.c.id == key.id).values(gone_at=None, folded_at=None)
        )


def key_of(connection: Connection, table: Table, **values: str | int) -> int:
    """The id of a row that is its values (a label, a provenance), which is written where new."""
    found: int | None = connection.scalar(select(table.c.id).filter_by(**values))
    return _inserted(connection, table, values) if found is None else found


CAPTURE_COLUMNS = (
    monitor.c.name.label("monitor"),
    monitor.c.directory.label("monitor_directory"),
    event.c.path.label("event"),
    event.c.started_at,
    event.c.frame_format,
)
"""What `capture_from` needs besides `frame` and `file_name`."""


def event_from(row: Row[Any]) -> Event:
    return Event(
        monitor=row.monitor,
        monitor_directory=row.monitor_directory,
        path=row.event,
        started_at=None if row.started_at is None else from_ms(row.started_at),
    )


def capture_from(row: Row[Any]) -> Capture:
    return Capture(
        event=event_from(row),
        file_name=row.file_name or file_name_of(row.frame_format, row.frame),
        frame=row.frame,
    )


def failure_from(row: Row[Any]) -> Failure:
    """From a row of `failure` with CAPTURE_COLUMNS, which are NULL for a directory."""
    failed = None if row.event_id is None else capture_from(row)
    return Failure(
        path=row.directory if failed is None else failed.path,
        reason=Reason(row.reason),
        message=row.message,
        capture=failed,
        attempts=row.attempts,
        stamp=None if row.size is None else FileStamp(row.size, from_us(row.modified_us)),
    )


# Built once, since building a statement takes longer than running it; the columns are EventKey's.
_EVENT = (
    select(
        event.c.id,
        event.c.monitor_id,
        monitor.c.name,
        event.c.frame_format,
        event.c.first_frame,
        event.c.started_at,
        event.c.gone_at,
        event.c.folded_at,
    )
    .join(monitor)
    .where(
        monitor.c.directory == bindparam("wanted_directory"),
        event.c.path == bindparam("wanted_path"),
    )
)


def _register_monitor(connection: Connection, wanted: Event) -> int:
    row = connection.execute(
        select(monitor.c.id, monitor.c.name).where(monitor.c.directory == wanted.monitor_directory)
    ).one_or_none()
    if row is None:
        values = {"name": wanted.monitor, "directory": wanted.monitor_directory}
        return _inserted(connection, monitor, values)
    if row.name != wanted.monitor:  # renamed in the recorder; the captures are the same
        connection.execute(
            update(monitor).where(monitor.c.id == row.id).values(name=wanted.monitor)
        )
    key: int = row.id
    return key


def _inserted(connection: Connection, table: Table, values: dict[str, Any]) -> int:
    result = connection.execute(insert(table).values(values))
    assert result.inserted_primary_key is not None
    key: int = result.inserted_primary_key[0]
    return key
