"""`report`: what a day or a week was like."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING

from annotator.app.opening import questions
from annotator.app.usual import Period, findings
from annotator.calendar import Span
from annotator.config import Config
from annotator.domain import (
    UNKNOWN_NAME,
    By,
    Capture,
    CaptureQuery,
    Event,
    Failure,
    Order,
    PersonSummary,
    Sighting,
)
from annotator.view.report import Fact, Place, Report, Tally, Visitor

if TYPE_CHECKING:
    from annotator.app.asking import Status
    from annotator.app.darkroom import Wanted
    from annotator.ports import SightingQueries

MOST_UNKNOWN = 8
MOST_LABELS = 4
MOST_FAILURES = 10
FACE_PX, SCENE_PX = 144, 400
"""Twice what they are shown at, for screens with fine pixels."""
UNKNOWN_SIGHTINGS, FAILURES_LOOKED_AT = 2_000, 20_000
"""No more is looked through."""
STALE = timedelta(minutes=3)
"""A daemon writes its health every minute; one that has not for so long is in trouble."""


@dataclass(frozen=True, slots=True)
class Reported:
    """The report; captures whose pictures are missing, and why."""

    content: bytes
    problems: tuple[tuple[str, str], ...]


def report(
    config: Config, question: CaptureQuery, period: Period, *, as_mail: bool = False
) -> Reported:
    """The digest of a period as a page, or as a mail.

    Of the question everything but its time and order counts. Raises QueryError.
    """
    from annotator.app.asking import status
    from annotator.view.report import report_html, report_mail

    span = period.span
    asked = replace(question, since=span.since, until=span.until, order=Order.NEWEST, limit=None)
    state = status(config, 0)
    with questions(config) as queries:
        plan = _plan(queries, asked, period, state, datetime.now(UTC))
    drawn, problems = _drawn(config, [*plan.faces, *plan.scenes])
    finished = plan.finished(drawn)
    content = report_mail(finished) if as_mail else report_html(finished).encode()
    return Reported(content, tuple(sorted(problems.items())))


@dataclass(frozen=True, slots=True)
class _Plan:
    """A report without pictures, and the picture of each of its visitors and places, None where
    there is none to be had."""

    report: Report
    faces: tuple[Wanted | None, ...]
    scenes: tuple[Wanted | None, ...]

    def finished(self, drawn: dict[Wanted | None, bytes]) -> Report:
        report = self.report
        return replace(
            report,
            visitors=tuple(
                replace(one, picture=drawn.get(wanted, b""))
                for one, wanted in zip(report.visitors, self.faces, strict=True)
            ),
            places=tuple(
                replace(one, picture=drawn.get(wanted, b""))
                for one, wanted in zip(report.places, self.scenes, strict=True)
            ),
        )


def _drawn(
    config: Config, wanted: Sequence[Wanted | None]
) -> tuple[dict[Wanted | None, bytes], dict[str, str]]:
    """A picture each, and by the capture's path why there is none."""
    from annotator.app.darkroom import open_darkroom

    if config.store.root is None:
        return {}, {"the store": "it is not configured, so there are no pictures"}
    drawn: dict[Wanted | None, bytes] = {}
    problems: dict[str, str] = {}
    with open_darkroom(config) as room:
        for made in room.make(one for one in wanted if one is not None):
            if made.spoilt is not None:
                problems[made.wanted.capture.path] = made.spoilt.message
            else:
                (drawn[made.wanted],) = made.pictures
    return drawn, problems


def _plan(
    queries: SightingQueries,
    asked: CaptureQuery,
    period: Period,
    state: Status,
    now: datetime,
) -> _Plan:
    found = list(queries.events(asked))
    empty = list(queries.empty_events(asked))
    visitors, faces, more_unknown = _visitors(queries, asked)
    places, scenes = _places(queries, asked)
    failures = _failures(queries, period.span, asked.monitors)
    history = findings(queries, asked, period)
    by_hour = period.days == 1
    return _Plan(
        Report(
            title=period.title,
            days=period.days,
            made_at=now,
            events=len(found),
            empty=len(empty),
            visitors=visitors,
            more_unknown=more_unknown,
            places=places,
            bars=_hours(queries, asked) if by_hour else _days(queries, asked, period),
            bars_are="events by the hour" if by_hour else "events by the day",
            unusual=history.remarks,
            compared=history.compared,
            unseen=sum(one.unseen for one in (*found, *empty)),
            failures=tuple(failures[:MOST_FAILURES]),
            more_failures=max(0, len(failures) - MOST_FAILURES),
            state=tuple(_facts(state, now)),
        ),
        faces,
        scenes,
    )


def _visitors(
    queries: SightingQueries, asked: CaptureQuery
) -> tuple[tuple[Visitor, ...], tuple[Wanted | None, ...], int]:
    """Known people in the order in which they came, then those unknown, each event or stranger
    once; and how many events with unknown people are left out."""
    visitors: list[Visitor] = []
    faces: list[Wanted | None] = []
    known = [one for one in queries.people(asked) if one.name != UNKNOWN_NAME]
    for person in sorted(known, key=lambda one: one.first.captured_at):
        best = replace(asked, names=(person.name,), strangers=(), order=Order.BEST, limit=1)
        visitors.append(_known(person))
        faces.append(_face(next(iter(queries.sightings(best)), person.last)))
    groups = _unknown(queries, asked)
    for who, rows in groups[:MOST_UNKNOWN]:
        times = [one.captured_at for one in rows]
        where = tuple(dict.fromkeys(one.monitor for one in rows))
        events = len({one.path.rpartition("/")[0] for one in rows})
        visitors.append(Visitor(who, False, events, min(times), max(times), where))
        faces.append(_face(max(rows, key=lambda one: one.face_box.area if one.face_box else 0)))
    return tuple(visitors), tuple(faces), len(groups[MOST_UNKNOWN:])


