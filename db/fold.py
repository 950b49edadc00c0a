"""Folding old captures in which nothing was seen, event after event."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, Select, bindparam, exists, func, select, update

from db.engine import Database
from db.folded import FOLDING_COLUMNS, HAS_NO_DETECTION, FoldingTrial, fold_captures
from db.keys import of_same_capture
from db.rules import Deadlines, Pruned, Rules, Turn, What
from db.schema import backlog, capture, event, provenance
from db.values import to_ms

if TYPE_CHECKING:
    from annotator.ports import Clock

CAPTURES_AT_ONCE = 500
"""Looked at in one transaction."""
_EVENTS_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class _Piece:
    """Some of an event's captures: with frames above `lowest`, up to `highest`."""

    event_id: int
    lowest: int
    highest: int

    def empty(self, connection: Connection, before_ms: int) -> Sequence[Row[Any]]:
        """Those of it that may be folded."""
        its = {"of_event": self.event_id, "lowest": self.lowest, "highest": self.highest}
        return connection.execute(_EMPTY, its | {"before": before_ms}).all()


Fold = Callable[[int, Sequence[_Piece], Sequence[int]], int]
"""Folds what is from before that time (in milliseconds) in pieces of events, all in one
transaction; how many captures. The events (by id) of which these were the last pieces are done
with."""


def fold(database: Database, clock: Clock, rules: Rules) -> Iterator[Turn]:
    """Progress is by events; what is pruned, by captures."""
    return _turns(database, rules, partial(_fold, database, clock))


def try_folding(database: Database, rules: Rules) -> Iterator[Turn]:
    """As `fold`, but nothing is changed: that many captures would be folded."""
    return _turns(database, rules, partial(_try, database, FoldingTrial()))


def _turns(database: Database, rules: Rules, fold: Fold) -> Iterator[Turn]:
    deadlines = rules.deadlines(lambda one: one.empty_days)
    with database.reading() as connection:
        total = sum(
            connection.execute(_EVENT_COUNT, _parameters(deadlines, key)).scalar_one()
            for key in deadlines.before_ms
        )
    done = 0
    for monitor_id, before_ms in deadlines.before_ms.items():
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
            gathered = _Gathered(database, partial(fold, before_ms))
            for row in events:
                for captures in gathered.take(row.id):
                    yield _turn(rules, monitor_id, done, total, captures)
                done += 1
            yield _turn(rules, monitor_id, done, total, gathered.finish())


def _turn(rules: Rules, monitor_id: int, done: int, total: int, captures: int) -> Turn:
    pruned = (Pruned(What.EMPTY, rules.monitors[monitor_id], captures),) if captures else ()
    return Turn(What.EMPTY, done, max(done, total), pruned)


class _Gathered:
    """Pieces of events, of which so many are folded at once that a transaction is worth it."""

    def __init__(
        self, database: Database, fold: Callable[[Sequence[_Piece], Sequence[int]], int]
    ) -> None:
        self._database = database
        self._fold = fold
        self._pieces: list[_Piece] = []
        self._over: list[int] = []
        self._size = 0

    def take(self, event_id: int) -> Iterator[int]:
        """An event's captures, piece by piece; yields how many were folded, now and then."""
        lowest = -1
        while True:
            above = {"of_event": event_id, "lowest": lowest}
            with self._database.reading() as connection:
                frames = connection.scalars(_FRAMES, above).all()
            if frames:
                self._pieces.append(_Piece(event_id, lowest, frames[-1]))
                self._size += len(frames)
                lowest = frames[-1]
            if len(frames) < CAPTURES_AT_ONCE:
                self._over.append(event_id)
                if self._size >= CAPTURES_AT_ONCE:
                    yield self.finish()
                return
            yield self.finish()

    def finish(self) -> int:
        """Fold what was gathered; how many captures."""
        if not self._over and not self._pieces:
            return 0
        folded = self._fold(self._pieces, self._over)
        self._pieces, self._over, self._size = [], [], 0
        return folded


def _fold(
    database: Database,
    clock: Clock,
    before_ms: int,
    pieces: Sequence[_Piece],
    over: Sequence[int],
) -> int:
    common = {"before": before_ms, "now": to_ms(clock.now())}
    with database.writing() as connection:
        count = sum(
            fold_captures(connection, piece.empty(connection, before_ms), seen=False)
            for piece in pieces
        )
        if over:
            connection.execute(_IS_FOLDED, [common | {"its_id": one} for one in over])
    return count


def _try(
    database: Database,
    trial: FoldingTrial,
    before_ms: int,
    pieces: Sequence[_Piece],
    _over: Sequence[int],
) -> int:
    with database.reading() as connection:
        return sum(trial.fold(connection, piece.empty(connection, before_ms)) for piece in pieces)


def _parameters(deadlines: Deadlines, monitor_id: int) -> dict[str, int]:
    return {"of_monitor": monitor_id, "before": deadlines.before_ms[monitor_id]}


# Built once, since building a statement takes longer than running it.

# What was annotated on the fallback may be asked for again (`Backlog.redo_fallback`).
_FOLDABLE = (
    capture.c.file_name == "",
    capture.c.captured_at < bindparam("before"),
    capture.c.provenance_id.not_in(select(provenance.c.id).where(provenance.c.fallback == 1)),
    HAS_NO_DETECTION,
    ~exists().where(of_same_capture(backlog, capture)).correlate(capture),
)
_UNFOLDED = (
    event.c.monitor_id == bindparam("of_monitor"),
    event.c.folded_at.is_(None),
    event.c.began_at < bindparam("before"),
)
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
    select(*FOLDING_COLUMNS)
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
