"""Questions about sightings, answered by looking at every one of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from annotator.calendar import spans
from annotator.domain import (
    UNKNOWN_NAME,
    Annotation,
    By,
    CaptureQuery,
    Count,
    Event,
    EventName,
    EventPerson,
    EventSummary,
    Identity,
    LabelCount,
    MonitorCount,
    Order,
    PersonSummary,
    Sighting,
    Stay,
)

_TICK = timedelta(milliseconds=1)
_WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]


@dataclass(frozen=True)
class Seen:
    """A sighting, the annotation it is of, the place of its detection there, and its face's
    weight."""

    annotation: Annotation
    place: int
    sighting: Sighting
    weight: float = 0.0

    @property
    def event(self) -> Event:
        return self.annotation.capture.event

    @property
    def called(self) -> str | None:
        verdict = self.sighting.verdict
        return UNKNOWN_NAME if verdict == Identity.UNKNOWN else self.sighting.name

    @property
    def detection(self) -> tuple[str, int]:
        return self.sighting.path, self.place

    @property
    def is_still(self) -> bool:
        return self.sighting.stay is Stay.STILL_THERE


def fits(seen: Seen, query: CaptureQuery) -> bool:
    one = seen.sighting
    shorter_px = min(one.box.width, one.box.height)
    wants_a_face = bool(query.names or query.strangers)
    return (
        (not query.monitors or one.monitor in query.monitors)
        and (not query.labels or one.label in query.labels)
        and (not wants_a_face or seen.called in query.names or one.stranger in query.strangers)
        and not (query.no_face and one.face_box is not None)
        and (not query.events or bool({one.event, seen.event.directory} & {*query.events}))
        and is_in_time(one.captured_at, query)
        and (query.min_score is None or one.score >= query.min_score)
        and (
            query.min_probability is None
            or (one.probability is not None and one.probability >= query.min_probability)
        )
        and (query.min_box_px is None or shorter_px >= query.min_box_px)
        and (query.max_box_px is None or shorter_px <= query.max_box_px)
        and (query.stationary or not seen.is_still)
    )


def is_in_time(moment: datetime, query: CaptureQuery) -> bool:
    return (
        (query.since is None or moment >= query.since)
        and (query.until is None or moment < query.until)
        and any(spans(query.hours, query.weekdays, moment, moment + _TICK))
    )


def in_order(every: Iterable[Seen], order: Order) -> list[Seen]:
    newest = sorted(every, key=lambda one: one.sighting.captured_at, reverse=True)
    match order:
        case Order.NEWEST:
            return newest
        case Order.OLDEST:
            return newest[::-1]
        case Order.BEST:
            return sorted(newest, key=lambda one: -one.sighting.score)


def label_counts(every: Iterable[Seen]) -> tuple[LabelCount, ...]:
    detections = {one.detection: one.sighting for one in every}.values()
    found = [
        LabelCount(label, len(scores), max(scores))
        for label in {one.label for one in detections}
        if (scores := [one.score for one in detections if one.label == label])
    ]
    return tuple(sorted(found, key=lambda one: (-one.best_score, -one.detections, one.label)))


def best_of(every: Iterable[Seen]) -> Sighting | None:
    def rank(one: Seen) -> tuple[object, ...]:
        weight = one.weight if one.sighting.name else -1
        age = one.sighting.captured_at.timestamp()
        return weight, not one.is_still, one.sighting.score, -age, -one.place

    best = max(every, key=rank, default=None)  # type: ignore[arg-type]
    return best.sighting if best else None


def summary(
    event: Event,
    annotations: Sequence[Annotation],
    every: Sequence[Seen],
    people: Sequence[EventPerson],
    *,
    unseen: int,
    stationary: bool,
) -> EventSummary:
    times = [one.captured_at for one in annotations]
    return EventSummary(
        event=event,
        began_at=min(times),
        ended_at=max(times),
        captures=len(annotations),
        unseen=unseen,
        labels=label_counts(one for one in every if stationary or not one.is_still),
        people=tuple(EventName(one.name, one.share, one.faces) for one in people),
        best=best_of(every),
    )


def people_among(fitting: Sequence[Seen]) -> tuple[PersonSummary, ...]:
    found = []
    for name in {one.called for one in fitting} - {None}:
        faces = in_order([one for one in fitting if one.called == name], Order.NEWEST)
        places = [
            MonitorCount(
                monitor,
                len({one.event for one in here}),
                len(here),
                here[0].sighting.captured_at,
            )
            for monitor in {one.sighting.monitor for one in faces}
            if (here := [one for one in faces if one.sighting.monitor == monitor])
        ]
        places.sort(key=lambda one: (-one.events, -one.faces, one.monitor))
        events = len({one.event for one in faces})
        first, last = faces[-1].sighting, faces[0].sighting
        found.append(PersonSummary(str(name), events, len(faces), first, last, tuple(places)))
    return tuple(sorted(found, key=lambda one: (-one.last.captured_at.timestamp(), one.name)))


def count_by(fitting: Sequence[Seen], by: Sequence[By], *, by_face: bool) -> tuple[Count, ...]:
    """An event counts once in each hour or day, and for each kind of thing, in which it has a
    sighting."""
    events: dict[tuple[str, ...], set[object]] = {}
    sightings: dict[tuple[str, ...], set[object]] = {}
    for one in fitting:
        local = one.sighting.captured_at.astimezone()
        said = {
            By.HOUR: f"{local:%H}",
            By.DAY: f"{local:%Y-%m-%d}",
            By.WEEKDAY: _WEEKDAYS[local.weekday()],
            By.MONITOR: one.sighting.monitor,
            By.LABEL: one.sighting.label,
            By.NAME: one.called,
        }
        keys = tuple(said[key] for key in by)
        if None in keys:
            continue
        when = f"{local:%Y-%m-%d %H}" if By.HOUR in by else f"{local:%Y-%m-%d}"
        in_time = {By.HOUR, By.DAY, By.WEEKDAY} & {*by}
        events.setdefault(keys, set()).add((one.event, when if in_time else ""))
        face_id = one.sighting.face_id if by_face else None
        sightings.setdefault(keys, set()).add((one.detection, face_id))
    often: list[Counter[str]] = [Counter() for _ in by]
    for keys, of_keys in events.items():
        for place, key in enumerate(keys):
            often[place][key] += len(of_keys)

    def rank(keys: tuple[str, ...]) -> list[tuple[int, str]]:
        found = []
        for place, (key, said) in enumerate(zip(by, keys, strict=True)):
            if key is By.WEEKDAY:
                found.append((_WEEKDAYS.index(said), ""))
            elif key in (By.HOUR, By.DAY):
                found.append((0, said))
            else:
                found.append((-often[place][said], said))
        return found

    ordered = sorted(events, key=rank)
    return tuple(Count(keys, len(events[keys]), len(sightings[keys])) for keys in ordered)
