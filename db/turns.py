"""The order in which waiting captures are handed out.

Live goes before reconcile before backfill. Within an origin the monitors take turns: of each that
has something waiting one capture is taken, then the next of each. The turn goes on where the last
lease stopped, which is remembered while the program runs, so that leases of one capture are as
fair as large ones. Of one monitor the index `backlog_by_urgency` has the order: coarse to fine
(`db.values.fineness`), newest event first, frames ascending; a backfilled capture's fineness is 0.
Nothing is sorted, and little more is read than what is handed out, however much waits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from contextlib import ExitStack, closing
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, bindparam, exists, func, or_, select

from annotator.domain import Origin
from db.keys import CAPTURE_COLUMNS, ORIGINS
from db.schema import attempt, backlog, event, monitor

Rows = Generator[Row[Any], None, None]


class Turns:
    """Remembers whose turn it is."""

    def __init__(self) -> None:
        self._served_last: dict[Origin, int] = {}

    def free(self, connection: Connection, now_ms: int) -> Rows:
        """All captures that can be leased, most urgent first; to be closed by who stops early."""
        for place, origin in enumerate(ORIGINS):
            last = self._served_last.get(origin, 0)
            waiting = connection.scalars(_MONITORS_WAITING, {"place": place}).all()
            with ExitStack() as opened:
                queues = deque(
                    opened.enter_context(closing(_of_monitor(connection, place, one, now_ms)))
                    for one in sorted(waiting, key=lambda key: (key <= last, key))
                )
                while queues:
                    queue = queues.popleft()
                    if (row := next(queue, None)) is not None:
                        self._served_last[origin] = row.monitor_id
                        yield row
                        queues.append(queue)


def _of_monitor(connection: Connection, place: int, monitor_id: int, now_ms: int) -> Rows:
    """One monitor's captures of one origin; asks the database when the first is wanted."""
    parameters = {"place": place, "of_monitor": monitor_id, "now": now_ms}
    with connection.execute(_FREE, parameters) as rows:
        yield from rows


_MONITORS_WAITING = select(monitor.c.id).where(
    exists().where(backlog.c.monitor_id == monitor.c.id, backlog.c.origin == bindparam("place"))
)

_FREE: Select[Any] = (
    select(
        backlog.c.event_id,
        backlog.c.frame,
        backlog.c.file_name,
        backlog.c.monitor_id,
        backlog.c.origin,
        backlog.c.added_at,
        func.coalesce(attempt.c.attempts, 0).label("attempts"),
        *CAPTURE_COLUMNS,
    )
    .select_from(backlog)
    .join(event, event.c.id == backlog.c.event_id)
    .join(monitor, monitor.c.id == backlog.c.monitor_id)
    .outerjoin(attempt)
    .where(
        backlog.c.monitor_id == bindparam("of_monitor"),
        backlog.c.origin == bindparam("place"),
        or_(
            attempt.c.event_id.is_(None),
            and_(
                attempt.c.leased == 0,
                or_(attempt.c.not_before.is_(None), attempt.c.not_before <= bindparam("now")),
            ),
        ),
    )
    .order_by(
        backlog.c.fineness,
        backlog.c.event_started_at.desc(),
        backlog.c.event_id,
        backlog.c.frame,
    )
)
