"""Failures that are asked for again by hand, as plain set operations: there may be very many."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import (
    ColumnElement,
    Connection,
    String,
    and_,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    true,
)

from annotator.domain import Origin, Reason
from db.keys import ORIGINS
from db.schema import backlog, event, failure, monitor
from db.values import printable


def retry_failures(
    connection: Connection, reasons: Sequence[Reason], paths: Sequence[str], now_ms: int
) -> int:
    """Move the captures among the failures that fit to the backlog; how many those are."""
    # Joined with their event: a directory that could not be listed has none, and stays.
    captures = failure.join(event).join(monitor)
    wanted = and_(
        failure.c.reason.in_(reasons) if reasons else true(),
        or_(*map(_is_or_lies_below, paths)) if paths else true(),
    )
    row = {
        backlog.c.event_id: failure.c.event_id,
        backlog.c.frame: failure.c.frame,
        backlog.c.file_name: failure.c.file_name,
        backlog.c.monitor_id: event.c.monitor_id,
        backlog.c.origin: literal(ORIGINS.index(Origin.BACKFILL)),
        backlog.c.fineness: literal(0),
        backlog.c.event_started_at: func.coalesce(event.c.started_at, 0),
        backlog.c.added_at: literal(now_ms),
    }
    found = select(*row.values()).select_from(captures).where(wanted)
    connection.execute(insert(backlog).from_select([*row], found))
    over = select(failure.c.id).select_from(captures).where(wanted)
    return connection.execute(delete(failure).where(failure.c.id.in_(over))).rowcount


def _below(directory: ColumnElement[str]) -> ColumnElement[str]:
    return func.iif(directory == "", "", directory.concat("/"), type_=String)


_path = (
    _below(monitor.c.directory)
    .concat(_below(event.c.path))
    .concat(
        func.iif(
            failure.c.file_name == "",
            func.printf(event.c.frame_format, failure.c.frame),
            failure.c.file_name,
        )
    )
)


def _is_or_lies_below(path: str) -> ColumnElement[bool]:
    place = printable(path).rstrip("/")
    if not place:  # the store's root
        return true()
    below = f"{place}/"
    # Not LIKE, to which `_` and `%` mean something.
    return or_(_path == place, func.substr(_path, 1, len(below)) == below)
