"""Stationary objects as they are written down; what is one, `annotator.stillness` decides.

A detection's `stay` changes when it turns out to be a sighting, and where a stay's ends move. The
object's own row is written rarely, since the database may lie on an SD card: what it lacks after a
crash is read from the detections.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    Connection,
    Row,
    Text,
    and_,
    bindparam,
    delete,
    insert,
    select,
    tuple_,
    union_all,
    update,
)

from annotator.domain import BoundingBox, Stay
from annotator.stillness import MEAN_OVER, MOST_PARKED, Ends, Moment, Parked, Place, Scene, Seen
from db.between import captures_after, captures_between
from db.keys import STAYS
from db.schema import detection, label, stationary

if TYPE_CHECKING:
    from annotator.config import StationarySettings

SAVED_EVERY_MS = 60_000
SAVED_EVERY_SIGHTINGS = 100
"""An object's row is written when it was seen for so long, or so often, since the last time."""

NEAREST_DETECTIONS = 5000
NEAREST_STAYS = 64
"""How far is looked in either direction, so that nothing takes long."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """One capture that was annotated, with the ids of its detections."""

    monitor_id: int
    monitor: str
    moment: Moment
    seen: tuple[Seen, ...]


class Stationary:
    """Keeps the stationary objects of all monitors, within the transactions of the one writer."""

    def __init__(self, settings_of: Callable[[str], StationarySettings]) -> None:
        self._settings_of = settings_of
        self._scenes: dict[int, Scene] = {}

    def forget(self) -> None:
        """A transaction has failed: what is remembered is read again."""
        self._scenes.clear()

    def take_in(
        self, connection: Connection, recorded: Sequence[Recorded], *, replaced: bool
    ) -> None:
        """After a batch was written, find the sightings in it. `replaced`: others were deleted."""
        if replaced:
            self._mend(connection)
        captures: dict[tuple[int, str], list[Recorded]] = {}
        for one in recorded:
            captures.setdefault((one.monitor_id, one.monitor), []).append(one)
        for (monitor_id, monitor), group in captures.items():
            settings = self._settings_of(monitor)
            if settings.enabled:
                records = _SqlRecords(connection, monitor_id)
                if monitor_id not in self._scenes:
                    self._mend(connection)
                    self._scenes[monitor_id] = _opened(records, settings)
                scene = self._scenes[monitor_id]
                scene.observe(records, [(one.moment, one.seen) for one in group])
                records.write(scene.changed)
                scene.changed.clear()

    def _mend(self, connection: Connection) -> None:
        """Find the ends anew of stays of which a detection at an end was deleted.

        By a batch that replaces it, or by hand.
        """
        if connection.scalar(_ANY_STALE) is None:
            return
        for parked in [parked for scene in self._scenes.values() for parked in scene.parked]:
            _save(connection, parked)
        for row in connection.execute(_STALE).all():
            scene = self._scenes.get(row.monitor_id)
            key = {"its_id": row.id}
            first = connection.execute(_FIRST, key | _span(row)).one_or_none()
            last = connection.execute(_LAST, key | _span(row)).one_or_none()
            if first is None or last is None:
                connection.execute(_DELETE, key)
                if scene is not None:
                    scene.forget(row.id)
                continue
            mended = _parked(row)
            mended.first, mended.last, mended.saved = Moment(*first), Moment(*last), None
            _mark(connection, [mended])
            _save(connection, mended)
            if scene is not None:
                scene.remember(_SqlRecords(connection, row.monitor_id), mended)
        connection.execute(_MENDED)


def _opened(records: _SqlRecords, settings: StationarySettings) -> Scene:
    """A monitor's scene with what is still there, as far as it is written down."""
    scene = Scene(settings)
    for parked in records.there():
        scene.remember(records, parked)
    return scene


