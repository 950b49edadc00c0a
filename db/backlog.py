"""The waiting captures: a table, so that it survives a power cut.

A row of `backlog` is written when a capture is added and deleted when its result is recorded. What
changes in between (attempts, leases, delays) is in the small table `attempt`, which keeps the
writes of a lease to a page or two: the database may lie on an SD card.

A capture waits, or is annotated, failed, skipped or pruned; only one that is to be looked at anew
waits while its annotation stays (`redo_fallback`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import datetime
from functools import partial
from itertools import count as count_from
from itertools import islice
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    CompoundSelect,
    Connection,
    Table,
    and_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    select,
    tuple_,
    union_all,
    update,
)
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from annotator.domain import Capture, Event, Lease, Origin, Reason, SkipReason, Window
from db.engine import Database
from db.folded import known_in_runs, unfold
from db.keys import (
    ORIGINS,
    SKIP_REASONS,
    EventKey,
    capture_from,
    find_event,
    its,
    of_same_capture,
    register_event,
    reopen,
    same_capture,
)
from db.retry import redo_fallback, retry_failures
from db.schema import attempt, backlog, capture, failure, monitor, skipped, tally
from db.turns import Turns
from db.values import file_name_of, fineness, from_ms, to_ms

if TYPE_CHECKING:
    from annotator.ports import Clock

EXPIRED_AT_ONCE = 10_000
"""No call of `expire` takes more, so that none takes long."""


class SqlBacklog:
    """The port `Backlog`, for one supervisor at a time (see db.lock)."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._turns = Turns()
        self._lease_ids = count_from(1)

    def add(self, captures: Sequence[Capture], origin: Origin) -> int:
        # A capture that had vanished and is met is there after all: a store was away, or moved.
        if origin is Origin.BACKFILL:
            # Asked for by hand: what was skipped or pruned is wanted after all.
            wait = partial(self._make_wait, origin, (skipped, failure))
            return self._enter(captures, partial(_unknown, _MET_NOT_SKIPPED, pruned=False), wait)
        wait = partial(self._make_wait, origin, (failure,))
        return self._enter(captures, partial(_unknown, _MET, pruned=True), wait)

    def skip(self, captures: Sequence[Capture], reason: SkipReason) -> int:
        return self._enter(captures, partial(_unknown, _MET, pruned=True), partial(_skip, reason))

    def take_up_again(self, captures: Sequence[Capture]) -> int:
        return self._enter(
            captures, _failed, partial(self._make_wait, Origin.RECONCILE, (failure,))
        )

    def retry(self, reasons: Sequence[Reason], paths: Sequence[str]) -> int:
        with self._database.writing() as connection:
            return retry_failures(connection, reasons, paths, to_ms(self._clock.now()))

    def redo_fallback(self, window: Window) -> int:
        return redo_fallback(self._database, window, to_ms(self._clock.now()))

    def monitors(self) -> tuple[str, ...]:
        with self._database.reading() as connection:
            return tuple(connection.scalars(select(monitor.c.name).distinct()))

    def expire(self, monitor: str, before: datetime) -> int:
        parameters = {"called": monitor, "before": to_ms(before)}
        with self._database.reading() as connection:
            if connection.scalar(_ANY_EXPIRED, parameters) is None:
                return 0
        with self._database.writing() as connection:
            expired = connection.execute(_TAKE_EXPIRED, parameters).all()
            if expired:
                reason = SKIP_REASONS.index(SkipReason.TOO_OLD)
                connection.execute(
                    insert(skipped), [{**row._mapping, "reason": reason} for row in expired]
                )
        return len(expired)

    def lease(self, count: int) -> tuple[Lease, ...]:
        now_ms = to_ms(self._clock.now())
        with self._database.writing() as connection:
            with closing(self._turns.free(connection, now_ms)) as free:
                rows = list(islice(free, count))
            if rows:
                connection.execute(
                    _LEASE,
                    [
                        {
                            "event_id": row.event_id,
                            "frame": row.frame,
                            "file_name": row.file_name,
                            "attempts": row.attempts + 1,
                        }
                        for row in rows
                    ],
                )
        return tuple(
            Lease(
                id=next(self._lease_ids),
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
            for group in _by_event([lease.capture for lease in leases]):
                key = find_event(connection, group[0].event)
                if key is not None:
                    connection.execute(
                        _GIVE_BACK, [values | its(key.columns_of(one)) for one in group]
                    )

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

    def _enter(
        self,
        captures: Sequence[Capture],
        choose: Callable[[Connection, Sequence[Capture]], list[Capture]],
        enter: Callable[[Connection, Sequence[Capture]], None],
    ) -> int:
        """Enter what `choose` chooses of each event's captures; how many those are."""
        groups = _by_event(captures)
        if not groups:
            return 0
        # Usually there is nothing to do: look before asking for the right to write.
        with self._database.reading() as connection:
            groups = [group for group in groups if choose(connection, group)]
        if not groups:
            return 0
        entered = 0
        with self._database.writing() as connection:
            for group in groups:
                if chosen := choose(connection, group):
                    enter(connection, chosen)
                    entered += len(chosen)
        return entered

    def _make_wait(
        self,
        origin: Origin,
        leaving: tuple[Table, ...],
        connection: Connection,
        group: Sequence[Capture],
    ) -> None:
        """Put captures of one event on the backlog, and take them out of the tables they leave."""
        key = register_event(connection, min(group, key=lambda one: one.frame))
        started_at = group[0].event.started_at
        common = {
            "monitor_id": key.monitor_id,
            "origin": ORIGINS.index(origin),
            "event_started_at": to_ms(started_at) if started_at else 0,
            "added_at": to_ms(self._clock.now()),
        }
        coarse_to_fine = origin is not Origin.BACKFILL
        rows = [
            {
                **common,
                **key.columns_of(one),
                "fineness": fineness(one.frame, key.first_frame) if coarse_to_fine else 0,
            }
            for one in group
        ]
        for table in leaving:
            connection.execute(_LEAVE[table], [its(row) for row in rows])
        if origin is Origin.BACKFILL:
            unfold(connection, key, group)
        reopen(connection, key)
        connection.execute(insert(backlog), rows)


def _by_event(captures: Sequence[Capture]) -> list[list[Capture]]:
    groups: dict[Event, list[Capture]] = {}
    for one in captures:
        groups.setdefault(one.event, []).append(one)
    return list(groups.values())


def _unknown(
    known: CompoundSelect[int, str],
    connection: Connection,
    group: Sequence[Capture],
    *,
    pruned: bool,
) -> list[Capture]:
    """Those of one event's captures that are not among the known, each once."""
    by_name = _by_name(group)
    key = find_event(connection, group[0].event)
    if key is None:
        return list(by_name.values())
    found = _found(known, connection, key, group)
    if by_name.keys() - found:
        found |= known_in_runs(connection, key, group, pruned=pruned)
    return [one for name, one in by_name.items() if name not in found]


def _failed(connection: Connection, group: Sequence[Capture]) -> list[Capture]:
    """Those of one event's captures that have failed, each once."""
    key = find_event(connection, group[0].event)
    found = _found(_FAILED, connection, key, group) if key else set()
    return [one for name, one in _by_name(group).items() if name in found]


def _by_name(group: Sequence[Capture]) -> dict[tuple[int, str], Capture]:
    return {(one.frame, one.file_name): one for one in group}


def _found(
    known: CompoundSelect[int, str],
    connection: Connection,
    key: EventKey,
    group: Sequence[Capture],
) -> set[tuple[int, str]]:
    """Frame and file name of the known among and between one event's captures."""
    frames = [one.frame for one in group]
    between = {"wanted": key.id, "lowest": min(frames), "highest": max(frames)}
    return {
        (frame, file_name or file_name_of(key.frame_format, frame))
        for frame, file_name in connection.execute(known, between)
    }


def _skip(reason: SkipReason, connection: Connection, group: Sequence[Capture]) -> None:
    key = register_event(connection, min(group, key=lambda one: one.frame))
    common = {"reason": SKIP_REASONS.index(reason)}
    connection.execute(insert(skipped), [common | key.columns_of(one) for one in group])


def _known_in(*tables: tuple[Any, ...]) -> CompoundSelect[int, str]:
    """What is in these tables, each of which may come with conditions."""
    return union_all(
        *(
            select(table.c.frame, table.c.file_name).where(
                table.c.event_id == bindparam("wanted"),
                table.c.frame.between(bindparam("lowest"), bindparam("highest")),
                *conditions,
            )
            for table, *conditions in tables
        )
    )


# Built once, since building a statement takes longer than running it.
_FAILED_FOR_GOOD = (failure, failure.c.reason != str(Reason.VANISHED))
_MET = _known_in((capture,), _FAILED_FOR_GOOD, (skipped,), (backlog,))
_MET_NOT_SKIPPED = _known_in((capture,), _FAILED_FOR_GOOD, (backlog,))
_FAILED = _known_in((failure,))
_LEAVE = {table: delete(table).where(same_capture(table)) for table in (skipped, failure)}

_first_attempt = sqlite_insert(attempt).values(leased=1, not_before=None)
_LEASE = _first_attempt.on_conflict_do_update(
    index_elements=["event_id", "frame", "file_name"],
    set_={"attempts": _first_attempt.excluded.attempts, "leased": 1, "not_before": None},
)

_GIVE_BACK = (
    update(attempt)
    .where(same_capture(attempt), attempt.c.leased == 1)
    .values(
        leased=0,
        not_before=bindparam("until"),
        attempts=attempt.c.attempts - bindparam("taken_back"),
    )
)

_EXPIRED = and_(
    backlog.c.monitor_id.in_(select(monitor.c.id).where(monitor.c.name == bindparam("called"))),
    backlog.c.origin.in_([ORIGINS.index(Origin.LIVE), ORIGINS.index(Origin.RECONCILE)]),
    backlog.c.added_at < bindparam("before"),
    ~exists()
    .where(
        of_same_capture(attempt, backlog),
        attempt.c.leased == 1,
    )
    .correlate(backlog),
)
_KEY = (backlog.c.event_id, backlog.c.frame, backlog.c.file_name)
_ANY_EXPIRED = select(backlog.c.event_id).where(_EXPIRED).limit(1)
_TAKE_EXPIRED = (
    delete(backlog)
    .where(tuple_(*_KEY).in_(select(*_KEY).where(_EXPIRED).limit(EXPIRED_AT_ONCE)))
    .returning(*_KEY)
)
