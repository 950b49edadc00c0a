"""Detections that are kept no longer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    delete,
    exists,
    func,
    or_,
    select,
    tuple_,
)

from db.engine import Database
from db.folded import FOLDING_COLUMNS, HAS_NO_DETECTION, fold_captures
from db.keys import of_same_capture
from db.rules import Deadlines, Pruned, Rules, Turn, What
from db.schema import backlog, capture, detection, face, stationary, tag

if TYPE_CHECKING:
    from annotator.config import RetentionSettings

DETECTIONS_AT_ONCE = 250
"""In one transaction: some ten milliseconds on a small board."""


def count_old(connection: Connection, rules: Rules) -> list[Pruned]:
    counts = Counter[tuple[int, int]]()
    for condition in _conditions(rules):
        counts.update(dict(_counted(connection, condition)))
    return _told(rules, counts)


def drop_old(database: Database, rules: Rules) -> Iterator[Turn]:
    conditions = list(_conditions(rules))
    with database.reading() as connection:
        total = sum(
            count for condition in conditions for _, count in _counted(connection, condition)
        )
    done = 0
    for condition in conditions:
        after = (0, 0)
        while True:
            with database.reading() as connection:
                page = connection.execute(_page(condition, after)).all()
            if not page:
                break
            after = (page[-1].captured_at, page[-1].id)
            with database.writing() as connection:
                gone = drop_detections(connection, [row.id for row in page], condition)
            done += gone.total()
            yield Turn(What.DETECTIONS, done, max(done, total), tuple(_told(rules, gone)))


def forget_stays(database: Database) -> None:
    """Stays that are over and of which no sighting is left go as well."""
    with database.reading() as connection:
        if connection.scalar(_ANY_STALE) is None:
            return
    with database.writing() as connection:
        connection.execute(_FORGET_STAYS)


def drop_detections(
    connection: Connection, ids: Sequence[int], condition: ColumnElement[bool]
) -> Counter[tuple[int, int]]:
    """Delete those of these detections that still may go, and let captures that have none left
    become known as such in which something was seen; how many, by monitor and label (ids)."""
    rows = connection.execute(
        delete(detection)
        .where(detection.c.id.in_(ids), condition, MAY_GO)
        .returning(
            *(detection.c.event_id, detection.c.frame, detection.c.file_name),
            *(detection.c.monitor_id, detection.c.label_id),
        )
    ).all()
    captures: dict[int, set[tuple[int, str]]] = {}
    for row in rows:
        captures.setdefault(row.event_id, set()).add((row.frame, row.file_name))
    for event_id, keys in captures.items():
        beside = {"of_event": event_id, "frames": [frame for frame, _ in keys]}
        bare = connection.execute(_BARE, beside).all()
        fold_captures(
            connection, [row for row in bare if (row.frame, row.file_name) in keys], seen=True
        )
    return Counter((row.monitor_id, row.label_id) for row in rows)


def _conditions(rules: Rules) -> Iterator[ColumnElement[bool]]:
    """Each names detections that go, and can be looked up by an index."""
    base = rules.deadlines(lambda one: one.detections_days)
    for monitor_id, before_ms in base.before_ms.items():
        own = rules.settings[monitor_id].by_label
        yield and_(
            detection.c.monitor_id == monitor_id,
            detection.c.captured_at < before_ms,
            detection.c.label_id.not_in([key for key, name in rules.labels.items() if name in own]),
            _is_no_end_of_a_stay(base),
        )
    for label_id, name in rules.labels.items():
        own_days = rules.deadlines(partial(_own_days, name))
        if own_days:
            yield and_(
                detection.c.label_id == label_id,
                detection.c.captured_at < own_days.last_ms,
                detection.c.captured_at < own_days.of(detection.c.monitor_id),
                _is_no_end_of_a_stay(own_days),
            )


def _own_days(label: str, settings: RetentionSettings) -> float:
    return settings.by_label.get(label, 0.0)


def _is_no_end_of_a_stay(deadlines: Deadlines) -> ColumnElement[bool]:
    """The ends of a stay that goes on are kept: they tell since when something is there."""
    return ~(
        exists()
        .where(
            stationary.c.id == detection.c.stationary_id,
            or_(
                stationary.c.there == 1,
                stationary.c.last_seen >= deadlines.of(stationary.c.monitor_id),
            ),
            or_(
                detection.c.captured_at <= stationary.c.first_seen,
                detection.c.captured_at >= stationary.c.last_seen,
            ),
        )
        .correlate(detection)
    )


def _page(condition: ColumnElement[bool], after: tuple[int, int]) -> Select[Any]:
    place = tuple_(detection.c.captured_at, detection.c.id)
    return (
        select(detection.c.id, detection.c.captured_at)
        .where(condition, MAY_GO, detection.c.captured_at >= after[0], place > tuple_(*after))
        .order_by(detection.c.captured_at, detection.c.id)
        .limit(DETECTIONS_AT_ONCE)
    )


def _counted(
    connection: Connection, condition: ColumnElement[bool]
) -> Iterator[tuple[tuple[int, int], int]]:
    grouped = (
        select(detection.c.monitor_id, detection.c.label_id, func.count())
        .where(condition, MAY_GO)
        .group_by(detection.c.monitor_id, detection.c.label_id)
    )
    for monitor_id, label_id, count in connection.execute(grouped):
        yield (monitor_id, label_id), count


def _told(rules: Rules, counts: Counter[tuple[int, int]]) -> list[Pruned]:
    return [
        Pruned(What.DETECTIONS, rules.monitors[monitor_id], count, rules.labels[label_id])
        for (monitor_id, label_id), count in sorted(counts.items())
    ]


_NAMED_BY_PEOPLE = (
    exists()
    .select_from(face.join(tag, tag.c.face_id == face.c.id))
    .where(face.c.detection_id == detection.c.id)
    .correlate(detection)
)
_WAITS = exists().where(of_same_capture(backlog, detection)).correlate(detection)
_others = detection.alias("others")
MAY_GO = and_(
    ~_NAMED_BY_PEOPLE,
    # It is to be looked at anew, which takes its detections away in any case.
    ~_WAITS,
    # The next one would get its id, and whoever reads on from an id would not see it come.
    detection.c.id < select(func.max(_others.c.id)).scalar_subquery(),
)
"""What no rule takes away: what people named, and little else."""

# Built once, since building a statement takes longer than running it.

_BARE: Select[Any] = (
    select(*FOLDING_COLUMNS)
    .where(
        capture.c.event_id == bindparam("of_event"),
        capture.c.frame.in_(bindparam("frames", expanding=True)),
        HAS_NO_DETECTION,
    )
    .order_by(capture.c.frame, capture.c.file_name)
)
_IS_OVER = and_(stationary.c.stale == 1, stationary.c.there == 0)
_ANY_STALE = select(stationary.c.id).where(_IS_OVER).limit(1)
_FORGET_STAYS = delete(stationary).where(
    _IS_OVER,
    ~exists()
    .where(
        detection.c.label_id == stationary.c.label_id,
        detection.c.captured_at >= stationary.c.first_seen,
        detection.c.captured_at <= stationary.c.last_seen,
        detection.c.stationary_id == stationary.c.id,
    )
    .correlate(stationary),
)
