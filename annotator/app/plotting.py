"""`plot`: when, who and where, as a picture."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from annotator.app.opening import questions
from annotator.calendar import local_days
from annotator.config import Config
from annotator.domain import By, CaptureQuery
from annotator.errors import QueryError, StoreError

if TYPE_CHECKING:
    from annotator.view.plots import Form, Presence
    from db.queries import SqlQueries


class Kind(StrEnum):
    """What `plot` draws."""

    HEATMAP = "heatmap"
    TIMELINE = "timeline"
    MONITORS = "monitors"


EXACT_DAYS = 7
"""Of so many days a timeline shows each event, of more each day."""


def plot(config: Config, question: CaptureQuery, kind: Kind, output: Path) -> Path:
    """Draw what was seen into a PNG or SVG, by the file's name.

    Raises QueryError where nothing fits, RuntimeUnavailable without Matplotlib, StoreError where it
    cannot be written.
    """
    from annotator.view.words import asked

    about = asked(question)
    with questions(config) as queries:
        drawn = _drawn(queries, question, kind, "svg" if output.suffix.lower() == ".svg" else "png")
    if drawn is None:
        what = "nobody's face" if kind is Kind.TIMELINE else "nothing"
        raise QueryError(
            f"{what} was seen that fits, so there is nothing to draw: {about}",
            "ask for more, or see `annotator status` for what is there",
        )
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_bytes(drawn)
    except OSError as error:
        raise StoreError(
            f"cannot write {output}: {error.strerror}", "name another file with --output"
        ) from error
    return output


def _drawn(queries: SqlQueries, question: CaptureQuery, kind: Kind, form: Form) -> bytes | None:
    """None where there is nothing to draw."""
    from annotator.view import plots
    from annotator.view.words import asked

    about = asked(question)
    match kind:
        case Kind.HEATMAP:
            counts = queries.stats(question, (By.DAY, By.HOUR))
            title, days = f"Events by day and hour: {about}", _days_asked(question)
            if not counts:
                return None
            return plots.heat_map(counts, title, form, days, question.weekdays)
        case Kind.MONITORS:
            counts = queries.stats(question, (By.MONITOR, By.LABEL))
            return plots.monitors(counts, f"Events by monitor: {about}", form) if counts else None
        case Kind.TIMELINE:
            presences = _presences(queries, question)
            title = f"When people were seen: {about}"
            return plots.timeline(presences, title, form) if presences else None


def _days_asked(question: CaptureQuery) -> tuple[date, ...]:
    """The first and the last day, where the question names them."""
    found = []
    if question.since is not None:
        found.append(question.since.astimezone().date())
        until = min(question.until or datetime.now(UTC), datetime.now(UTC))
        found.append((until - timedelta(microseconds=1)).astimezone().date())
    return tuple(found)


def _presences(queries: SqlQueries, question: CaptureQuery) -> tuple[Presence, ...]:
    """Everybody's events, or days where they are many."""
    from annotator.view.plots import Presence

    by_day = [
        (one, date.fromisoformat(one.keys[1])) for one in queries.stats(question, (By.NAME, By.DAY))
    ]
    if not by_day:
        return ()
    days = [day for _, day in by_day]
    if (max(days) - min(days)).days < EXACT_DAYS:
        return _presences_by_event(queries, question)
    return tuple(
        Presence(one.keys[0], span.since, span.until, one.events)
        for one, day in by_day
        for span in (local_days(day, day),)
    )


def _presences_by_event(queries: SqlQueries, question: CaptureQuery) -> tuple[Presence, ...]:
    from annotator.view.plots import Presence
    from annotator.view.words import named

    found: dict[tuple[str, str], Presence] = {}
    for one in queries.sightings(question):
        who = named(one)
        if who is None:
            continue
        key = (who, one.path.rpartition("/")[0])
        before = found.get(key)
        since = min(before.since, one.captured_at) if before else one.captured_at
        until = max(before.until, one.captured_at) if before else one.captured_at
        found[key] = Presence(who, since, until, 1)
    return tuple(found.values())
