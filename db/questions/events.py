"""Events in which something fits, one after the other."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from itertools import islice
from typing import Any

from sqlalchemy import FromClause, Select, func, or_, select

from annotator.domain import EventSummary, Order
from db.engine import Database
from db.questions.fitting import Fitting
from db.questions.summaries import summaries_of
from db.questions.walking import ORDER_COLUMNS, begin_with, times_of, walk
from db.schema import detection

FIRST_EVENTS, MOST_EVENTS = 20, 200
"""So many are read at once, at first and later."""


def ask_for_events(database: Database, fitting: Fitting) -> Iterator[EventSummary]:
    """Each event where its newest (oldest, best) sighting that fits stands in the order."""
    best_first = fitting.query.order is Order.BEST
    ids = iter(_best_first(database, fitting)) if best_first else _by_time(database, fitting)
    ids = islice(ids, fitting.query.limit)
    size = FIRST_EVENTS
    while some := list(islice(ids, size)):
        with database.reading() as connection:
            found = summaries_of(connection, some, stationary=fitting.query.stationary)
        yield from found
        size = MOST_EVENTS


def _by_time(database: Database, fitting: Fitting) -> Iterator[int]:
    met, before = _Ids(), None
    for row in walk(database, fitting, _event_of, None):
        event_id = row.event_id
        if event_id != before and met.add(event_id):
            yield event_id
        before = event_id


def _event_of(begin: FromClause) -> Select[Any]:
    return select(*ORDER_COLUMNS, detection.c.event_id).select_from(begin)


def _best_first(database: Database, fitting: Fitting) -> array[int]:
    ids = (
        select(detection.c.event_id)
        .select_from(begin_with(fitting))
        .where(or_(*fitting.choices()), *fitting.others())
        .group_by(detection.c.event_id)
        .order_by(func.max(detection.c.score).desc(), func.max(detection.c.captured_at).desc())
        .limit(fitting.query.limit)
    )
    if not fitting.by_clock:
        ids = ids.where(*fitting.since_until())
    with database.reading() as connection:
        return array("q", connection.scalars(ids, times_of(fitting)))


class _Ids:
    """A set of ids at a bit each: there may be millions."""

    def __init__(self) -> None:
        self._bits = bytearray()

    def add(self, number: int) -> bool:
        """Whether it is new."""
        place, bit = number >> 3, 1 << (number & 7)
        if place >= len(self._bits):
            self._bits.extend(bytes(place + 1 - len(self._bits)))
        is_new = not self._bits[place] & bit
        self._bits[place] |= bit
        return is_new