class _SqlRecords:
    """The port `Records` of one monitor."""

    def __init__(self, connection: Connection, monitor_id: int) -> None:
        self._connection = connection
        self._monitor_id = monitor_id
        self._monitor = {"of_monitor": monitor_id}
        self._links: list[dict[str, int | None]] = []

    def captures_between(self, earlier: Moment, later: Moment, at_most: int) -> int:
        return captures_between(self._connection, self._monitor_id, earlier, later, at_most)

    def captures_after(self, moment: Moment, at_most: int) -> int:
        return captures_after(self._connection, self._monitor_id, moment, at_most)

    def unlinked(
        self, label: str, around: Moment, since_ms: int, until_ms: int
    ) -> Iterator[tuple[Moment, Seen]]:
        parameters = self._monitor | {
            "labelled": label,
            "around": around.captured_ms,
            "since": since_ms,
            "until": until_ms,
        }
        self._write_links()
        for question in (_UNLINKED_BEFORE, _UNLINKED_AFTER):
            for row in self._connection.execute(question, parameters):
                moment = Moment(row.captured_at, row.event_id, row.frame)
                yield moment, Seen(row.id, label, _box(row))

    def parked_around(self, one: Seen, moment: Moment) -> Iterator[Parked]:
        parameters = self._monitor | {
            "labelled": one.label,
            "around": moment.captured_ms,
            **{f"its_{side}": getattr(one.box, side) for side in _SIDES},
        }
        return map(_parked, self._connection.execute(_AROUND, parameters).all())

    def sightings_beside(self, parked: Parked, moment: Moment) -> tuple[Moment, Moment]:
        self._write_links()
        before = _sightings_of(parked, parked.first, moment)
        after = _sightings_of(parked, moment, parked.last)
        last = self._connection.execute(_LAST_WITHIN, before).one_or_none()
        first = self._connection.execute(_FIRST_WITHIN, after).one_or_none()
        # None where somebody deleted it by hand.
        return Moment(*last) if last else parked.first, Moment(*first) if first else parked.last

    def add(self, parked: Parked) -> None:
        values = self._monitor | {"labelled": parked.label, **_values(parked)}
        result = self._connection.execute(_INSERT, values)
        assert result.inserted_primary_key is not None
        parked.id = result.inserted_primary_key[0]

    def link(self, detection_id: int, parked: Parked) -> None:
        self._links.append({"its_id": detection_id, "of_object": parked.id})

    def move(self, parked: Parked, since: Moment, until: Moment, to: Parked | None) -> int:
        self._write_links()
        target = {
            "of_object": to.id if to else None,
            "mark": STAYS.index(Stay.STILL_THERE) if to else None,
        }
        return self._connection.execute(
            _MOVE, _sightings_of(parked, since, until) | target
        ).rowcount

    def remove(self, parked: Parked) -> None:
        self._connection.execute(_DELETE, {"its_id": parked.id})

    def write(self, changed: Collection[Parked]) -> None:
        """Write down sightings and what has changed of their stays."""
        self._write_links()
        _mark(self._connection, changed)
        for parked in changed:
            if _is_due(parked):
                _save(self._connection, parked)

    def _write_links(self) -> None:
        if self._links:
            self._connection.execute(_LINK, self._links)
            self._links = []

    def there(self) -> Iterator[Parked]:
        """What is still there; last what was seen last."""
        for row in reversed(self._connection.execute(_THERE, self._monitor).all()):
            parked = _parked(row)
            # What was not written down any more when the last run ended.
            after = _span(row) | {"its_id": row.id, "since": row.last_seen + 1}
            later = self._connection.execute(_LATER, after).all()
            if later:
                parked.last, parked.unsaved = Moment(*later[0]), len(later)
            yield parked


def _mark(connection: Connection, changed: Collection[Parked]) -> None:
    """Let the detections at the ends say so, and those that no longer are at an end as well."""
    rows = []
    for parked in changed:
        before, now = _marked(parked.saved), _marked(parked.ends)
        marks = dict.fromkeys(before, Stay.STILL_THERE) | now
        marks = {moment: stay for moment, stay in marks.items() if before.get(moment) != stay}
        rows += [
            {
                "its_id": parked.id,
                "its_time": moment.captured_ms,
                "its_event": moment.event,
                "its_frame": moment.frame,
                "mark": STAYS.index(stay),
            }
            for moment, stay in marks.items()
        ]
    if rows:
        connection.execute(_MARK, rows)


