"""Captures of which only is kept that they were looked at: they become runs of frames.

Either nothing was seen in them (`seen` 0: they were annotated and stay so), or something was whose
detections were pruned (`seen` 1). Every one of them is known exactly, by its event, its frame and
its file name, and a capture that is in a run is in no other table of captures.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    select,
)

from annotator.domain import Capture
from db.keys import EventKey, its, of_same_capture, same_capture
from db.runs import Run, joined, single
from db.schema import capture, detection, folded
from db.values import file_name_of

WORTH_FOLDING = 4
"""Fewer captures in which nothing was seen take no less room as a run."""

FOLDING_COLUMNS = (
    *(capture.c.event_id, capture.c.frame, capture.c.file_name, capture.c.captured_at),
    *(capture.c.width, capture.c.height, capture.c.provenance_id),
)
"""What `fold_captures` needs of a capture."""

HAS_NO_DETECTION = ~exists().where(of_same_capture(detection, capture)).correlate(capture)
"""Nothing was seen in the capture, or all that was is pruned."""


def known_in_runs(
    connection: Connection, key: EventKey, captures: Sequence[Capture], *, pruned: bool
) -> set[tuple[int, str]]:
    """Frame and file name of what runs hold among and between one event's captures; with `pruned`
    also of those in which something was seen."""
    frames = [one.frame for one in captures]
    within = {
        "of_event": key.id,
        "lowest": min(frames),
        "highest": max(frames),
        "most_seen": int(pruned),
    }
    return {
        (frame, row.file_name or file_name_of(key.frame_format, frame))
        for row in connection.execute(_WITHIN, within)
        for frame in _run(row).between(within["lowest"], within["highest"])
    }


def is_in_runs(connection: Connection, key: EventKey, one: Capture, *, pruned: bool) -> bool:
    """Whether a run holds this capture; as `known_in_runs`."""
    return (one.frame, one.file_name) in known_in_runs(connection, key, [one], pruned=pruned)


def fold_captures(connection: Connection, rows: Iterable[Row[Any]], *, seen: bool) -> int:
    """Turn rows of `capture`, of one event, by frame, into runs; how many of them.

    Rows with other than the usual names, and too few in a row, stay where nothing was seen.
    """
    usual, others = list[Row[Any]](), list[Row[Any]]()
    for row in rows:
        (others if row.file_name else usual).append(row)
    done = _fold_usual(connection, usual, seen=seen) if usual else 0
    if seen and others:
        connection.execute(delete(capture).where(same_capture(capture)), _keys(others))
        connection.execute(
            insert(folded),
            [_values(row.event_id, row.file_name, _single(row), seen=True) for row in others],
        )
        done += len(others)
    return done


def _fold_usual(connection: Connection, rows: Sequence[Row[Any]], *, seen: bool) -> int:
    event_id = rows[0].event_id
    beside = {
        "of_event": event_id,
        "lowest": rows[0].frame,
        "highest": rows[-1].frame,
        "seen": int(seen),
    }
    before = [_run(row) for row in connection.execute(_BESIDE, beside)]
    runs, gone = _joined(before, rows, seen=seen)
    if not gone:
        return 0
    connection.execute(delete(capture).where(same_capture(capture)), _keys(gone))
    _replace(connection, event_id, "", before, runs, seen=seen)
    return len(gone)


def _joined(
    before: Sequence[Run], rows: Sequence[Row[Any]], *, seen: bool
) -> tuple[list[Run], list[Row[Any]]]:
    """The runs that runs and captures make together, and which of these captures are in one."""
    runs = joined(sorted([*before, *map(_single, rows)], key=_first))
    if not seen:
        runs = [run for run in runs if run.captures >= WORTH_FOLDING or run in before]
    places = {frame for run in runs for frame in run.between(rows[0].frame, rows[-1].frame)}
    return runs, [row for row in rows if row.frame in places]


class FoldingTrial:
    """Tells how many captures in which nothing was seen `fold_captures` would fold, call after
    call, without doing it. An event's calls come one after the other, by frame."""

    def __init__(self) -> None:
        self._event_id: int | None = None
        self._runs: list[Run] = []
        """Of this event as they would be by now, by first frame."""

    def fold(self, connection: Connection, rows: Sequence[Row[Any]]) -> int:
        """`rows` are as for `fold_captures`, all with the usual names."""
        if not rows:
            return 0
        if rows[0].event_id != self._event_id:
            self._event_id = rows[0].event_id
            of_kind = {"of_event": self._event_id, "seen": 0}
            self._runs = [_run(row) for row in connection.execute(_ALL_OF_KIND, of_kind)]
        # As `_BESIDE`: also the nearest one on either side.
        begin = max(0, bisect_left(self._runs, rows[0].frame, key=_first) - 1)
        end = bisect_right(self._runs, rows[-1].frame, key=_first) + 1
        self._runs[begin:end], gone = _joined(self._runs[begin:end], rows, seen=False)
        return len(gone)


