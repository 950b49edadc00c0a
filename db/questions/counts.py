"""How often: from the counts that the database keeps where they tell enough, else row by row.

Counts are by quarters of an hour. What is asked for in other times is made up of whole quarters and
of single rows at their ends, so that an answer is exact either way.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Select,
    Table,
    func,
    literal,
    or_,
    select,
    true,
    union_all,
)

from annotator.domain import UNKNOWN_NAME, By, Count, Identity
from db.planning import CrossJoin, each_of
from db.questions.clock import QUARTER_MS, Period, by_offset, in_whole_quarters
from db.questions.fitting import Fitting
from db.schema import detection, face, label, label_count, monitor, name_count

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_IN_TIME_ORDER = (By.HOUR, By.DAY, By.WEEKDAY)
_THURSDAY = 3  # 1970-01-01
_QUARTERS = {By.HOUR: 4, By.DAY: 96, By.WEEKDAY: 96}

_PERIOD = ("since", "until", "shift")


def count_sightings(connection: Connection, fitting: Fitting) -> int:
    """Rows of the answer, whatever the limit."""
    source = Source(fitting, whole_rows=True)
    return connection.scalar(select(func.sum(source.rows.c.times)), source.values) or 0


def ask_for_stats(connection: Connection, fitting: Fitting, by: Sequence[By]) -> tuple[Count, ...]:
    """By one key or two, none twice."""
    source = Source(fitting, by)
    per = min((_QUARTERS[key] for key in by if key in _QUARTERS), default=None)
    rows = source.rows
    moment = literal(0) if per is None else (rows.c.quarter + rows.c.shift) // per
    kinds = [rows.c[_COLUMN[key]] for key in by if key in _COLUMN]
    # An event counts once in each hour or day, and each kind of thing, in which it has a sighting.
    each = (
        select(
            moment.label("moment"),
            *kinds,
            func.count(rows.c.event_id.distinct()).label("events"),
            func.sum(rows.c.times).label("times"),
        )
        .group_by(moment, *kinds)
        .subquery()
    )
    keys = [_key(each, key, per) for key in by]
    question = select(*keys, func.sum(each.c.events), func.sum(each.c.times)).group_by(*keys)
    found = [tuple(row) for row in connection.execute(question, source.values)]
    said_of = [_words(connection, key) for key in by]
    totals: Counter[tuple[str, ...]] = Counter()
    sightings: Counter[tuple[str, ...]] = Counter()
    for *values, events, times in found:  # several monitors may share a name
        said = tuple(word(value) for word, value in zip(said_of, values, strict=True))
        totals[said] += events
        sightings[said] += times
    counts = [Count(said, events, sightings[said]) for said, events in totals.items()]
    return tuple(in_order(counts, by))


def in_order(counts: Sequence[Count], by: Sequence[By]) -> list[Count]:
    """Hours, days and weekdays as they come, all else most often first."""
    often: list[Counter[str]] = [Counter() for _ in by]
    for one in counts:
        for place, key in enumerate(one.keys):
            often[place][key] += one.events

    def rank(one: Count) -> list[tuple[int, str]]:
        return [
            (_WEEKDAYS.index(said), "")
            if key is By.WEEKDAY
            else (0 if key in _IN_TIME_ORDER else -often[place][said], said)
            for place, (key, said) in enumerate(zip(by, one.keys, strict=True))
        ]

    return sorted(counts, key=rank)


class Source:
    """The rows to count, as a subquery with the columns `quarter`, `shift`, `event_id`, `times` and
    those of the keys, and the values of its parameters.

    `times` are detections, or faces where only faces fit or names are counted by; with
    `whole_rows` sightings, of which a detection with several faces is several.
    """

    def __init__(
        self, fitting: Fitting, by: Sequence[By] = (), *, whole_rows: bool = False
    ) -> None:
        self._fitting = fitting
        self._by = by
        self._whole_rows = whole_rows
        self._by_face = fitting.by_face or By.NAME in by
        self.values: dict[str, str] = {}
        needs_labels = bool(fitting.label_ids) or By.LABEL in by
        counted = fitting.is_plain and not (self._by_face and needs_labels)
        times = list(fitting.times())
        whole, rest = in_whole_quarters(times) if counted else ([], times)
        parts = []
        if whole:
            parts.append(self._from_counts(self._periods(whole)))
        if rest or not whole:
            parts.append(self._from_rows(self._periods(rest)))
        self.rows = (union_all(*parts) if len(parts) > 1 else parts[0]).subquery()

    def _periods(self, times: list[tuple[int, int]]) -> list[Period]:
        """The same times, by how far the clocks are ahead where that counts."""
        if any(key in _QUARTERS for key in self._by):
            return list(by_offset(times))
        return [Period(since_ms, until_ms, 0) for since_ms, until_ms in times]

    def _kinds(self, **columns: ColumnElement[Any]) -> list[ColumnElement[Any]]:
        wanted = {_COLUMN[key] for key in self._by if key in _COLUMN}
        return [column.label(name) for name, column in columns.items() if name in wanted]

    def _from_counts(self, periods: Sequence[Period]) -> Select[Any]:
        fitting = self._fitting
        key: ColumnElement[Any]
        if self._by_face:
            table, key, times = name_count, name_count.c.name, name_count.c.faces
            chosen: Sequence[object] = fitting.query.names
            kinds = self._kinds(monitor_id=table.c.monitor_id, called=key)
        else:
            table, key = label_count, label_count.c.label_id
            times = table.c.sightings if self._whole_rows else table.c.detections
            chosen = fitting.label_ids
            kinds = self._kinds(monitor_id=table.c.monitor_id, label_id=key)
        if self._is_all_of_time:
            question = select(table.c.quarter, literal(0).label("shift"))
        else:
            question = self._within(periods, table, key)
        question = question.add_columns(table.c.event_id, times.label("times"), *kinds)
        if chosen:
            question = question.where(key.in_(chosen))
        if fitting.monitor_ids:
            question = question.where(table.c.monitor_id.in_(fitting.monitor_ids))
        if not fitting.query.stationary:
            question = question.where(table.c.still == 0)
        return question

    @property
    def _is_all_of_time(self) -> bool:
        """Whether nothing is asked about times, neither which nor by which."""
        query = self._fitting.query
        limited = self._fitting.by_clock or query.since is not None or query.until is not None
        return not limited and not any(key in _QUARTERS for key in self._by)

    def _within(
        self, periods: Sequence[Period], table: Table, key: ColumnElement[Any]
    ) -> Select[Any]:
        """Every label or name by itself: of each the rows of a period lie together."""
        self.values["whole"] = json.dumps(
            [(one.since_ms // QUARTER_MS, one.until_ms // QUARTER_MS, one.shift) for one in periods]
        )
        period = each_of("whole", _PERIOD)
        if table is name_count:
            every = select(name_count.c.name.label("key")).distinct().subquery()
        else:
            every = select(label.c.id.label("key")).subquery()
        in_period = (table.c.quarter >= period.c.since) & (table.c.quarter < period.c.until)
        return select(table.c.quarter, period.c.shift).select_from(
            CrossJoin(CrossJoin(every, period, true()), table, (key == every.c.key) & in_period)
        )

    def _from_rows(self, periods: Sequence[Period]) -> Select[Any]:
        fitting = self._fitting
        self.values["rest"] = json.dumps(
            [(one.since_ms, one.until_ms, one.shift) for one in periods]
        )
        period = each_of("rest", _PERIOD)
        first = face if self._by_face else detection
        time = fitting.time() if first is fitting.first else first.c.captured_at
        in_period = (time >= period.c.since) & (time < period.c.until)
        begin: FromClause = CrossJoin(period, first, in_period)
        conditions = [or_(*fitting.choices()), *fitting.others()]
        if self._by_face:
            begin = CrossJoin(begin, detection, detection.c.id == face.c.detection_id)
        elif self._whole_rows:
            begin = begin.outerjoin(face, face.c.detection_id == detection.c.id)
        if By.NAME in self._by:
            conditions.append(face.c.verdict.in_([str(Identity.KNOWN), str(Identity.UNKNOWN)]))
        called = func.coalesce(face.c.name, UNKNOWN_NAME)
        kinds = self._kinds(
            monitor_id=detection.c.monitor_id, label_id=detection.c.label_id, called=called
        )
        return (
            select(
                (detection.c.captured_at // QUARTER_MS).label("quarter"),
                period.c.shift,
                detection.c.event_id,
                literal(1).label("times"),
                *kinds,
            )
            .select_from(begin)
            .where(*conditions)
        )


_COLUMN = {By.MONITOR: "monitor_id", By.LABEL: "label_id", By.NAME: "called"}


def _key(each: FromClause, key: By, per: int | None) -> ColumnElement[Any]:
    """What a row of `each` is counted under."""
    if key in _COLUMN:
        return each.c[_COLUMN[key]]
    moment = each.c.moment
    if key is By.HOUR:
        return moment % 24
    day = moment if per == _QUARTERS[By.DAY] else moment // 24
    return day if key is By.DAY else (day + _THURSDAY) % 7


def _words(connection: Connection, key: By) -> Callable[[Any], str]:
    """How people read a key's values."""
    match key:
        case By.HOUR:
            return "{:02d}".format
        case By.DAY:
            return lambda days: (date(1970, 1, 1) + timedelta(days=days)).isoformat()
        case By.WEEKDAY:
            return _WEEKDAYS.__getitem__
        case By.MONITOR | By.LABEL:
            table = monitor if key is By.MONITOR else label
            names = {
                row.id: row.name for row in connection.execute(select(table.c.id, table.c.name))
            }
            return names.__getitem__
        case By.NAME:
            return str