def _marked(ends: Ends | None) -> dict[Moment, Stay]:
    """Which sightings of a stay are not just another one."""
    if ends is None:
        return {}
    return {ends.first: Stay.ARRIVED} | ({} if ends.there else {ends.last: Stay.LEFT})


def _is_due(parked: Parked) -> bool:
    """Whether the row has to be written: at once where `_mark` has to know what it marked."""
    saved, now = parked.saved, parked.ends
    if saved is None or saved.first != now.first or saved.there != now.there or not now.there:
        return True
    late_ms = now.last.captured_ms - saved.last.captured_ms
    return late_ms >= SAVED_EVERY_MS or abs(parked.unsaved) >= SAVED_EVERY_SIGHTINGS


def _save(connection: Connection, parked: Parked) -> None:
    if parked.saved != parked.ends or parked.unsaved:
        connection.execute(_SAVE, {"its_id": parked.id, **_values(parked)})
        parked.saved, parked.unsaved = parked.ends, 0


def _values(parked: Parked) -> dict[str, int]:
    first, last = parked.first, parked.last
    return {
        **{f"new_{side}": getattr(parked.place.box, side) for side in _SIDES},
        "new_first_seen": first.captured_ms,
        "new_first_event_id": first.event,
        "new_first_frame": first.frame,
        "new_last_seen": last.captured_ms,
        "new_last_event_id": last.event,
        "new_last_frame": last.frame,
        "new_there": int(parked.there),
        "new_sightings": parked.unsaved,
    }


def _parked(row: Row[Any]) -> Parked:
    parked = Parked(
        label=row.label,
        place=Place(_box(row), MEAN_OVER),
        first=Moment(row.first_seen, row.first_event_id, row.first_frame),
        last=Moment(row.last_seen, row.last_event_id, row.last_frame),
        there=bool(row.there),
        id=row.id,
    )
    parked.saved = parked.ends
    return parked


def _box(row: Row[Any]) -> BoundingBox:
    return BoundingBox(row.xmin, row.ymin, row.xmax, row.ymax)


def _sightings_of(parked: Parked, since: Moment, until: Moment) -> dict[str, Any]:
    """Which detections `_WITHIN` means: those of a stay in a time."""
    return {
        "its_id": parked.id,
        "labelled": parked.label,
        "since": since.captured_ms,
        "since_event": since.event,
        "since_frame": since.frame,
        "until": until.captured_ms,
        "until_event": until.event,
        "until_frame": until.frame,
    }


def _span(row: Row[Any]) -> dict[str, int]:
    """When all detections of a stay were captured, written down or not."""
    return {
        "labelled": row.label,
        "since": row.first_seen,
        "until": row.last_seen + SAVED_EVERY_MS,
    }


# Built once, since building a statement takes longer than running it.

_SIDES = ("xmin", "ymin", "xmax", "ymax")
_ENDS = tuple(
    f"{end}_{part}" for end in ("first", "last") for part in ("seen", "event_id", "frame")
)
_CHANGING = (*_SIDES, *_ENDS, "there")
_LABEL_ID = select(label.c.id).where(label.c.name == bindparam("labelled")).scalar_subquery()

_INSERT = insert(stationary).values(
    monitor_id=bindparam("of_monitor"),
    label_id=_LABEL_ID,
    sightings=0,
    stale=0,
    **{name: bindparam(f"new_{name}") for name in _CHANGING},
)
_SAVE = (
    update(stationary)
    .where(stationary.c.id == bindparam("its_id"))
    .values(
        sightings=stationary.c.sightings + bindparam("new_sightings"),
        **{name: bindparam(f"new_{name}") for name in _CHANGING},
    )
)
_DELETE = delete(stationary).where(stationary.c.id == bindparam("its_id"))
_MENDED = update(stationary).where(stationary.c.stale == 1).values(stale=0)

