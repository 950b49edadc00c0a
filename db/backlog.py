"""The waiting captures: a table, so that it survives a power cut.

A row of `backlog` is written when a capture is added and deleted when its result is recorded. What
changes in between (attempts, leases, delays) is in the small table `attempt`, which keeps the
writes of a lease to a page or two: the database may lie on an SD card.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    Connection,
    Select,
    and_,
    bindparam,
    func,
    insert,
    or_,
    select,
    union_all,
    update,
)
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from annotator.domain import Capture, Event, Lease, Origin
from db.engine import Database
from db.keys import CAPTURE_COLUMNS, ORIGINS, capture_from, find_event, register_event
from db.schema import attempt, backlog, capture, event, failure, monitor, tally
from db.values import file_name_of, from_ms, to_ms

if TYPE_CHECKING:
    from annotator.ports import Clock


class SqlBacklog:
    """The port `Backlog`, for one supervisor at a time (see db.lock)."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def add(self, captures: Sequence[Capture], origin: Origin) -> int:
        if not captures:
            return 0
        by_event: dict[Event, list[Capture]] = {}
        for one in captures:
            by_event.setdefault(one.event, []).append(one)
        # Usually nothing is new: look before asking for the right to write.
        with self._database.reading() as connection:
            new = [_new_captures(connection, group) for group in by_event.values()]
        with_new = [group for group in new if group]
        if not with_new:
            return 0
        with self._database.writing() as connection:
            return sum(self._insert(connection, group, origin) for group in with_new)

    def _insert(self, connection: Connection, group: Sequence[Capture], origin: Origin) -> int:
        """Insert what is (still) new of one event's captures."""
        group = _new_captures(connection, group)
        if not group:
            return 0
        key = register_event(connection, group[0])
        started_at = group[0].event.started_at
        row = {
            "event_id": key.id,
            "origin": ORIGINS.index(origin),
            "event_started_at": to_ms(started_at) if started_at else 0,
            "added_at": to_ms(self._clock.now()),
        }
        connection.execute(
            insert(backlog),
            [row | {"frame": one.frame, "file_name": key.stored_name(one)} for one in group],
        )
        return len(group)

    def lease(self, count: int) -> tuple[Lease, ...]:
        now_ms = to_ms(self._clock.now())
        with self._database.writing() as connection:
            rows = connection.execute(_most_urgent(now_ms).limit(count)).all()
            if rows:
                connection.execute(
                    _LEASE, [{"backlog_id": row.id, "attempts": row.attempts + 1} for row in rows]
                )
        return tuple(
            Lease(
                id=row.id,
                capture=capture_from(row),
                origin=ORIGINS[row.origin],
                attempts=row.attempts + 1,
                added_at=from_ms(row.added_at),
            )
            for row in rows
        )

    def give_back(
        self, leases: Sequence[Lease], *, not_before: datetime | None, attempted: bool
    ) -> None:
        if not leases:
            return
        values = {
            "until": to_ms(not_before) if not_before else None,
            "taken_back": 0 if attempted else 1,
        }
        with self._database.writing() as connection:
            connection.execute(_GIVE_BACK, [values | {"lease": lease.id} for lease in leases])

    def free_all(self) -> int:
        with self._database.writing() as connection:
            return connection.execute(
                update(attempt).where(attempt.c.leased == 1).values(leased=0)
            ).rowcount

    def waiting(self, origin: Origin | None = None) -> int:
        question = select(func.sum(tally.c.value)).where(tally.c.subject == "backlog")
        if origin is not None:
            question = question.where(tally.c.part == str(ORIGINS.index(origin)))
        with self._database.reading() as connection:
            return connection.scalar(question) or 0

    def next_due(self) -> datetime | None:
        with self._database.reading() as connection:
            due = connection.scalar(
                select(func.min(attempt.c.not_before)).where(attempt.c.leased == 0)
            )
        return None if due is None else from_ms(due)


_MET = union_all(
    *(
        select(table.c.frame, table.c.file_name).where(
            table.c.event_id == bindparam("wanted"),
            table.c.frame.between(bindparam("lowest"), bindparam("highest")),
        )
        for table in (capture, failure, backlog)
    )
)


def _new_captures(connection: Connection, group: Sequence[Capture]) -> list[Capture]:
    """Those of one event's captures that were never met, each once."""
    new = {(one.frame, one.file_name): one for one in group}
    key = find_event(connection, group[0].event)
    if key is not None:
        frames = [one.frame for one in group]
        met = {"wanted": key.id, "lowest": min(frames), "highest": max(frames)}
        for frame, file_name in connection.execute(_MET, met):
            new.pop((frame, file_name or file_name_of(key.frame_format, frame)), None)
    return list(new.values())


def _most_urgent(now_ms: int) -> Select[Any]:
    never_tried = attempt.c.backlog_id.is_(None)
    due = or_(attempt.c.not_before.is_(None), attempt.c.not_before <= now_ms)
    return (
        select(
            backlog.c.id,
            backlog.c.frame,
            backlog.c.file_name,
            backlog.c.origin,
            backlog.c.added_at,
            func.coalesce(attempt.c.attempts, 0).label("attempts"),
            *CAPTURE_COLUMNS,
        )
        .select_from(backlog)
        .join(event)
        .join(monitor)
        .outerjoin(attempt)
        .where(or_(never_tried, and_(attempt.c.leased == 0, due)))
        .order_by(backlog.c.origin, backlog.c.event_started_at.desc(), backlog.c.id)
    )


_first_attempt = sqlite_insert(attempt).values(leased=1, not_before=None)
_LEASE = _first_attempt.on_conflict_do_update(
    index_elements=["backlog_id"],
    set_={"attempts": _first_attempt.excluded.attempts, "leased": 1, "not_before": None},
)

_GIVE_BACK = (
    update(attempt)
    .where(attempt.c.backlog_id == bindparam("lease"), attempt.c.leased == 1)
    .values(
        leased=0,
        not_before=bindparam("until"),
        attempts=attempt.c.attempts - bindparam("taken_back"),
    )
)
