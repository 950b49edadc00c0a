"""Captures to look at, spread evenly over those of a window."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Select, bindparam, func, select

from annotator.domain import Capture, Window
from db.keys import CAPTURE_COLUMNS, capture_from
from db.schema import capture, event, monitor
from db.windows import in_window


def sample(connection: Connection, window: Window, count: int) -> tuple[Capture, ...]:
    """Counts the captures by event, but reads none but those it takes."""
    fitting = (
        select(event.c.id, func.count())
        .select_from(capture.join(event).join(monitor))
        .where(in_window(capture, window))
        .group_by(event.c.id)
        .order_by(event.c.started_at, event.c.id)
    )
    one = _places(window).subquery()
    chosen = select(one).where(one.c.place.in_(bindparam("places", expanding=True)))
    sizes = connection.execute(fitting).all()
    return tuple(
        capture_from(row)
        for event_id, places in _spread([tuple(row) for row in sizes], count)
        for row in connection.execute(chosen, {"of_event": event_id, "places": places})
    )


def _spread(sizes: Sequence[tuple[int, int]], count: int) -> Iterator[tuple[int, list[int]]]:
    """Of events with so many captures each, which places to take, to get `count` evenly spread."""
    total = sum(size for _, size in sizes)
    count = min(count, total)
    wanted = ((2 * n + 1) * total // (2 * count) for n in range(count))
    rank, begin = next(wanted, total), 0
    for event_id, size in sizes:
        places = []
        while rank < begin + size:
            places.append(rank - begin)
            rank = next(wanted, total)
        if places:
            yield event_id, places
        begin += size


def _places(window: Window) -> Select[Any]:
    """The captures of one event that are of the window, with their places among them."""
    order = func.row_number().over(order_by=(capture.c.frame, capture.c.file_name))
    return (
        select(capture.c.frame, capture.c.file_name, (order - 1).label("place"), *CAPTURE_COLUMNS)
        .select_from(capture.join(event).join(monitor))
        .where(capture.c.event_id == bindparam("of_event"), in_window(capture, window))
        .order_by(capture.c.frame, capture.c.file_name)
    )
