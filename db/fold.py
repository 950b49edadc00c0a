"""Folding old captures in which nothing was seen, event after event."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Select, bindparam, exists, func, select, update

from db.engine import Database
from db.folded import fold_captures
from db.keys import of_same_capture
from db.rules import Deadlines, Pruned, Rules, Turn, What
from db.schema import backlog, capture, detection, event, provenance
from db.values import to_ms

if TYPE_CHECKING:
    from annotator.ports import Clock

CAPTURES_AT_ONCE = 500
"""Looked at in one transaction."""
_EVENTS_AT_ONCE = 200


def count_foldable(connection: Connection, rules: Rules) -> list[Pruned]:
    """How many captures are old enough and empty."""
    deadlines = _deadlines(rules)
    counts = {
        key: connection.execute(_COUNT, _parameters(deadlines, key)).scalar_one()
        for key in deadlines.before_ms
    }
    return [
        Pruned(What.EMPTY, rules.monitors[key], count) for key, count in counts.items() if count
    ]


def fold(database: Database, clock: Clock, rules: Rules) -> Iterator[Turn]:
    """Progress is by events; what is pruned, by captures."""
    deadlines = _deadlines(rules)
    with database.reading() as connection:
        total = sum(
            connection.execute(_EVENT_COUNT, _parameters(deadlines, key)).scalar_one()
            for key in deadlines.before_ms
        )
    done = 0
    for monitor_id in deadlines.before_ms:
        of_monitor = _parameters(deadlines, monitor_id)
        after = (-(2**62), 0)
        while True:
            with database.reading() as connection:
                events = connection.execute(
                    _EVENTS, of_monitor | {"after": after[0], "after_id": after[1]}
                ).all()
            if not events:
                break
            after = (events[-1].began_at, events[-1].id)
            folder = _Folder(database, of_monitor["before"], to_ms(clock.now()))
            for row in events:
                for captures in folder.take(row.id):
                    yield _turn(rules, monitor_id, done, total, captures)
                done += 1
            yield _turn(rules, monitor_id, done, total, folder.finish())


def _turn(rules: Rules, monitor_id: int, done: int, total: int, captures: int) -> Turn:
    pruned = (Pruned(What.EMPTY, rules.monitors[monitor_id], captures),) if captures else ()
    return Turn(What.EMPTY, done, max(done, total), pruned)


class _Folder:
    """Gathers pieces of events, and folds so many at once that a transaction is worth it."""

    def __init__(self, database: Database, before_ms: int, now_ms: int) -> None:
        self._database = database
        self._before_ms = before_ms
        self._now_ms = now_ms
        self._pieces: list[dict[str, int]] = []
        self._over: list[dict[str, int]] = []
        self._size = 0

    def take(self, event_id: int) -> Iterator[int]:
        """An event's captures, piece by piece; yields how many were folded, now and then."""
        lowest = -1
        while True:
            piece = {"of_event": event_id, "lowest": lowest}
            with self._database.reading() as connection:
                frames = connection.scalars(_FRAMES, piece).all()
            if frames:
                lowest = frames[-1]
                self._pieces.append(piece | {"highest": lowest})
                self._size += len(frames)
            if len(frames) < CAPTURES_AT_ONCE:
                self._over.append({"its_id": event_id})
                if self._size >= CAPTURES_AT_ONCE:
                    yield self.finish()
                return
            yield self.finish()

    def finish(self) -> int:
        """Fold what was gathered; how many captures."""
        if not self._pieces and not self._over:
            return 0
        folded = 0
        with self._database.writing() as connection:
            for piece in self._pieces:
                rows = connection.execute(_EMPTY, piece | {"before": self._before_ms}).all()
                folded += fold_captures(connection, rows, seen=False)
            if self._over:
                common = {"before": self._before_ms, "now": self._now_ms}
                connection.execute(_IS_FOLDED, [one | common for one in self._over])
        self._pieces, self._over, self._size = [], [], 0
        return folded


def _deadlines(rules: Rules) -> Deadlines:
    return rules.deadlines(lambda one: one.empty_days)


def _parameters(deadlines: Deadlines, monitor_id: int) -> dict[str, int]:
    return {"of_monitor": monitor_id, "before": deadlines.before_ms[monitor_id]}


# Built once, since building a statement takes longer than running it.

# What was annotated on the fallback may be asked for again (`Backlog.redo_fallback`).
_FOLDABLE = (
    capture.c.file_name == "",
    capture.c.captured_at < bindparam("before"),
    capture.c.provenance_id.not_in(select(provenance.c.id).where(provenance.c.fallback == 1)),
    ~exists()
    .where(
        of_same_capture(detection, capture),
    )
    .correlate(capture),
    ~exists()
    .where(
        of_same_capture(backlog, capture),
    )
    .correlate(capture),
)
_UNFOLDED = (
    event.c.monitor_id == bindparam("of_monitor"),
    event.c.folded_at.is_(None),
    event.c.began_at < bindparam("before"),
)
_COUNT = select(func.count()).select_from(event.join(capture)).where(*_UNFOLDED, *_FOLDABLE)
_EVENT_COUNT = select(func.count()).select_from(event).where(*_UNFOLDED)
_EVENTS: Select[Any] = (
    select(event.c.id, event.c.began_at)
    .where(
        *_UNFOLDED,
        event.c.began_at >= bindparam("after"),
        (event.c.began_at > bindparam("after")) | (event.c.id > bindparam("after_id")),
    )
    .order_by(event.c.began_at, event.c.id)
    .limit(_EVENTS_AT_ONCE)
)
_OF_EVENT = capture.c.event_id == bindparam("of_event")
_FRAMES = (
    select(capture.c.frame)
    .where(_OF_EVENT, capture.c.frame > bindparam("lowest"))
    .order_by(capture.c.frame)
    .limit(CAPTURES_AT_ONCE)
)
_EMPTY: Select[Any] = (
    select(
        capture.c.event_id,
        *(capture.c.frame, capture.c.file_name, capture.c.captured_at),
        *(capture.c.width, capture.c.height, capture.c.provenance_id),
    )
    .where(
        _OF_EVENT,
        capture.c.frame > bindparam("lowest"),
        capture.c.frame <= bindparam("highest"),
        *_FOLDABLE,
    )
    .order_by(capture.c.frame)
)
_IS_FOLDED = (
    update(event)
    .where(
        event.c.id == bindparam("its_id"),
        ~exists()
        .where(capture.c.event_id == event.c.id, capture.c.captured_at >= bindparam("before"))
        .correlate(event),
    )
    .values(folded_at=bindparam("now"))
)
