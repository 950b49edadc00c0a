"""Times of a question: the local clock as spans of UTC, and how far ahead of UTC it is.

Every zone's offset is a multiple of a quarter, so that counts by quarters make hours and days of
any zone. Times are in milliseconds since 1970; quarters since then too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from annotator.calendar import spans
from annotator.domain import CaptureQuery
from db.values import from_ms, to_ms

QUARTER_MS = 15 * 60 * 1000
_WEEK_QUARTERS = 7 * 24 * 4


@dataclass(frozen=True, slots=True)
class Period:
    """From `since_ms` until just before `until_ms`, while clocks are `shift` quarters ahead."""

    since_ms: int
    until_ms: int
    shift: int


def asked_times(query: CaptureQuery, oldest_ms: int, newest_ms: int) -> Iterator[tuple[int, int]]:
    """The query's times as spans of milliseconds, newest first, apart from each other; without what
    lies before or after the quarters in which there is anything."""
    since = from_ms(oldest_ms // QUARTER_MS * QUARTER_MS)
    until = from_ms((newest_ms // QUARTER_MS + 1) * QUARTER_MS)
    if query.since is not None:
        since = max(since, query.since)
    if query.until is not None:
        until = min(until, query.until)
    if query.hours is None and not query.weekdays:
        if since < until:
            yield to_ms(since), to_ms(until)
        return
    later: tuple[int, int] | None = None
    for one in spans(query.hours, query.weekdays, since, until):
        begin, end = to_ms(one.since), to_ms(one.until)
        if later is not None and end >= later[0]:  # days that meet, or share an hour
            begin, end = min(begin, later[0]), later[1]
        elif later is not None:
            yield later
        later = begin, end
    if later is not None:
        yield later


def in_whole_quarters(
    times: Iterable[tuple[int, int]],
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """The same times as whole quarters, and what is left at their ends."""
    whole, rest = [], []
    for since_ms, until_ms in times:
        begin = -(-since_ms // QUARTER_MS) * QUARTER_MS
        end = until_ms // QUARTER_MS * QUARTER_MS
        if begin >= end:
            rest.append((since_ms, until_ms))
            continue
        whole.append((begin, end))
        rest += [part for part in ((since_ms, begin), (end, until_ms)) if part[0] < part[1]]
    return whole, rest


def by_offset(times: list[tuple[int, int]]) -> Iterator[Period]:
    """The same times, cut where the clocks change."""
    if not times:
        return
    offsets = _offsets(
        min(since_ms for since_ms, _ in times), max(until_ms for _, until_ms in times)
    )
    for since_ms, until_ms in times:
        for one in offsets:
            begin, end = max(since_ms, one.since_ms), min(until_ms, one.until_ms)
            if begin < end:
                yield Period(begin, end, one.shift)


def _offsets(since_ms: int, until_ms: int) -> list[Period]:
    """The offsets of the local clock from one time to another."""
    first, last = since_ms // QUARTER_MS, until_ms // QUARTER_MS
    found, begin, shift = [], first, _shift(first)
    quarter = first
    while quarter < last:
        ahead = min(last, quarter + _WEEK_QUARTERS)
        if _shift(ahead) != shift:
            change = _change(quarter, ahead)
            found.append(Period(begin * QUARTER_MS, change * QUARTER_MS, shift))
            begin, shift = change, _shift(change)
            ahead = change
        quarter = ahead
    found.append(Period(begin * QUARTER_MS, until_ms, shift))
    return found


def _change(before: int, after: int) -> int:
    """The first quarter that is not off as much as `before`."""
    old = _shift(before)
    while after - before > 1:
        middle = (before + after) // 2
        if _shift(middle) == old:
            before = middle
        else:
            after = middle
    return after


def _shift(quarter: int) -> int:
    offset = from_ms(quarter * QUARTER_MS).astimezone().utcoffset()
    return (offset or timedelta(0)) // timedelta(minutes=15)