def _first(run: Run) -> int:
    return run.first


def unfold(connection: Connection, key: EventKey, captures: Sequence[Capture]) -> None:
    """Take captures of one event out of the runs that hold them: they are to be, or were, looked
    at anew."""
    wanted = {(one.frame, key.stored_name(one)) for one in captures}
    frames = [frame for frame, _ in wanted]
    within = {
        "of_event": key.id,
        "lowest": min(frames),
        "highest": max(frames),
        "most_seen": 1,
    }
    for row in connection.execute(_WITHIN, within).all():
        run = _run(row)
        out = [
            frame
            for frame in run.between(within["lowest"], within["highest"])
            if (frame, row.file_name) in wanted
        ]
        if out:
            left = list(run.without(out))
            _replace(connection, key.id, row.file_name, [run], left, seen=bool(row.seen))


def keep_run(
    connection: Connection, key: EventKey, run: Run, names: Mapping[int, str], *, seen: bool
) -> None:
    """Write a run of which no capture is known; `names` are its files by frame."""
    frames = list(run.between(run.first, run.last))
    if all(names[frame] == file_name_of(key.frame_format, frame) for frame in frames):
        connection.execute(insert(folded), [_values(key.id, "", run, seen=seen)])
        return
    rows = []
    for frame in frames:
        one = replace(run, first=frame, last=frame, step=1)
        name = "" if names[frame] == file_name_of(key.frame_format, frame) else names[frame]
        rows.append(_values(key.id, name, one, seen=seen))
    connection.execute(insert(folded), rows)


def _replace(
    connection: Connection,
    event_id: int,
    file_name: str,
    before: Sequence[Run],
    after: Sequence[Run],
    *,
    seen: bool,
) -> None:
    """Write what has changed; a run is never updated, for the sake of the tally."""
    over = [{"of_event": event_id, "at": run.first, "called": file_name}
            for run in before if run not in after]  # fmt: skip
    new = [_values(event_id, file_name, run, seen=seen) for run in after if run not in before]
    if over:
        connection.execute(_DELETE, over)
    if new:
        connection.execute(insert(folded), new)


def _single(row: Row[Any]) -> Run:
    return single(row.frame, row.captured_at, row.width, row.height, row.provenance_id)


def _run(row: Row[Any]) -> Run:
    return Run(
        *(row.first_frame, row.last_frame, row.step, row.first_at, row.last_at),
        *(row.width, row.height, row.provenance_id),
    )


def _values(event_id: int, file_name: str, run: Run, *, seen: bool) -> dict[str, Any]:
    return {
        "event_id": event_id,
        "first_frame": run.first,
        "file_name": file_name,
        "last_frame": run.last,
        "step": run.step,
        "seen": int(seen),
        "first_at": run.first_ms,
        "last_at": run.last_ms,
        "width": run.width,
        "height": run.height,
        "provenance_id": run.provenance_id,
    }


def _keys(rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    return [its(dict(row._mapping)) for row in rows]


def frames_between(lowest: ColumnElement[int], highest: ColumnElement[int]) -> ColumnElement[int]:
    """How many frames of a run, of which at least one may lie there, are within, both included."""
    first, step = folded.c.first_frame, folded.c.step
    until = func.min(folded.c.last_frame, highest)
    skipped = func.max(0, _floor(lowest - first + step - 1, step))
    return func.max(0, _floor(until - first, step) - skipped + 1)


def _floor(number: ColumnElement[int], by: ColumnElement[int]) -> ColumnElement[int]:
    return number.op("/", return_type=number.type)(by)


# Built once, since building a statement takes longer than running it.

_OF_EVENT = folded.c.event_id == bindparam("of_event")
_WITHIN: Select[Any] = select(folded).where(
    _OF_EVENT,
    folded.c.first_frame <= bindparam("highest"),
    folded.c.last_frame >= bindparam("lowest"),
    folded.c.seen <= bindparam("most_seen"),
)
_OF_KIND = and_(_OF_EVENT, folded.c.file_name == "", folded.c.seen == bindparam("seen"))
_ALL_OF_KIND: Select[Any] = select(folded).where(_OF_KIND).order_by(folded.c.first_frame)
# Those among the frames, and the nearest one on either side.
_BESIDE: Select[Any] = select(folded).where(
    _OF_KIND,
    folded.c.first_frame
    <= func.coalesce(
        select(func.min(folded.c.first_frame))
        .where(_OF_KIND, folded.c.first_frame > bindparam("highest"))
        .scalar_subquery(),
        bindparam("highest"),
    ),
    folded.c.first_frame
    >= func.coalesce(
        select(func.max(folded.c.first_frame))
        .where(_OF_KIND, folded.c.first_frame < bindparam("lowest"))
        .scalar_subquery(),
        bindparam("lowest"),
    ),
)
_DELETE = delete(folded).where(
    _OF_EVENT, folded.c.first_frame == bindparam("at"), folded.c.file_name == bindparam("called")
)
