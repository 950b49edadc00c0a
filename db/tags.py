"""A person's word about faces, as it is written down.

While a face has a tag, `overruled` keeps what was said of it before, and the face itself says what
follows from both. A tag is bound to a place in a capture; where that is annotated anew it goes to
the face that is found there.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

from sqlalchemy import (
    BindParameter,
    Connection,
    Row,
    Select,
    bindparam,
    delete,
    insert,
    or_,
    select,
    update,
)

from annotator.domain import BoundingBox, Event, Identity
from annotator.errors import QueryError
from db.changes import IDENTIFICATION, IDENTITIES, gathering
from db.keys import CAPTURE_COLUMNS, capture_from, find_event, same_capture
from db.schema import detection, event, face, monitor, overruled, tag

log = logging.getLogger(__name__)

SAME_FACE_IOU = 0.5
"""A face in a capture that was annotated anew is the tagged one if their boxes overlap so much."""

_AT_ONCE = 500


def speak(
    connection: Connection, face_ids: Sequence[int], name: str, *, negated: bool, now_ms: int
) -> int:
    """Write a tag for each face; how many, with those that follow, say something else now.

    The last word counts: a name takes the place of another, and `name` that of "not `name`".
    """
    _require_faces(connection, face_ids)
    its_ids = [{"its_id": face_id} for face_id in face_ids]
    if not its_ids:
        return 0
    connection.execute(_KEEP_OVERRULED, its_ids)
    contradicted = (
        or_(tag.c.name == name, tag.c.negated == 0) if not negated else tag.c.name == name
    )
    connection.execute(delete(tag).where(_OF_FACE, contradicted), its_ids)
    word = {"called": name, "is_negated": int(negated), "at": now_ms}
    connection.execute(_SPEAK, [its | word for its in its_ids])
    return _settle(connection, face_ids)


def forget(connection: Connection, face_ids: Sequence[int]) -> int:
    """Take all tags off these faces; how many of them had any."""
    _require_faces(connection, face_ids)
    before = list(_chunked(connection, _OVERRULED, face_ids))
    if not before:
        return 0
    its_ids = [{"its_id": row.face_id} for row in before]
    connection.execute(delete(tag).where(_OF_FACE), its_ids)
    connection.execute(delete(overruled).where(overruled.c.face_id == bindparam("its_id")), its_ids)
    _write(connection, [dict(row._mapping) for row in before])
    return len(before)


def homeless_tags(connection: Connection, of: Event, file_name: str | None) -> list[int]:
    """The ids of those tags of an event, or of one capture of it, that have no face any more."""
    key = find_event(connection, of)
    if key is None:
        return []
    return [
        row.id
        for row in connection.execute(_HOMELESS, {"of_events": [key.id]})
        if file_name is None or capture_from(row).file_name == file_name
    ]


def forget_homeless(connection: Connection, of: Event, file_name: str | None) -> int:
    """Take these tags away; how many they were."""
    ids = homeless_tags(connection, of, file_name)
    if ids:
        connection.execute(_DROP, [{"its_tag": one} for one in ids])
    return len(ids)


def carry_tags(connection: Connection, captures: Sequence[dict[str, Any]]) -> None:
    """Give the tags of captures that were just written to the faces that are now in their place."""
    written = {(one["event_id"], one["frame"], one["file_name"]) for one in captures}
    homeless: dict[tuple[Any, ...], list[Row[Any]]] = {}
    events = list({event_id for event_id, _, _ in written})
    for row in connection.execute(_HOMELESS, {"of_events": events}).all():
        key = (row.event_id, row.frame, row.file_name)
        if key in written:
            homeless.setdefault(key, []).append(row)
    found: dict[int, int] = {}
    for (event_id, frame, file_name), tags in homeless.items():
        its_capture = {"its_event_id": event_id, "its_frame": frame, "its_file_name": file_name}
        placed = _placed(tags, connection.execute(_FACES_OF, its_capture).all())
        found |= placed
        for row in tags:
            if row.id not in placed:
                path = capture_from(row).path
                log.warning(
                    "%s has no face any more where it was said to be%s %s; the word is kept until "
                    "`annotator tag --forget %s`",
                    *(path, " not" if row.negated else "", row.name, path),
                )
    if found:
        faces = list(dict.fromkeys(found.values()))
        connection.execute(_KEEP_OVERRULED, [{"its_id": face_id} for face_id in faces])
        connection.execute(
            _PLACE, [{"its_tag": tag_id, "its_id": face_id} for tag_id, face_id in found.items()]
        )
        _settle(connection, faces)


def _placed(tags: Sequence[Row[Any]], faces: Sequence[Row[Any]]) -> dict[int, int]:
    """Face by tag: those that overlap best first; no face gets two names, or one word twice."""
    pairs = [
        (overlap, one, found)
        for one in tags
        for found in faces
        if (overlap := _box(one).iou(_box(found))) >= SAME_FACE_IOU
    ]
    placed: dict[int, int] = {}
    taken: set[tuple[int, str | None]] = set()
    for _, one, found in sorted(pairs, key=lambda pair: -pair[0]):
        words = {(found.id, one.name)} | (set() if one.negated else {(found.id, None)})
        if one.id not in placed and not words & taken:
            placed[one.id] = found.id
            taken |= words
    return placed


def _settle(connection: Connection, face_ids: Sequence[int]) -> int:
    """Let tagged faces say what follows from their tags; how many, with followers, change."""
    words: dict[int, list[Row[Any]]] = {}
    for word in _chunked(connection, _WORDS, face_ids):
        words.setdefault(word.face_id, []).append(word)
    rows = []
    for before in _chunked(connection, _OVERRULED, face_ids):
        row = dict(before._mapping)
        said = words[before.face_id]
        named = next((word.name for word in said if not word.negated), None)
        if named is not None:
            row |= _by_hand(Identity.KNOWN, named)
        elif before.name in [word.name for word in said]:
            row |= _by_hand(Identity.UNKNOWN, None)
        rows.append(row)
    return _write(connection, rows)


def _write(connection: Connection, rows: Sequence[dict[str, Any]]) -> int:
    with gathering(connection) as changes:
        changes.add(
            [
                (row["face_id"], *(row[column] for column in IDENTIFICATION), None, None)
                for row in rows
            ]
        )
        changes.add_followers()
        changed = sum(count for _, _, count in changes.counted())
        changes.write()
    return changed


def _by_hand(identity: Identity, name: str | None) -> dict[str, Any]:
    nobodys = dict.fromkeys(("probability", "distance", "recogniser_id"))
    return {"verdict": str(identity), "name": name, **nobodys}


def _require_faces(connection: Connection, face_ids: Sequence[int]) -> None:
    """Raises QueryError unless all are faces of which one can tell who they are."""
    verdicts = {row.id: row.verdict for row in _chunked(connection, _VERDICTS, face_ids)}
    for face_id in face_ids:
        if face_id not in verdicts:
            raise QueryError(
                f"there is no face {face_id} in the database",
                "`annotator query --format jsonl` tells each `face_id`, which changes when a "
                "capture is annotated anew",
            )
        if verdicts[face_id] not in IDENTITIES:
            raise QueryError(
                f"face {face_id} is {verdicts[face_id]}, so nobody is to learn from it",
                "name another face of the same event",
            )


def _chunked(
    connection: Connection, statement: Select[Any], face_ids: Sequence[int]
) -> Iterator[Row[Any]]:
    """SQLite takes a limited number of parameters."""
    chunks = (face_ids[n : n + _AT_ONCE] for n in range(0, len(face_ids), _AT_ONCE))
    return chain.from_iterable(
        connection.execute(statement, {"face_ids": list(chunk)}).all() for chunk in chunks
    )


def _box(row: Row[Any]) -> BoundingBox:
    return BoundingBox(row.xmin, row.ymin, row.xmax, row.ymax)


# Built once, since building a statement takes longer than running it.

_SIDES = ("xmin", "ymin", "xmax", "ymax")
_OF_FACE = tag.c.face_id == bindparam("its_id")
_AMONG: BindParameter[Sequence[int]] = bindparam("face_ids", expanding=True)
_VERDICTS = select(face.c.id, face.c.verdict).where(face.c.id.in_(_AMONG))
_OVERRULED = select(overruled).where(overruled.c.face_id.in_(_AMONG))
_WORDS = select(tag.c.face_id, tag.c.name, tag.c.negated).where(tag.c.face_id.in_(_AMONG))
_KEEP_OVERRULED = (
    insert(overruled)
    .prefix_with("OR IGNORE")
    .from_select(
        ["face_id", *IDENTIFICATION],
        select(face.c.id, *(face.c[column] for column in IDENTIFICATION)).where(
            face.c.id == bindparam("its_id")
        ),
    )
)
_KEY = ("event_id", "frame", "file_name")
_SPEAK = insert(tag).from_select(
    [*_KEY, *_SIDES, "name", "negated", "tagged_at", "face_id"],
    select(
        *(detection.c[column] for column in _KEY),
        *(face.c[side] for side in _SIDES),
        *(bindparam(word) for word in ("called", "is_negated", "at")),
        face.c.id,
    )
    .select_from(face.join(detection))
    .where(face.c.id == bindparam("its_id")),
)
_HOMELESS = (
    select(tag, *CAPTURE_COLUMNS)
    .select_from(tag)
    .join(event)
    .join(monitor)
    .where(tag.c.face_id.is_(None), tag.c.event_id.in_(bindparam("of_events", expanding=True)))
)
_FACES_OF = (
    select(face.c.id, *(face.c[side] for side in _SIDES))
    .select_from(face.join(detection))
    .where(same_capture(detection), face.c.verdict.in_(IDENTITIES))
)
_DROP = delete(tag).where(tag.c.id == bindparam("its_tag"))
_PLACE = update(tag).where(tag.c.id == bindparam("its_tag")).values(face_id=bindparam("its_id"))
