"""What Datasette is told about the views: titles, words, order, facets, questions to begin with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

DATABASE = "annotator"
"""The name of the database in addresses, whatever its file is called."""

SECRET_TABLE = "embedding"  # noqa: S105 - the name of a table
"""What people's faces can be recognised by; see `db.lookup`."""

_TIME = "in the time zone of this computer"
_COLUMNS = {
    "local_time": f"when the capture was taken, {_TIME}",
    "utc_time": "when the capture was taken, in UTC",
    "captured_at": "when the capture was taken, in milliseconds since 1970; for ranges and order",
    "monitor": "the recorder's name for the camera",
    "event": "the event's folder below the monitor's",
    "frame": "the capture's number in its event",
    "label": "what was seen",
    "score": "how sure the detector was, 0 to 1",
    "xmin": "the box in pixels of the capture: left",
    "ymin": "the box in pixels of the capture: top",
    "xmax": "the box in pixels of the capture: right, not included",
    "ymax": "the box in pixels of the capture: bottom, not included",
    "name": "the person, where the face is known",
    "probability": "how probable the name is, 0 to 1",
    "verdict": "known, unknown, or why the face could not be told",
    "stranger": "the number of an unknown person whom the face was grouped with",
    "stay": "of a stationary object: arrived, still there, left",
    "path": "the capture, relative to the store's root",
}


def _columns(*names: str, **more: str) -> dict[str, str]:
    return {**{name: _COLUMNS[name] for name in names}, **more}


_SIGHTING = _columns(*_COLUMNS)

_VIEWS: dict[str, dict[str, Any]] = {
    "events": {
        "title": "Events",
        "description": "A row per event of which anything was annotated; newest first.",
        "sort_desc": "began_at",
        "facets": ["monitor"],
        "columns": _columns(
            *("monitor", "event"),
            local_time=f"when it began, {_TIME}",
            duration_s="in seconds",
            captures="how many were annotated",
            unseen="how many wait, or could not be looked at",
            gone="1: the recorder has deleted it",
        ),
    },
    "sightings": {
        "title": "Sightings",
        "description": "A row per detection, or per face of a detection that has faces; "
        "newest first.",
        "sort_desc": "captured_at",
        "facets": ["monitor", "label", "name"],
        "columns": _SIGHTING,
    },
    "faces": {
        "title": "Faces",
        "description": "A row per face, the one found last first.",
        "sort_desc": "face_id",
        "facets": ["name", "verdict", "monitor"],
        "columns": _SIGHTING,
    },
    "captures": {
        "title": "Captures",
        "description": "Every capture that was met, and what became of it.",
        "facets": ["monitor", "state"],
        "columns": _columns(
            *("path", "monitor", "event", "frame", "local_time", "utc_time", "captured_at"),
            state="annotated, failed, skipped or waiting",
            width="in pixels",
            height="in pixels",
            reason="why it failed or was skipped",
        ),
    },
    "failures": {
        "title": "Failures",
        "description": "What could not be looked at, and why; newest first. "
        "`annotator failures retry` tries again.",
        "sort_desc": "failed_at",
        "facets": ["reason", "monitor"],
        "columns": _columns("path", "monitor", "event", "frame", attempts="how often it was tried"),
    },
    "event_people": {
        "title": "People of events",
        "description": "A row per person of an event, by the vote of the event's faces. Filter by "
        "started_at: of many years all of them take long.",
        "facets": ["name", "monitor"],
        "columns": _columns(
            *("monitor", "event"),
            name="the person, or unknown",
            share="of the event's faces that can be told, by weight, 0 to 1",
            faces="how many are the person's",
            best_path="the capture with the person's clearest face",
        ),
    },
    "people": {
        "title": "People",
        "description": "Everybody with a face, as it is named now; unknown are all who are nobody "
        "in the gallery.",
        "sort_desc": "last_at",
    },
    "stationary_objects": {
        "title": "Stationary objects",
        "description": "A row per stay of a parked car and the like.",
        "sort_desc": "arrived_at",
        "facets": ["monitor", "label", "state"],
        "columns": _columns("monitor", "label", sightings="how often it was seen"),
    },
    "label_counts": {
        "title": "Counts of labels",
        "description": "A row per quarter of an hour of an event in which a label was seen: the "
        "quick way to counts over years.",
        "facets": ["label", "monitor"],
        "columns": _columns("monitor", "event", "label", still_there="1: stationary objects"),
    },
    "name_counts": {
        "title": "Counts of names",
        "description": "The same of people's faces.",
        "facets": ["name", "monitor"],
        "columns": _columns("monitor", "event", "name", still_there="1: on stationary objects"),
    },
    "tags": {
        "title": "Tags",
        "description": "What people said of faces with `annotator tag`.",
        "sort_desc": "tagged_at",
        "facets": ["name"],
        "columns": _columns("path", "monitor", "event", "frame", negated="1: it is not that name"),
    },
}

