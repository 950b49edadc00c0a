# ruff: noqa: S608 - the statements are put together from constants
"""What is known of events as a whole: when, how much, what, who, and the sighting to show.

The questions are SQL: they are always the same, and SQLAlchemy takes longer to put one into words
than SQLite to answer it for a page of events.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, text

from annotator.domain import Event, EventName, EventSummary, LabelCount, Sighting
from db.questions.fitting import STILL_THERE
from db.questions.sightings import OF_DETECTION, SIGHTING, sighting_from
from db.questions.votes import names_of_events
from db.values import from_ms

EVENT = """
    event.id, monitor.name, monitor.directory, event.path, event.started_at, event.began_at,
    max(
        event.began_at,
        coalesce((SELECT max(captured_at) FROM capture WHERE event_id = event.id), 0),
        coalesce((SELECT max(last_at) FROM folded WHERE event_id = event.id), 0)
    ),
    (SELECT count(*) FROM capture WHERE event_id = event.id)
        + (SELECT coalesce(sum(captures), 0) FROM folded WHERE event_id = event.id),
    event.gone_at IS NOT NULL
"""
"""What `summary_from` needs of an event and its monitor, in its order."""


def summaries_of(
    connection: Connection, event_ids: Sequence[int], *, stationary: bool
) -> list[EventSummary]:
    """In the same order, without those that were deleted meanwhile."""
    ids = {"ids": json.dumps(event_ids)}
    labels = _labels(connection, ids, stationary=stationary)
    people = names_of_events(connection, event_ids)
    best = {row.event_id: sighting_from(row) for row in connection.execute(_BEST, ids).all()}
    return [
        summary_from(row, row.unseen, labels[row.id], people.get(row.id, ()), best.get(row.id))
        for row in connection.execute(_EVENTS, ids).all()
    ]


def summary_from(
    row: Row[Any],
    unseen: int = 0,
    labels: Sequence[LabelCount] = (),
    people: Sequence[EventName] = (),
    best: Sighting | None = None,
) -> EventSummary:
    """From a row of `EVENT`, and what else is known."""
    # By place, as in `sighting_from`.
    columns: Sequence[Any] = row
    _, monitor, directory, path, started_ms, began_ms, ended_ms, captures, gone, *_ = columns
    return EventSummary(
        Event(monitor, directory, path, None if started_ms is None else from_ms(started_ms)),
        from_ms(began_ms),
        from_ms(ended_ms),
        captures,
        unseen,
        tuple(labels),
        tuple(people),
        best,
        bool(gone),
    )


def _labels(
    connection: Connection, ids: dict[str, str], *, stationary: bool
) -> dict[int, list[LabelCount]]:
    found = defaultdict[int, list[LabelCount]](list)
    left_out = None if stationary else STILL_THERE
    rows = connection.execute(_LABELS, {**ids, "left_out": left_out}).all()
    for event_id, *counted in rows:
        found[event_id].append(LabelCount(*counted))
    return found


_EVENTS = text(f"""
    SELECT
        {EVENT},
        (SELECT count(*) FROM failure WHERE event_id = event.id) + (
            SELECT count(*) FROM backlog WHERE event_id = event.id AND NOT EXISTS (
                SELECT 1 FROM capture
                WHERE capture.event_id = backlog.event_id AND capture.frame = backlog.frame
                    AND capture.file_name = backlog.file_name
            )
        ) AS unseen
    FROM json_each(:ids) AS wanted
    CROSS JOIN event ON event.id = wanted.value
    CROSS JOIN monitor ON monitor.id = event.monitor_id
    WHERE event.began_at IS NOT NULL
    ORDER BY wanted.key
""")

_LABELS = text("""
    SELECT event_id, label.name, count(*), max(score)
    FROM detection CROSS JOIN label ON label.id = label_id
    WHERE event_id IN (SELECT value FROM json_each(:ids)) AND (stay = :left_out) IS NOT TRUE
    GROUP BY event_id, label_id
    ORDER BY event_id, max(score) DESC, count(*) DESC, label.name
""")

# A known person's clearest face, else the highest score, of what moves if anything does.
_BEST = text(f"""
    WITH shown AS MATERIALIZED (
        SELECT value AS event_id, (
            SELECT face.id FROM face JOIN detection ON detection.id = detection_id
            WHERE face.event_id = value AND face.name IS NOT NULL
            ORDER BY
                face.weight DESC, stay IS NOT {STILL_THERE} DESC, detection.score DESC,
                detection.captured_at, detection.id DESC, face.id DESC
            LIMIT 1
        ) AS known_id
        FROM json_each(:ids)
    )
    SELECT {SIGHTING}
    FROM shown
    LEFT JOIN face AS known ON known.id = known_id
    CROSS JOIN detection ON detection.id = coalesce(
        known.detection_id,
        (
            SELECT id FROM detection WHERE event_id = shown.event_id
            ORDER BY stay IS NOT {STILL_THERE} DESC, score DESC, captured_at, id DESC LIMIT 1
        )
    )
    LEFT JOIN face ON face.id = coalesce(
        known.id, (SELECT max(id) FROM face WHERE detection_id = detection.id)
    )
    {OF_DETECTION}
""")