def _known(person: PersonSummary) -> Visitor:
    return Visitor(
        person.name,
        True,
        person.events,
        person.first.captured_at,
        person.last.captured_at,
        tuple(one.monitor for one in person.monitors),
    )


def _unknown(queries: SightingQueries, asked: CaptureQuery) -> list[tuple[str, list[Sighting]]]:
    """Faces of nobody known, by stranger where they were grouped, else by event."""
    from annotator.view.words import unknown_people

    if asked.no_face or (asked.names and not asked.strangers and UNKNOWN_NAME not in asked.names):
        return []
    everybody = not asked.strangers or UNKNOWN_NAME in asked.names
    meant = replace(asked, names=(UNKNOWN_NAME,) if everybody else (), order=Order.OLDEST)
    by_event: dict[str, list[Sighting]] = {}
    for one in islice(queries.sightings(meant), UNKNOWN_SIGHTINGS):
        by_event.setdefault(one.path.rpartition("/")[0], []).append(one)
    groups: dict[str, tuple[str, list[Sighting]]] = {}
    for event, seen in by_event.items():
        who = ", ".join(unknown_people(seen))
        key = event if who == UNKNOWN_NAME else who
        groups.setdefault(key, (who, []))[1].extend(seen)
    return list(groups.values())


def _places(
    queries: SightingQueries, asked: CaptureQuery
) -> tuple[tuple[Place, ...], tuple[Wanted | None, ...]]:
    from annotator.app.darkroom import Print, Wanted
    from annotator.view.words import told

    by_label = queries.stats(asked, (By.MONITOR, By.LABEL))
    places: list[Place] = []
    scenes: list[Wanted | None] = []
    for count in queries.stats(asked, (By.MONITOR,)):
        (monitor,) = count.keys
        labels = [Tally(one.keys[1], one.events) for one in by_label if one.keys[0] == monitor]
        best = replace(asked, monitors=(monitor,), order=Order.BEST, limit=1)
        wanted, words = None, ""
        for one in queries.sightings(best):
            capture = _capture_of(one)
            seen = queries.seen_in(capture) or (one,)
            wanted, words = Wanted(capture, seen, (Print(SCENE_PX),)), told(seen)
        places.append(Place(monitor, count.events, tuple(labels[:MOST_LABELS]), told=words))
        scenes.append(wanted)
    return tuple(places), tuple(scenes)


def _face(one: Sighting) -> Wanted | None:
    from annotator.app.darkroom import Print, Wanted

    if one.face_box is None:
        return None
    return Wanted(_capture_of(one), (), (Print(FACE_PX, one.face_box),))


def _capture_of(one: Sighting) -> Capture:
    directory, _, name = one.path.rpartition("/")
    monitor_directory = directory.removesuffix(one.event).rstrip("/")
    return Capture(Event(one.monitor, monitor_directory, one.event), name, one.frame)


def _hours(queries: SightingQueries, asked: CaptureQuery) -> tuple[Tally, ...]:
    events = {int(one.keys[0]): one.events for one in queries.stats(asked, (By.HOUR,))}
    return tuple(Tally(f"{hour:02d}", events.get(hour, 0)) for hour in range(24))


def _days(queries: SightingQueries, asked: CaptureQuery, period: Period) -> tuple[Tally, ...]:
    events = {one.keys[0]: one.events for one in queries.stats(asked, (By.DAY,))}
    days = [period.first + timedelta(number) for number in range(period.days)]
    return tuple(Tally(f"{day:%a} {day.day}", events.get(day.isoformat(), 0)) for day in days)


def _failures(queries: SightingQueries, span: Span, monitors: tuple[str, ...]) -> list[Failure]:
    """Captures of events that began in a span."""
    return [
        one
        for one in islice(queries.failures(), FAILURES_LOOKED_AT)
        if one.capture is not None
        and (began := one.capture.event.started_at) is not None
        and span.since <= began < span.until
        and (not monitors or one.capture.monitor in monitors)
    ]


def _facts(state: Status, now: datetime) -> Iterator[Fact]:
    """What `annotator status` says, as far as a reader has to know."""
    from annotator.view.words import many, minute

    running, health, totals = state.running, state.health, state.totals
    if running is None:
        yield Fact("running", "nothing; new captures wait until `annotator watch` runs")
    else:
        since = f" since {minute(running.started_at)}" if running.started_at else ""
        yield Fact("running", f"annotator {running.role}{since}")
    if running is not None and health is not None:
        yield Fact("store", f"{health.mount.state} since {minute(health.mount.since)}")
        if health.stood_in_for:
            names = ", ".join(health.stood_in_for)
            yield Fact("Edge TPU", f"the CPU stands in for the {names}")
        if health.database_stuck:
            yield Fact("database", "cannot be written; see the daemon's log")
        if now - health.written_at > STALE:
            yield Fact("", f"the daemon has said nothing since {minute(health.written_at)}")
    waiting = sum(totals.waiting.values())
    oldest = min(totals.oldest_waiting.values(), default=None)
    since = f", the oldest since {minute(oldest)}" if oldest and waiting else ""
    yield Fact("waiting", f"{many(waiting, 'capture')}{since}" if waiting else "nothing")
    yield Fact("annotated", f"{many(totals.annotated, 'capture')} in all")
    yield Fact("failed", f"{many(totals.failed, 'capture')} in all" if totals.failed else "none")
