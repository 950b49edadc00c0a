"""Who was seen: how often, when first and last, and where."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import CTE, ColumnElement, Connection, Row, ScalarSelect, func, select

from annotator.domain import UNKNOWN_NAME, By, Identity, MonitorCount, PersonSummary, Sighting
from db.engine import Database
from db.planning import CrossJoin, each_of, unindexed
from db.questions.clock import QUARTER_MS
from db.questions.counts import Source
from db.questions.fitting import Fitting
from db.questions.sightings import sightings_of_faces
from db.schema import detection, face, monitor

Ends = Mapping[tuple[str, int], Sequence[Sighting]]
"""Of each person and monitor sightings of which one is the first, and one is the last."""


def ask_for_people(database: Database, fitting: Fitting) -> tuple[PersonSummary, ...]:
    """Seen last first."""
    of_person = defaultdict[str, list[Row[Any]]](list)
    with database.reading() as connection:
        for row in _counts(connection, fitting):
            of_person[row.called].append(row)
        ends = _ends(connection, fitting, of_person.values())
    found = [_person(name, rows, ends) for name, rows in of_person.items()]
    return tuple(sorted(found, key=lambda one: (-one.last.captured_at.timestamp(), one.name)))


def _counts(connection: Connection, fitting: Fitting) -> Sequence[Row[Any]]:
    """One for each monitor that saw a person."""
    source = Source(fitting, (By.NAME, By.MONITOR))
    rows = source.rows
    counts = (
        select(
            rows.c.called,
            rows.c.monitor_id,
            func.count(rows.c.event_id.distinct()).label("events"),
            func.sum(rows.c.times).label("faces"),
            func.min(rows.c.quarter).label("first_quarter"),
            func.max(rows.c.quarter).label("last_quarter"),
        )
        .group_by(rows.c.called, rows.c.monitor_id)
        .subquery()
    )
    question = select(counts, monitor.c.name.label("monitor"))
    question = question.join(monitor, monitor.c.id == counts.c.monitor_id)
    return connection.execute(question, source.values).all()


def _person(name: str, rows: Sequence[Row[Any]], ends: Ends) -> PersonSummary:
    of_monitor = defaultdict[str, list[Row[Any]]](list)
    for row in rows:  # several monitors may share a name
        of_monitor[row.monitor].append(row)
    counts = [
        MonitorCount(
            monitor_name,
            sum(row.events for row in its),
            sum(row.faces for row in its),
            max(_when(one) for row in its for one in ends[name, row.monitor_id])[0],
        )
        for monitor_name, its in of_monitor.items()
    ]
    seen = [one for row in rows for one in ends[name, row.monitor_id]]
    return PersonSummary(
        name=name,
        events=sum(one.events for one in counts),
        faces=sum(one.faces for one in counts),
        first=min(seen, key=_when),
        last=max(seen, key=_when),
        monitors=tuple(sorted(counts, key=lambda one: (-one.events, -one.faces, one.monitor))),
    )


def _when(one: Sighting) -> tuple[datetime, int]:
    return one.captured_at, one.face_id or 0


def _ends(connection: Connection, fitting: Fitting, people: Iterable[Sequence[Row[Any]]]) -> Ends:
    """Each last one is somewhere in the last quarter that counts, and the first in the first."""
    quarters = list[tuple[Row[Any], int, bool]]()
    for rows in people:
        begin = min(row.first_quarter for row in rows)
        quarters += [(row, begin, True) for row in rows if row.first_quarter == begin]
        quarters += [(row, row.last_quarter, False) for row in rows]
    times = list(fitting.times())
    parts = [
        (
            None if row.called == UNKNOWN_NAME else row.called,
            *(row.monitor_id, max(begin_ms, since_ms), min(begin_ms + QUARTER_MS, until_ms)),
            is_first,
        )
        for row, quarter, is_first in quarters
        for since_ms, until_ms in times
        if since_ms < (begin_ms := quarter * QUARTER_MS) + QUARTER_MS and begin_ms < until_ms
    ]
    part = each_of("parts", ("called", "monitor_id", "since", "until", "is_first"))
    first = _face_of(part, fitting, face.c.captured_at.asc(), face.c.id.asc())
    last = _face_of(part, fitting, face.c.captured_at.desc(), face.c.id.desc())
    found = connection.execute(
        select(part.c.called, part.c.monitor_id, func.iif(part.c.is_first, first, last)),
        {"parts": json.dumps(parts)},
    ).all()
    sightings = sightings_of_faces(connection, [face_id for *_, face_id in found])
    ends = defaultdict[tuple[str, int], list[Sighting]](list)
    for called, monitor_id, face_id in found:
        if face_id is not None:
            ends[called or UNKNOWN_NAME, monitor_id].append(sightings[face_id])
    return ends


def _face_of(part: CTE, fitting: Fitting, *order: ColumnElement[Any]) -> ScalarSelect[int]:
    """The first face of a part in this order that fits."""
    return (
        select(face.c.id)
        .select_from(CrossJoin(face, detection, detection.c.id == face.c.detection_id))
        .where(
            # NULL for nobody known, whose faces have no name.
            face.c.name.is_not_distinct_from(part.c.called),
            unindexed(face.c.verdict).in_([str(Identity.KNOWN), str(Identity.UNKNOWN)]),
            face.c.captured_at >= part.c.since,
            face.c.captured_at < part.c.until,
            unindexed(detection.c.monitor_id) == part.c.monitor_id,
            fitting.any_choice(),
            *fitting.others(),
        )
        .order_by(*order)
        .limit(1)
        .correlate(part)
        .scalar_subquery()
    )
