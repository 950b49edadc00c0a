"""How much there is."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, func, select

from annotator.domain import Reason, Totals
from db.keys import ORIGINS, SKIP_REASONS
from db.schema import backlog, monitor, tally
from db.values import from_ms

_NEWEST = "newest captured_at"

# A column per origin, a row per monitor: each is one look into the index.
_OLDEST_WAITING = select(
    *(
        select(func.min(backlog.c.added_at))
        .where(backlog.c.monitor_id == monitor.c.id, backlog.c.origin == place)
        .scalar_subquery()
        for place in range(len(ORIGINS))
    )
).select_from(monitor)


def totals_of(connection: Connection) -> Totals:
    rows = connection.execute(select(tally)).all()
    monitors = connection.execute(select(monitor.c.id, monitor.c.name)).all()
    oldest_ms = connection.execute(_OLDEST_WAITING).all()
    value = {(row.subject, row.part): row.value for row in rows}
    failures = {reason: count for reason in Reason if (count := value.get(("failure", reason), 0))}
    newest = {row.part: from_ms(row.value) for row in rows if row.subject == _NEWEST}
    by_monitor: dict[str, datetime] = {}
    for key, name in monitors:  # several may share a name
        if (captured_at := newest.get(str(key))) is not None:
            by_monitor[name] = max(captured_at, by_monitor.get(name, captured_at))
    return Totals(
        annotated=value.get(("capture", ""), 0),
        failed=sum(failures.values()),
        detections=value.get(("detection", ""), 0),
        faces=value.get(("face", ""), 0),
        pruned=value.get(("pruned", ""), 0),
        waiting={
            origin: count
            for place, origin in enumerate(ORIGINS)
            if (count := value.get(("backlog", str(place)), 0))
        },
        oldest_waiting={
            origin: from_ms(min(known))
            for origin, column in zip(ORIGINS, zip(*oldest_ms, strict=True), strict=False)
            if (known := [added_ms for added_ms in column if added_ms is not None])
        },
        skipped={
            reason: count
            for place, reason in enumerate(SKIP_REASONS)
            if (count := value.get(("skipped", str(place)), 0))
        },
        failures=failures,
        newest_captured_at=max(newest.values(), default=None),
        newest_by_monitor=by_monitor,
    )
