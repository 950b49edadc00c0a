"""Paths of events -> the events; for one that there is not, the nearest."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    String,
    and_,
    bindparam,
    func,
    select,
)

from annotator.errors import QueryError
from db.keys import CAPTURE_COLUMNS
from db.planning import CrossJoin
from db.schema import event, monitor
from db.values import printable

_NEAREST_EVENTS = 3


def events_called(connection: Connection, path: str) -> Sequence[Row[Any]]:
    """The rows of the events with this path, below their monitor's directory, or below the root by
    the monitor's directory or its name."""
    called = printable(path).strip("/")
    return connection.execute(_EVENTS_CALLED, {"called": called}).all()


def event_ids(connection: Connection, paths: Sequence[str]) -> tuple[int, ...]:
    """Raises QueryError for a path that no event has."""
    found: dict[int, None] = {}
    for path in paths:
        rows = events_called(connection, path)
        if not rows:
            raise _no_such_event(connection, path)
        found |= dict.fromkeys(row.id for row in rows)
    return tuple(found)


def _no_such_event(connection: Connection, path: str) -> QueryError:
    """There may be a million events: only those beside it in the order of paths are looked at."""
    wanted = printable(path).strip("/")
    near: list[str] = []
    for row in connection.execute(select(monitor.c.id, monitor.c.name, monitor.c.directory)).all():
        inside = wanted.removeprefix(f"{row.directory}/").removeprefix(f"{row.name}/")
        beside = {"of_monitor": row.id, "called": inside}
        for statement in (_EVENTS_BEFORE, _EVENTS_AFTER):
            near += [
                f"{row.directory}/{one}" if inside != wanted else one
                for one in connection.scalars(statement, beside)
            ]
    best = difflib.get_close_matches(wanted, near, n=1)
    hint = f"; did you mean {best[0]}?" if best else ""
    return QueryError(
        f"no event {path!r} in the database{hint}", "`annotator events` lists what there is"
    )


# Built once, since building a statement takes longer than running it.

_CALLED: ColumnElement[str] = bindparam("called", type_=String)


def _called_below(place: ColumnElement[str]) -> ColumnElement[str]:
    """What is called without the place, where it begins with that."""
    below = place.concat("/")
    return func.iif(
        func.substr(_CALLED, 1, func.length(below)) == below,
        func.substr(_CALLED, func.length(below) + 1),
        _CALLED,
    )


_EVENTS_CALLED: Select[Any] = select(event.c.id, *CAPTURE_COLUMNS).select_from(
    CrossJoin(
        monitor,
        event,
        and_(
            event.c.monitor_id == monitor.c.id,
            event.c.path.in_(
                [
                    _CALLED,
                    _called_below(monitor.c.directory),
                    _called_below(monitor.c.name),
                    func.iif(monitor.c.directory == _CALLED, "", _CALLED),
                ]
            ),
        ),
    )
)
_OF_MONITOR = select(event.c.path).where(event.c.monitor_id == bindparam("of_monitor"))
_EVENTS_BEFORE = (
    _OF_MONITOR.where(event.c.path < bindparam("called"))
    .order_by(event.c.path.desc())
    .limit(_NEAREST_EVENTS)
)
_EVENTS_AFTER = (
    _OF_MONITOR.where(event.c.path > bindparam("called"))
    .order_by(event.c.path)
    .limit(_NEAREST_EVENTS)
)