_LINK = (
    update(detection)
    .where(detection.c.id == bindparam("its_id"))
    .values(stationary_id=bindparam("of_object"), stay=STAYS.index(Stay.STILL_THERE))
)
_MARK = (
    update(detection)
    .where(
        detection.c.event_id == bindparam("its_event"),
        detection.c.frame == bindparam("its_frame"),
        detection.c.captured_at == bindparam("its_time"),
        detection.c.stationary_id == bindparam("its_id"),
    )
    .values(stay=bindparam("mark"))
)

_OBJECTS = select(stationary, label.c.name.label("label")).join(label)
_THERE = (
    _OBJECTS.where(
        stationary.c.monitor_id == bindparam("of_monitor"),
        stationary.c.there == 1,
    )
    .order_by(stationary.c.last_seen.desc())
    .limit(MOST_PARKED)
)
_STALE = _OBJECTS.where(stationary.c.stale == 1)
_ANY_STALE = select(stationary.c.id).where(stationary.c.stale == 1).limit(1)

_MOMENT = (detection.c.captured_at, detection.c.event_id, detection.c.frame)
_OF_LABEL = and_(
    detection.c.label_id == _LABEL_ID,
    detection.c.captured_at.between(bindparam("since"), bindparam("until")),
)
_SIGHTINGS = select(*_MOMENT).where(_OF_LABEL, detection.c.stationary_id == bindparam("its_id"))
_FIRST = _SIGHTINGS.order_by(*_MOMENT).limit(1)
_LATER = _SIGHTINGS.order_by(*(column.desc() for column in _MOMENT))
_LAST = _LATER.limit(1)

_moment = tuple_(*_MOMENT)
_WITHIN = (
    _OF_LABEL,
    detection.c.stationary_id == bindparam("its_id"),
    _moment >= tuple_(*(bindparam(f"since{part}") for part in ("", "_event", "_frame"))),
    _moment <= tuple_(*(bindparam(f"until{part}") for part in ("", "_event", "_frame"))),
)
_FIRST_WITHIN = select(*_MOMENT).where(*_WITHIN).order_by(*_MOMENT).limit(1)
_LAST_WITHIN = (
    select(*_MOMENT).where(*_WITHIN).order_by(*(column.desc() for column in _MOMENT)).limit(1)
)
_MOVE = (
    update(detection)
    .where(*_WITHIN)
    .values(stationary_id=bindparam("of_object"), stay=bindparam("mark"))
)

_UNLINKED = select(detection.c.id, *_MOMENT, *(detection.c[side] for side in _SIDES)).where(
    _OF_LABEL,
    detection.c.monitor_id == bindparam("of_monitor"),
    detection.c.stay.is_(None),  # as `stationary_id` is, but this the index knows
)
_UNLINKED_BEFORE = (
    _UNLINKED.where(detection.c.captured_at <= bindparam("around"))
    .order_by(detection.c.captured_at.desc())
    .limit(NEAREST_DETECTIONS)
)
_UNLINKED_AFTER = (
    _UNLINKED.where(detection.c.captured_at > bindparam("around"))
    .order_by(detection.c.captured_at)
    .limit(NEAREST_DETECTIONS)
)

_OF_PLACE = select(stationary).where(
    stationary.c.monitor_id == bindparam("of_monitor"), stationary.c.label_id == _LABEL_ID
)
_near = union_all(
    select(
        _OF_PLACE.where(stationary.c.first_seen <= bindparam("around"))
        .order_by(stationary.c.first_seen.desc())
        .limit(NEAREST_STAYS)
        .subquery()
    ),
    select(
        _OF_PLACE.where(stationary.c.first_seen > bindparam("around"))
        .order_by(stationary.c.first_seen)
        .limit(NEAREST_STAYS)
        .subquery()
    ),
).subquery()
_AROUND = select(_near, bindparam("labelled", type_=Text).label("label")).where(
    _near.c.xmin < bindparam("its_xmax"),
    _near.c.xmax > bindparam("its_xmin"),
    _near.c.ymin < bindparam("its_ymax"),
    _near.c.ymax > bindparam("its_ymin"),
)
