"""How many captures of a monitor lie between two moments.

In order they are those of its events in order, by frame. Of those in runs only the ones in which
nothing was seen count: where something was, it may have been what is looked for.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Select,
    bindparam,
    func,
    literal,
    select,
    union_all,
)

from annotator.stillness import Moment
from db.folded import frames_between
from db.schema import capture, event, folded

NEAREST_EVENTS = 200
"""So many events are looked through, so that nothing takes long."""


def captures_between(
    connection: Connection, monitor_id: int, earlier: Moment, later: Moment, at_most: int
) -> int:
    """Without those at the two moments; of more than `at_most`, that many."""
    counting = _BETWEEN_FRAMES if earlier.event == later.event else _BETWEEN_EVENTS
    between = {
        "of_monitor": monitor_id,
        "first_event": earlier.event,
        "first_frame": earlier.frame,
        "last_event": later.event,
        "last_frame": later.frame,
    }
    counted: int = connection.execute(counting, between | {"at_most": at_most}).scalar_one()
    return counted


def captures_after(connection: Connection, monitor_id: int, moment: Moment, at_most: int) -> int:
    """All later than the moment; of more than `at_most`, that many."""
    after = {
        "of_monitor": monitor_id,
        "first_event": moment.event,
        "first_frame": moment.frame,
        "at_most": at_most,
    }
    counted: int = connection.execute(_AFTER, after).scalar_one()
    return counted


# Built once, since building a statement takes longer than running it.

_BEGIN: BindParameter[int] = bindparam("first_frame")
_END: BindParameter[int] = bindparam("last_frame")
_EMPTY = folded.c.seen == 0


def _rows(*conditions: ColumnElement[bool]) -> Select[Any]:
    return select(literal(1).label("captures")).where(*conditions)


def _runs(event_id: str, lowest: ColumnElement[int], highest: ColumnElement[int]) -> Select[Any]:
    captures = frames_between(lowest, highest).label("captures")
    return select(captures).where(
        folded.c.event_id == bindparam(event_id),
        _EMPTY,
        folded.c.first_frame <= highest,
        folded.c.last_frame >= lowest,
        captures > 0,
    )


_OF_FIRST = (capture.c.event_id == bindparam("first_event"), capture.c.frame > _BEGIN)
_REST_OF_FIRST = (
    _rows(*_OF_FIRST),
    _runs("first_event", _BEGIN + 1, folded.c.last_frame),
)
_START_OF_LAST = (
    _rows(capture.c.event_id == bindparam("last_event"), capture.c.frame < _END),
    _runs("last_event", folded.c.first_frame, _END - 1),
)


def _start(parameter: str) -> Any:
    return select(event.c.started_at).where(event.c.id == bindparam(parameter)).scalar_subquery()


_LATER_EVENTS = (
    select(event.c.id)
    .where(
        event.c.monitor_id == bindparam("of_monitor"),
        event.c.started_at > _start("first_event"),
    )
    .order_by(event.c.started_at)
    .limit(NEAREST_EVENTS)
)


def _of_events(events: Select[Any]) -> tuple[Select[Any], ...]:
    those = events.subquery()
    return (
        _rows().select_from(those.join(capture, capture.c.event_id == those.c.id)),
        select(folded.c.captures)
        .select_from(those.join(folded, folded.c.event_id == those.c.id))
        .where(_EMPTY),
    )


def _counted(*parts: Select[Any]) -> Select[Any]:
    # The limit ends the counting: each row stands for one capture or more.
    at_most: BindParameter[int] = bindparam("at_most")
    some = union_all(*parts).limit(at_most).subquery()
    return select(func.min(func.coalesce(func.sum(some.c.captures), 0), at_most))


_BETWEEN_FRAMES = _counted(
    _rows(*_OF_FIRST, capture.c.frame < _END), _runs("first_event", _BEGIN + 1, _END - 1)
)
_BETWEEN_EVENTS = _counted(
    *_REST_OF_FIRST,
    *_START_OF_LAST,
    *_of_events(_LATER_EVENTS.where(event.c.started_at < _start("last_event"))),
)
_AFTER = _counted(*_REST_OF_FIRST, *_of_events(_LATER_EVENTS))
