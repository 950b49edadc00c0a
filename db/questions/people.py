"""Who was seen: how often, when first and last, and where."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row, Select, func, or_, select

from annotator.domain import By, MonitorCount, Order, PersonSummary, Sighting
from db.engine import Database
from db.planning import CrossJoin, each_of
from db.questions.clock import QUARTER_MS
from db.questions.counts import Source
from db.questions.fitting import Fitting
from db.questions.sightings import ask_for_sightings
from db.schema import detection, face, monitor
from db.values import from_ms


def ask_for_people(database: Database, fitting: Fitting) -> tuple[PersonSummary, ...]:
    """Seen last first."""
    source = Source(fitting, (By.NAME, By.MONITOR))
    with database.reading() as connection:
        rows = connection.execute(_grouped(source), source.values).all()
    by_name: dict[str, list[Row[Any]]] = {}
    for row in rows:
        by_name.setdefault(row.called, []).append(row)
    times = list(fitting.times())
    found = [
        person
        for name, of_name in by_name.items()
        if (person := _person(database, _only(fitting, name), name, of_name, times)) is not None
    ]
    return tuple(sorted(found, key=lambda one: (-one.last.captured_at.timestamp(), one.name)))


def _grouped(source: Source) -> Select[Any]:
    rows = source.rows
    return (
        select(
            rows.c.called,
            rows.c.monitor_id,
            monitor.c.name.label("monitor"),
            func.count(rows.c.event_id.distinct()).label("events"),
            func.sum(rows.c.times).label("faces"),
            func.min(rows.c.quarter).label("first_quarter"),
            func.max(rows.c.quarter).label("last_quarter"),
        )
        .join(monitor, monitor.c.id == rows.c.monitor_id)
        .group_by(rows.c.called, rows.c.monitor_id)
    )


def _only(fitting: Fitting, name: str) -> Fitting:
    """The same question about one person."""
    if fitting.query.strangers:
        return replace(fitting, called=name)
    return replace(fitting, query=replace(fitting.query, names=(name,)))


def _person(
    database: Database,
    fitting: Fitting,
    name: str,
    rows: Sequence[Row[Any]],
    times: Sequence[tuple[int, int]],
) -> PersonSummary | None:
    """None where it was all deleted in between."""
    with database.reading() as connection:
        last_ms = _last_by_monitor(connection, fitting, rows, times)
    begin_ms = min(row.first_quarter for row in rows) * QUARTER_MS
    first = _first_in(database, fitting, Order.OLDEST, begin_ms, begin_ms + QUARTER_MS)
    newest_ms = max(last_ms.values(), default=0)
    last = _first_in(database, fitting, Order.NEWEST, newest_ms, newest_ms + 1)
    if first is None or last is None:
        return None
    counts: dict[str, MonitorCount] = {}
    for row in rows:
        if row.monitor_id in last_ms:
            one = MonitorCount(row.monitor, row.events, row.faces, from_ms(last_ms[row.monitor_id]))
            counts[row.monitor] = _both(counts[row.monitor], one) if row.monitor in counts else one
    monitors = sorted(counts.values(), key=lambda one: (-one.events, -one.faces, one.monitor))
    return PersonSummary(
        name=name,
        events=sum(one.events for one in monitors),
        faces=sum(one.faces for one in monitors),
        first=first,
        last=last,
        monitors=tuple(monitors),
    )


def _both(one: MonitorCount, other: MonitorCount) -> MonitorCount:
    """Of two monitors with the same name."""
    return MonitorCount(
        one.monitor,
        one.events + other.events,
        one.faces + other.faces,
        max(one.last_at, other.last_at),
    )


def _last_by_monitor(
    connection: Connection,
    fitting: Fitting,
    rows: Sequence[Row[Any]],
    times: Sequence[tuple[int, int]],
) -> dict[int, int]:
    """When each monitor saw the person last, in ms: somewhere in the last quarter that counts."""
    within = [
        (row.monitor_id, max(begin, since_ms), min(begin + QUARTER_MS, until_ms))
        for row in rows
        for since_ms, until_ms in times
        if since_ms < (begin := row.last_quarter * QUARTER_MS) + QUARTER_MS and begin < until_ms
    ]
    part = each_of("parts", ("monitor_id", "since", "until"))
    in_part = (fitting.time() >= part.c.since) & (fitting.time() < part.c.until)
    is_it = (detection.c.id == face.c.detection_id) & (detection.c.monitor_id == part.c.monitor_id)
    question = (
        select(part.c.monitor_id, func.max(face.c.captured_at).label("last_ms"))
        .select_from(CrossJoin(CrossJoin(part, face, in_part), detection, is_it))
        .where(or_(*fitting.choices()), *fitting.others())
        .group_by(part.c.monitor_id)
    )
    found = connection.execute(question, {"parts": json.dumps(within)})
    return {row.monitor_id: row.last_ms for row in found}


def _first_in(
    database: Database, fitting: Fitting, order: Order, since_ms: int, until_ms: int
) -> Sighting | None:
    """The first in this order between two times that fits."""
    query, since, until = fitting.query, from_ms(since_ms), from_ms(until_ms)
    within = replace(
        query,
        since=since if query.since is None else max(since, query.since),
        until=until if query.until is None else min(until, query.until),
        order=order,
        limit=1,
    )
    return next(ask_for_sightings(database, replace(fitting, query=within)), None)