_SHOWN = {
    "sightings": (
        *("path", "local_time", "monitor", "event", "label", "score", "name", "probability"),
        *("verdict", "stay", "captured_at"),
    ),
    "faces": (
        *("path", "local_time", "monitor", "event", "name", "probability", "verdict", "stranger"),
        *("by_hand", "face_id"),
    ),
    "captures": ("path", "local_time", "monitor", "event", "frame", "state", "reason"),
}
"""The columns that links to a view ask for; the page can show all."""

FIRST_QUESTION = """\
select local_time, monitor, label, score, name, path from sightings
where captured_at > 1000 * strftime('%s', 'now', '-1 day')
order by captured_at desc limit 50
"""
"""To be changed by whoever asks."""

_QUERIES: dict[str, dict[str, Any]] = {
    "last_seen": {
        "title": "When was each person seen last?",
        "sql": "SELECT name, max(local_time) AS last_seen, monitor, path FROM faces\n"
        "WHERE name IS NOT NULL GROUP BY name ORDER BY last_seen DESC",
    },
    "who_was_there": {
        "title": "Who was there in the last days, and where is the best picture of each?",
        "sql": "SELECT first_local_time, monitor, event, name, round(share, 2) AS share, faces,\n"
        "    best_path\n"
        "FROM event_people\n"
        "WHERE started_at >= 1000 * (strftime('%s', 'now') - 86400 * cast(:days AS real))\n"
        "ORDER BY started_at DESC, share DESC LIMIT 200",
        "params": ["days"],
    },
    "by_hour": {
        "title": "At what time of day was a label seen in the last days?",
        "sql": "SELECT strftime('%H', local_time) AS hour, count(DISTINCT event_id) AS events\n"
        "FROM sightings\n"
        "WHERE captured_at >= 1000 * (strftime('%s', 'now') - 86400 * cast(:days AS real))\n"
        "    AND label = :label\n"
        "GROUP BY hour ORDER BY hour",
        "params": ["label", "days"],
    },
    "by_monitor": {
        "title": "What was seen by each monitor in the last days?",
        "sql": "SELECT monitor, label, count(*) AS times, max(score) AS best FROM sightings\n"
        "WHERE captured_at >= 1000 * (strftime('%s', 'now') - 86400 * cast(:days AS real))\n"
        "GROUP BY monitor, label ORDER BY times DESC",
        "params": ["days"],
    },
    "strangers": {
        "title": "Which strangers came most often?",
        "sql": "SELECT stranger, count(DISTINCT event_id) AS events,\n"
        "    max(local_time) AS last_seen, path\n"
        "FROM faces WHERE stranger IS NOT NULL AND name IS NULL\n"
        "GROUP BY stranger ORDER BY events DESC LIMIT 50",
    },
    "still_there": {
        "title": "What stands where now?",
        "sql": "SELECT monitor, label, arrived_local_time, last_seen_local_time, sightings\n"
        "FROM stationary_objects WHERE state = 'still there' ORDER BY arrived_at DESC",
    },
    "failure_reasons": {
        "title": "What could not be looked at, and why?",
        "sql": "SELECT reason, count(*) AS times, max(local_time) AS last FROM failures\n"
        "GROUP BY reason ORDER BY times DESC",
    },
}

_EXAMPLES = {
    "who_was_there": "?days=2",
    "by_hour": "?label=person&days=30",
    "by_monitor": "?days=7",
}


def view_url(view: str, **filters: str) -> str:
    """The address of a view's page, with the columns that are worth reading."""
    columns = [("_col", column) for column in _SHOWN.get(view, ())]
    query = urlencode([*filters.items(), *columns])
    return f"/{DATABASE}/{view}?{query}" if query else f"/{DATABASE}/{view}"


@dataclass(frozen=True, slots=True)
class Link:
    """A page of Datasette's, and what is there."""

    title: str
    url: str
    words: str = ""


def view_links() -> tuple[Link, ...]:
    return tuple(
        Link(about["title"], view_url(view), about["description"]) for view, about in _VIEWS.items()
    )


def query_links() -> tuple[Link, ...]:
    return tuple(
        Link(about["title"], f"/{DATABASE}/{name}{_EXAMPLES.get(name, '')}")
        for name, about in _QUERIES.items()
    )


def metadata(*, with_facets: bool) -> dict[str, Any]:
    """Datasette's metadata; facets count every row, so a large database has them on request."""
    views = {
        view: {key: value for key, value in about.items() if with_facets or key != "facets"}
        for view, about in _VIEWS.items()
    }
    return {
        "title": "annotator",
        "databases": {
            DATABASE: {
                "title": "Tables and questions",
                "description": "Everything that was seen, to filter, to count and to ask in SQL.",
                "tables": {**views, SECRET_TABLE: {"allow": False}},
                "queries": _QUERIES,
            }
        },
    }
