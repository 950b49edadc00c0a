"""Captures that are asked for again by hand, as plain set operations: there may be very many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Table,
    and_,
    delete,
    exists,
    func,
    insert,
    literal,
    select,
    true,
)

from annotator.domain import Origin, Reason, Window
from db.engine import Database
from db.keys import ORIGINS, of_same_capture
from db.schema import backlog, capture, event, failure, monitor, provenance
from db.windows import in_window, lies_below

REDONE_AT_ONCE = 2000
"""No transaction of `redo_fallback` writes more, so that the daemon need not wait long."""


def retry_failures(
    connection: Connection, reasons: Sequence[Reason], paths: Sequence[str], now_ms: int
) -> int:
    """Move the captures among the failures that fit to the backlog; how many those are."""
    # Joined with their event: a directory that could not be listed has none, and stays.
    captures = failure.join(event).join(monitor)
    wanted = and_(
        failure.c.reason.in_(reasons) if reasons else true(),
        lies_below(failure, paths),
    )
    row = _backfilled(failure, now_ms)
    found = select(*row.values()).select_from(captures).where(wanted)
    connection.execute(insert(backlog).from_select([*row], found))
    over = select(failure.c.id).select_from(captures).where(wanted)
    return connection.execute(delete(failure).where(failure.c.id.in_(over))).rowcount


def redo_fallback(database: Database, window: Window, now_ms: int) -> int:
    """Put captures annotated on the fallback on the backlog as well; how many were not there."""
    row = _backfilled(capture, now_ms)
    waits = exists().where(
        of_same_capture(backlog, capture),
    )
    found = (
        select(*(value.label(column.name) for column, value in row.items()))
        .select_from(capture.join(event).join(monitor))
        .where(
            capture.c.provenance_id.in_(select(provenance.c.id).where(provenance.c.fallback == 1)),
            ~waits.correlate(capture),
            in_window(capture, window),
        )
    )
    redone = 0
    # Looked for in one snapshot, written in between: the right to write is held only for a moment.
    with database.reading() as connection:
        streamed = connection.execution_options(yield_per=REDONE_AT_ONCE).execute(found)
        for rows in streamed.partitions():
            with database.writing() as writing:
                redone += writing.execute(_WAIT_TOO, [dict(one._mapping) for one in rows]).rowcount
    return redone


# Another process may have been faster.
_WAIT_TOO = insert(backlog).prefix_with("OR IGNORE").execution_options(preserve_rowcount=True)


def _backfilled(table: Table, now_ms: int) -> dict[Column[Any], Any]:
    """The row of the backlog for a capture in a table, joined with its event."""
    return {
        backlog.c.event_id: table.c.event_id,
        backlog.c.frame: table.c.frame,
        backlog.c.file_name: table.c.file_name,
        backlog.c.monitor_id: event.c.monitor_id,
        backlog.c.origin: literal(ORIGINS.index(Origin.BACKFILL)),
        backlog.c.fineness: literal(0),
        backlog.c.event_started_at: func.coalesce(event.c.started_at, 0),
        backlog.c.added_at: literal(now_ms),
    }
