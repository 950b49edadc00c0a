# ruff: noqa: S608 - the statements are put together from constants
"""Events that were looked at as a whole, and nothing was seen in any capture."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from sqlalchemy import text

from annotator.domain import CaptureQuery, EventSummary, Order
from db.engine import Database
from db.questions.clock import asked_times
from db.questions.summaries import EVENT, summary_from

SETTLED = timedelta(minutes=5)
"""An event with a capture newer than that may still be going on."""

_FIRST_EVENTS, _MOST_EVENTS = 20, 1000
"""So many are read at once, at first and later."""


def ask_for_empty_events(
    database: Database, query: CaptureQuery, monitor_ids: Sequence[int], now: datetime
) -> Iterator[EventSummary]:
    """By when they began, which is also what the times of the query are about."""
    with database.reading() as connection:
        oldest_ms, newest_ms = connection.execute(_BEGINNINGS).one()
        unlisted = connection.scalars(_UNLISTED).all()
    if oldest_ms is None:
        return
    times = asked_times(query, oldest_ms, newest_ms)
    if query.order is Order.OLDEST:
        times = reversed(list(times))
    found = (
        one
        for since_ms, until_ms in times
        for one in _begun_within(database, query, monitor_ids, since_ms, until_ms)
        if one.ended_at <= now - SETTLED and not _is_below(one.event.directory, unlisted)
    )
    yield from islice(found, query.limit)


def _begun_within(
    database: Database,
    query: CaptureQuery,
    monitor_ids: Sequence[int],
    since_ms: int,
    until_ms: int,
) -> Iterator[EventSummary]:
    """Those that are empty as far as their captures were met."""
    oldest_first = query.order is Order.OLDEST
    question = _OLDEST_FIRST if oldest_first else _NEWEST_FIRST
    values: dict[str, Any] = {
        "since": since_ms,
        "until": until_ms,
        "read_at": since_ms if oldest_first else until_ms,
        "read_id": 0,  # less than any
        "monitors": json.dumps(monitor_ids) if monitor_ids else None,
        "at_once": _FIRST_EVENTS,
    }
    while True:
        with database.reading() as connection:
            rows = connection.execute(question, values).all()
        yield from map(summary_from, rows)
        if len(rows) < values["at_once"]:
            return
        began_ms, read_id = rows[-1].began_at, rows[-1].id
        if oldest_first:
            values["since"] = began_ms
        else:
            values["until"] = began_ms + 1
        values |= {"read_at": began_ms, "read_id": read_id, "at_once": _MOST_EVENTS}


def _is_below(directory: str, others: Collection[str]) -> bool:
    """Whether a directory could not be listed: it may have captures that nobody has met."""
    return any(f"{directory}/".startswith(f"{one}/".lstrip("/")) for one in others)


_BEGINNINGS = text("SELECT (SELECT min(began_at) FROM event), (SELECT max(began_at) FROM event)")
# Any text is >= '', and unlike IS NOT NULL that is looked up in the index.
_UNLISTED = text("SELECT directory FROM failure WHERE directory >= ''")
_EMPTY = f"""
    SELECT {EVENT}
    FROM event CROSS JOIN monitor ON monitor.id = event.monitor_id
    WHERE event.began_at >= :since AND event.began_at < :until
        AND (+event.began_at, event.id) {{beyond}} (:read_at, :read_id)
        AND event.gone_at IS NULL
        AND (:monitors IS NULL OR event.monitor_id IN (SELECT value FROM json_each(:monitors)))
        AND NOT EXISTS (SELECT 1 FROM detection WHERE event_id = event.id)
        AND NOT EXISTS (SELECT 1 FROM failure WHERE event_id = event.id)
        AND NOT EXISTS (SELECT 1 FROM backlog WHERE event_id = event.id)
        AND NOT EXISTS (SELECT 1 FROM folded WHERE event_id = event.id AND seen)
    ORDER BY event.began_at {{direction}}, event.id {{direction}}
    LIMIT :at_once
"""
_NEWEST_FIRST = text(_EMPTY.format(beyond="<", direction="DESC"))
_OLDEST_FIRST = text(_EMPTY.format(beyond=">", direction="ASC"))
