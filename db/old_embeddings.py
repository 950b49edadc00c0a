"""Embeddings of faces of nobody known that are kept no longer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Select, delete, exists, func, select, tuple_

from annotator.domain import Identity
from db.engine import Database
from db.rules import Deadlines, Pruned, Rules, Turn, What
from db.schema import detection, embedding, face, tag

EMBEDDINGS_AT_ONCE = 250
"""In one transaction."""
_OF_NOBODY = (str(Identity.UNKNOWN), str(Identity.NO_GALLERY))


def count_old_embeddings(connection: Connection, rules: Rules) -> list[Pruned]:
    counts = Counter[int]()
    deadlines = _deadlines(rules)
    for verdict in _OF_NOBODY if deadlines else ():
        found = _old(verdict, deadlines).subquery()
        grouped = select(found.c.monitor_id, func.count()).group_by(found.c.monitor_id)
        for monitor_id, count in connection.execute(grouped):
            counts[monitor_id] += count
    return _told(rules, counts)


def drop_old_embeddings(database: Database, rules: Rules) -> Iterator[Turn]:
    deadlines = _deadlines(rules)
    if not deadlines:
        return
    with database.reading() as connection:
        total = sum(one.count for one in count_old_embeddings(connection, rules))
    done = 0
    for verdict in _OF_NOBODY:
        old, after = _old(verdict, deadlines), (0, 0)
        while True:
            with database.reading() as connection:
                page = connection.execute(_page(old, after)).all()
            if not page:
                break
            after = (page[-1].captured_at, page[-1].id)
            with database.writing() as connection:
                # A person or a recogniser may have named one of them meanwhile.
                still = old.where(face.c.id.in_([row.id for row in page]))
                rows = connection.execute(still).all()
                connection.execute(
                    delete(embedding).where(embedding.c.face_id.in_([row.id for row in rows]))
                )
            done += len(rows)
            counts = Counter(row.monitor_id for row in rows)
            yield Turn(What.EMBEDDINGS, done, max(done, total), tuple(_told(rules, counts)))


def _deadlines(rules: Rules) -> Deadlines:
    return rules.deadlines(lambda one: one.unknown_embeddings_days)


def _old(verdict: str, deadlines: Deadlines) -> Select[Any]:
    return (
        select(face.c.id, face.c.captured_at, detection.c.monitor_id)
        .select_from(face.join(embedding).join(detection))
        .where(
            face.c.verdict == verdict,
            face.c.captured_at < deadlines.last_ms,
            face.c.captured_at < deadlines.of(detection.c.monitor_id),
            ~exists().where(tag.c.face_id == face.c.id).correlate(face),
        )
    )


def _page(old: Select[Any], after: tuple[int, int]) -> Select[Any]:
    place = tuple_(face.c.captured_at, face.c.id)
    return (
        old.where(face.c.captured_at >= after[0], place > tuple_(*after))
        .order_by(face.c.captured_at, face.c.id)
        .limit(EMBEDDINGS_AT_ONCE)
    )


def _told(rules: Rules, counts: Counter[int]) -> list[Pruned]:
    return [
        Pruned(What.EMBEDDINGS, rules.monitors[key], count) for key, count in sorted(counts.items())
    ]
