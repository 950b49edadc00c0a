"""The backlog, the results and the questions in memory; passes the contract of the database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from annotator.config import StationarySettings
from annotator.domain import (
    UNKNOWN_NAME,
    Annotation,
    By,
    Capture,
    CaptureQuery,
    Count,
    Detection,
    Event,
    EventPerson,
    EventSummary,
    FaceQuestion,
    Failure,
    Frame,
    Lease,
    Order,
    Origin,
    PersonSummary,
    Reason,
    Sighting,
    SkipReason,
    Stay,
    StoredFace,
    Totals,
    Window,
)
from annotator.errors import QueryError
from annotator.ports import Clock
from tests.fakes.memory_faces import MemoryFaces, Row
from tests.fakes.memory_questions import (
    Seen,
    count_by,
    fits,
    in_order,
    is_in_time,
    people_among,
    summary,
)
from tests.fakes.parking import Look, stays

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_FINEST = 16


@dataclass(slots=True)
class Waiting:
    """One row of the backlog."""

    id: int
    capture: Capture
    origin: Origin
    fineness: int
    added_at: datetime
    attempts: int = 0
    leased: bool = False
    not_before: datetime | None = None

    @property
    def urgency(self) -> tuple[int, float, str, int]:
        """Among the captures of one monitor and origin."""
        event = self.capture.event
        started_at = event.started_at or _LONG_AGO
        return self.fineness, -started_at.timestamp(), event.path, self.capture.frame


class MemoryStore:
    """The ports `Backlog` and `AnnotationStore`; what was recorded is there to look at, by path.

    `given_back` counts the captures that were put back, `recordings` the annotations that were
    recorded, and `recorded` tells which one each capture's is; `faces` are for a MemoryFaceBook.
    """

    def __init__(
        self, clock: Clock, settings_of: Callable[[str], StationarySettings] | None = None
    ) -> None:
        self.settings_of = settings_of
        self.annotations: dict[str, Annotation] = {}
        self.failures: dict[str, Failure] = {}
        self.skipped: dict[str, SkipReason] = {}
        self.given_back = 0
        self.recordings = 0
        self.recorded: dict[str, int] = {}
        self.faces = MemoryFaces()
        self._clock = clock
        self._waiting: dict[str, Waiting] = {}
        self._leases: list[Lease] = []
        self._added = 0
        self._first_frames: dict[Event, int] = {}
        self._served: list[str] = []
        self._failed_at: dict[str, datetime] = {}
        self._identity: str | None = None

    def leases_of(self, path: str) -> list[Lease]:
        """Every time the capture was handed out, oldest first."""
        return [lease for lease in self._leases if lease.capture.path == path]

    def add(self, captures: Sequence[Capture], origin: Origin) -> int:
        before = self._added
        self._see(captures)
        for capture in captures:
            if origin is Origin.BACKFILL and capture.path in self.skipped:
                self._forget(capture.path)
            failed = self.failures.get(capture.path)
            if failed is not None and failed.reason is Reason.VANISHED:
                self._forget(capture.path)
            if not self._met(capture.path):
                self._wait(capture, origin)
        return self._added - before

    def skip(self, captures: Sequence[Capture], reason: SkipReason) -> int:
        self._see(captures)
        new = {capture.path for capture in captures if not self._met(capture.path)}
        self.skipped |= dict.fromkeys(new, reason)
        return len(new)

    def monitors(self) -> tuple[str, ...]:
        return tuple({event.monitor for event in self._first_frames})

    def expire(self, monitor: str, before: datetime) -> int:
        expired = [
            path
            for path, row in self._waiting.items()
            if row.capture.monitor == monitor
            and row.added_at < before
            and not row.leased
            and row.origin is not Origin.BACKFILL
        ]
        for path in expired:
            self._forget(path)
            self.skipped[path] = SkipReason.TOO_OLD
        return len(expired)

    def retry(self, reasons: Sequence[Reason], paths: Sequence[str]) -> int:
        chosen = [
            failure.capture
            for failure in self.failures.values()
            if failure.capture is not None
            and (not reasons or failure.reason in reasons)
            and (not paths or any(_is_or_lies_below(failure.path, path) for path in paths))
        ]
        for capture in chosen:
            self._forget(capture.path)
            self._wait(capture, Origin.BACKFILL)
        return len(chosen)

    def redo_fallback(self, window: Window) -> int:
        before = self._added
        for path, annotation in self.annotations.items():
            was_asked_for = annotation.provenance.fallback and _is_in(window, annotation.capture)
            if was_asked_for and path not in self._waiting:
                self._wait(annotation.capture, Origin.BACKFILL)
        return self._added - before

    def take_up_again(self, captures: Sequence[Capture]) -> int:
        before = self._added
        for capture in captures:
            if capture.path in self.failures:
                self._forget(capture.path)
                self._wait(capture, Origin.RECONCILE)
        return self._added - before

    def _wait(self, capture: Capture, origin: Origin) -> None:
        self._added += 1
        distance = capture.frame - self._first_frames[capture.event]
        halvings = (distance & -distance).bit_length() - 1
        fineness = 0 if not distance else max(1, _FINEST - halvings)
        self._waiting[capture.path] = Waiting(
            self._added,
            capture,
            origin,
            0 if origin is Origin.BACKFILL else fineness,
            self._clock.now(),
        )

    def _see(self, captures: Iterable[Capture]) -> None:
        for capture in sorted(captures, key=lambda one: one.frame):
            self._first_frames.setdefault(capture.event, capture.frame)

    def _met(self, path: str) -> bool:
        places = (self._waiting, self.annotations, self.failures, self.skipped)
        return any(path in place for place in places)

    def lease(self, count: int) -> tuple[Lease, ...]:
        now = self._clock.now()
        free = [
            row
            for row in self._waiting.values()
            if not row.leased and (row.not_before is None or row.not_before <= now)
        ]
        leases = []
        for row in self._in_turn(free, count):
            row.leased, row.not_before = True, None
            row.attempts += 1
            leases.append(Lease(row.id, row.capture, row.origin, row.attempts, row.added_at))
        self._leases += leases
        return tuple(leases)

    def _in_turn(self, free: list[Waiting], count: int) -> Iterator[Waiting]:
        """The next is always the best of the monitor that was served longest ago."""

        def urgency(row: Waiting) -> tuple[object, ...]:
            monitor = row.capture.monitor
            served = self._served.index(monitor) if monitor in self._served else -1
            return list(Origin).index(row.origin), served, row.urgency

        while free and count > 0:
            row = min(free, key=urgency)
            free.remove(row)
            count -= 1
            monitor = row.capture.monitor
            self._served = [one for one in self._served if one != monitor] + [monitor]
            yield row

    def give_back(
        self, leases: Sequence[Lease], *, not_before: datetime | None, attempted: bool
    ) -> None:
        for lease in leases:
            row = self._waiting.get(lease.capture.path)
            if row is not None and row.leased:
                row.leased, row.not_before = False, not_before
                row.attempts -= not attempted
                self.given_back += 1

    def free_all(self) -> int:
        leased = [row for row in self._waiting.values() if row.leased]
        for row in leased:
            row.leased = False
        return len(leased)

    def waiting(self, origin: Origin | None = None) -> int:
        return sum(origin in (None, row.origin) for row in self._waiting.values())

    def record(self, annotations: Sequence[Annotation], failures: Sequence[Failure]) -> None:
        self._see(one.capture for one in annotations)
        self._see(one.capture for one in failures if one.capture is not None)
        for annotation in annotations:
            self._forget(annotation.capture.path)
            self.recordings += 1
            self.recorded[annotation.capture.path] = self.recordings
            self.annotations[annotation.capture.path] = annotation
            self.faces.record(annotation)
        for failure in failures:
            if failure.path in self.annotations:
                self._waiting.pop(failure.path, None)
                continue
            self._forget(failure.path)
            self.failures[failure.path] = failure
            self._failed_at[failure.path] = self._clock.now()

    def unfinished(self, since: datetime) -> tuple[Failure, ...]:
        return tuple(
            failure
            for path, failure in self.failures.items()
            if failure.capture is not None
            and failure.reason in (Reason.EMPTY, Reason.TRUNCATED)
            and self._failed_at[path] >= since
        )

    def store_identity(self) -> str | None:
        return self._identity

    def set_store_identity(self, identity: str) -> None:
        self._identity = identity

    def clear_directory_failures(self, directories: Iterable[str]) -> None:
        listed = {f"{directory}/".lstrip("/") for directory in directories}
        for path, failure in list(self.failures.items()):
            above = f"{path}/".lstrip("/")
            if failure.capture is None and any(one.startswith(above) for one in listed):
                del self.failures[path]

    def _forget(self, path: str) -> None:
        for place in (self.annotations, self.failures, self.skipped, self._waiting):
            place.pop(path, None)
        self.faces.forget(path)

    def now(self) -> datetime:
        return self._clock.now()

    def not_done(self) -> list[Capture]:
        """What waits or has failed."""
        failed = [one.capture for one in self.failures.values() if one.capture is not None]
        return [row.capture for row in self._waiting.values()] + failed

    def captures(self) -> list[Capture]:
        """Everything that was met but what was skipped."""
        return [one.capture for one in self.annotations.values()] + self.not_done()

    def oldest_waiting(self, origin: Origin) -> datetime | None:
        rows = self._waiting.values()
        return min((row.added_at for row in rows if row.origin is origin), default=None)


def _is_in(window: Window, capture: Capture) -> bool:
    event, started_at = capture.event, capture.event.started_at
    return (
        (not window.monitors or bool({event.monitor, event.monitor_directory} & {*window.monitors}))
        and (window.since is None or (started_at is not None and started_at >= window.since))
        and (window.until is None or (started_at is not None and started_at < window.until))
        and (not window.paths or any(_is_or_lies_below(capture.path, one) for one in window.paths))
    )


def _is_or_lies_below(path: str, place: str) -> bool:
    place = place.rstrip("/")
    return place in ("", path) or path.startswith(f"{place}/")


class MemoryQueries:
    """The port `SightingQueries` over what a MemoryStore holds."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    def sightings(self, query: CaptureQuery) -> Iterable[Sighting]:
        return [one.sighting for one in self._fitting(query)[: query.limit]]

    def _fitting(self, query: CaptureQuery) -> list[Seen]:
        """In the order that is asked for."""
        every = list(self._seen(self._store.annotations.values()))
        events = {one.event for one in every} | {w.event for w in self._store.captures()}
        strangers = {one.sighting.stranger for one in every}
        known: list[tuple[str, Iterable[object], set[object]]] = [
            ("monitor", query.monitors, {*self._store.monitors()}),
            ("label", query.labels, {one.sighting.label for one in every}),
            ("name", query.names, {UNKNOWN_NAME} | {one.sighting.name for one in every}),
            ("stranger", query.strangers, {*strangers}),
            ("event", query.events, {p for e in events for p in (e.path, e.directory)}),
        ]
        for what, asked, there in known:
            for name in asked:
                if name not in there:
                    raise QueryError(f"no {what} {name!r}", "ask for another")
        return in_order([one for one in every if fits(one, query)], query.order)

    def count(self, query: CaptureQuery) -> int:
        return len(self._fitting(query))

    def newest_mark(self) -> int:
        return self._store.recordings

    def sightings_since(self, query: CaptureQuery, mark: int) -> tuple[tuple[Sighting, ...], int]:
        recorded = self._store.recorded
        late = [one for one in self._fitting(query) if recorded[one.sighting.path] > mark]
        late.sort(key=lambda one: (recorded[one.sighting.path], -one.place))
        return tuple(one.sighting for one in late), self._store.recordings

    def events(self, query: CaptureQuery) -> Iterable[EventSummary]:
        events = list(dict.fromkeys(one.event for one in self._fitting(query)))[: query.limit]
        return [self._summary(event, stationary=query.stationary) for event in events]

    def empty_events(self, query: CaptureQuery) -> Iterable[EventSummary]:
        for name in query.monitors:
            if name not in self._store.monitors():
                raise QueryError(f"no monitor {name!r}", "ask for another")
        by_event: dict[Event, list[Annotation]] = {}
        for one in self._store.annotations.values():
            by_event.setdefault(one.capture.event, []).append(one)
        unlisted = [one.path for one in self._store.failures.values() if one.capture is None]
        settled = self._store.now() - timedelta(minutes=5)
        found = [
            self._summary(event, stationary=True)
            for event, annotations in by_event.items()
            if not any(one.detections for one in annotations)
            and not any(one.event == event for one in self._store.not_done())
            and max(one.captured_at for one in annotations) <= settled
            and not any(_is_or_lies_below(event.directory, path) for path in unlisted)
            and (not query.monitors or event.monitor in query.monitors)
            and is_in_time(min(one.captured_at for one in annotations), query)
        ]
        found.sort(key=lambda one: one.began_at, reverse=query.order is not Order.OLDEST)
        return found[: query.limit]

    def _summary(self, event: Event, *, stationary: bool) -> EventSummary:
        annotations = [one for one in self._in_time() if one.capture.event == event]
        annotated = {one.capture.path for one in annotations}
        not_done = [one for one in self._store.not_done() if one.event == event]
        return summary(
            event,
            annotations,
            list(self._seen(annotations)),
            self._store.faces.people(event),
            unseen=sum(one.path not in annotated for one in not_done),
            stationary=stationary,
        )

    def people(self, query: CaptureQuery) -> tuple[PersonSummary, ...]:
        return people_among(self._fitting(replace(query, order=Order.NEWEST)))

    def stats(self, query: CaptureQuery, by: Sequence[By]) -> tuple[Count, ...]:
        asks_for_faces = query.names or query.strangers or query.min_probability is not None
        by_face = bool(asks_for_faces) or By.NAME in by
        return count_by(self._fitting(query), by, by_face=by_face)

    def frames(self, event: Event) -> tuple[Frame, ...]:
        found = [one for one in self._in_time() if one.capture.event == event]
        return tuple(
            Frame(
                one.capture, one.captured_at, one.width, one.height, tuple(self._sightings([one]))
            )
            for one in sorted(found, key=lambda one: (one.capture.frame, one.capture.file_name))
        )

    def seen_in(self, capture: Capture) -> tuple[Sighting, ...] | None:
        annotation = self._store.annotations.get(capture.path)
        return None if annotation is None else tuple(self._sightings([annotation]))

    def sample(self, window: Window, count: int) -> tuple[Capture, ...]:
        every = [one.capture for one in self._in_time() if _is_in(window, one.capture)]
        count = min(count, len(every))
        return tuple(every[(2 * n + 1) * len(every) // (2 * count)] for n in range(count))

    def _in_time(self) -> list[Annotation]:
        return sorted(
            self._store.annotations.values(),
            key=lambda one: (one.captured_at, one.capture.event.path, one.capture.frame),
        )

    def _sightings(self, annotations: Iterable[Annotation]) -> Iterator[Sighting]:
        return (one.sighting for one in self._seen(annotations))

    def _seen(self, annotations: Iterable[Annotation]) -> Iterator[Seen]:
        """Of one capture what moves first, as the database has it."""
        order, stays_of = [None, *Stay], self._stays()
        for annotation in annotations:
            path = annotation.capture.path
            faces = self._store.faces.by_place(path)
            found = [
                (stays_of.get((path, place)), place, detection)
                for place, detection in enumerate(annotation.detections)
            ]
            for stay, place, detection in sorted(found, key=lambda one: order.index(one[0])):
                of_it = [faces[place, nth] for nth in range(len(detection.faces))]
                for face in of_it or (None,):
                    weight = face.weight if face else 0.0
                    sighting = _sighting(annotation, detection, face, stay)
                    yield Seen(annotation, place, sighting, weight)

    def _stays(self) -> dict[tuple[str, int], Stay]:
        """By the capture's path and the detection's place in it."""
        found: dict[tuple[str, int], Stay] = {}
        by_monitor: dict[str, list[Annotation]] = {}
        for one in self._in_time():
            by_monitor.setdefault(one.capture.event.monitor_directory, []).append(one)
        for every in by_monitor.values() if self._store.settings_of else ():
            assert self._store.settings_of is not None
            settings = self._store.settings_of(every[0].capture.monitor)
            looks = [
                Look(one.captured_at, tuple((seen.label, seen.box) for seen in one.detections))
                for one in every
            ]
            for sightings in stays(looks, settings):
                for (n, place), stay in sightings.items():
                    found[every[n].capture.path, place] = stay
        return found

    def stored_faces(self, question: FaceQuestion) -> Iterator[StoredFace]:
        known = {row.name for row in self._store.faces.rows.values()} | {UNKNOWN_NAME}
        for name in question.names:
            if name not in known:
                raise QueryError(f"no name {name!r}", "ask for another")
        return self._store.faces.stored(question)

    def event_people(self, window: Window) -> Iterator[EventPerson]:
        captures = [one.capture for one in self._in_time()]
        events = {one.event for one in captures if _is_in(window, one)}
        for event in sorted(events, key=lambda one: one.started_at or _LONG_AGO, reverse=True):
            yield from self._store.faces.people(event)

    def totals(self) -> Totals:
        annotations = self._store.annotations.values()
        detections = [one for annotation in annotations for one in annotation.detections]
        failures = Counter(one.reason for one in self._store.failures.values())
        waiting = {origin: self._store.waiting(origin) for origin in Origin}
        return Totals(
            annotated=len(annotations),
            failed=len(self._store.failures),
            detections=len(detections),
            faces=sum(len(one.faces) for one in detections),
            waiting={origin: count for origin, count in waiting.items() if count},
            oldest_waiting={
                origin: since for origin in Origin if (since := self._store.oldest_waiting(origin))
            },
            skipped=dict(Counter(self._store.skipped.values())),
            failures={reason: failures[reason] for reason in Reason if failures[reason]},
            newest_captured_at=max((one.captured_at for one in annotations), default=None),
            newest_by_monitor={
                monitor: max(o.captured_at for o in annotations if o.capture.monitor == monitor)
                for monitor in {one.capture.monitor for one in annotations}
            },
        )

    def failures(self, limit: int | None = None) -> Iterable[Failure]:
        return list(reversed(self._store.failures.values()))[:limit]


def _sighting(
    annotation: Annotation, detection: Detection, face: Row | None, stay: Stay | None
) -> Sighting:
    capture = annotation.capture
    who = face.said if face else None
    return Sighting(
        captured_at=annotation.captured_at,
        monitor=capture.monitor,
        event=capture.event.path,
        frame=capture.frame,
        label=detection.label,
        class_id=detection.class_id,
        score=detection.score,
        box=detection.box,
        path=capture.path,
        face_box=face.face.box if face else None,
        name=who.name if who else None,
        probability=who.probability if who else None,
        verdict=face.verdict if face else None,
        stay=stay,
        stranger=face.stranger if face else None,
        face_id=face.id if face else None,
    )
