"""New identifications of faces, gathered in a temporary table before any is written.

So a hundred thousand are a few statements, a dry run reads what a real one writes, and the faces
that were seen better elsewhere follow in both.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import (
    REAL,
    Column,
    ColumnElement,
    Connection,
    FromClause,
    Integer,
    MetaData,
    Table,
    Text,
    and_,
    case,
    delete,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)

from annotator.domain import Identity
from db.planning import unindexed
from db.schema import face, relabelled, tag

IDENTIFICATION = ("verdict", "name", "probability", "distance", "recogniser_id")
"""The columns of `face` that say who it is, and who said so."""

IDENTITIES = tuple(map(str, Identity))
"""The verdicts of faces that a recogniser or a person has spoken about."""

# expected_*: what the face has to say now, else the change is not for it any more; follows: 1 where
# the face was seen better elsewhere, and takes the name from there.
change = Table(
    "change",
    MetaData(),
    Column("face_id", Integer, primary_key=True),
    Column("verdict", Text, nullable=False),
    Column("name", Text),
    Column("probability", REAL),
    Column("distance", REAL),
    Column("recogniser_id", Integer),
    Column("expected_verdict", Text),
    Column("expected_name", Text),
    Column("follows", Integer, nullable=False, server_default="0"),
    prefixes=["TEMPORARY"],
)


@contextmanager
def gathering(connection: Connection) -> Iterator[Changes]:
    """An empty set of changes, within the connection's transaction."""
    change.create(connection)
    yield Changes(connection)
    change.drop(connection)


class Changes:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """A face's id and its new IDENTIFICATION, and what has to hold now: `expected_verdict` and
        `expected_name`, both None where nothing has to."""
        if rows:
            # As plain tuples: SQLAlchemy takes longer over a hundred thousand rows than SQLite.
            self._connection.exec_driver_sql(_ADD, list(rows))

    def add_old_of(self, relabelling_id: int) -> None:
        """What the faces of a relabelling said before it, as far as they say now what it wrote."""
        old = [relabelled.c[f"old_{column}"] for column in IDENTIFICATION]
        chosen = select(relabelled.c.face_id, *old, relabelled.c.verdict, relabelled.c.name).where(
            relabelled.c.relabelling_id == relabelling_id
        )
        self._connection.execute(insert(change).from_select(_COLUMNS, chosen))

    def keep_what_people_said(self) -> None:
        """No tagged face is renamed, and no other gets a name that it was said not to have."""
        self._connection.execute(_DROP_OUTDATED)
        self._connection.execute(_DROP_NAMED_BY_HAND)
        self._connection.execute(_DENY)

    def drop_what_stays(self) -> None:
        """Leave out faces whose name and verdict would stay as they are."""
        self._connection.execute(_DROP_UNCHANGED)

    def add_followers(self) -> None:
        """Let faces that were seen better elsewhere take the name of the best face of their track:
        one that a person named, else the one with most weight."""
        self._connection.execute(_FOLLOW)
        self._connection.execute(_DENY)
        self._connection.execute(_DROP_UNCHANGED.where(change.c.follows == 1))

    def counted(self) -> tuple[tuple[str, str, int], ...]:
        """How many faces go from one name to another; those with most first."""
        return tuple(
            (before, after, count) for before, after, count in self._connection.execute(_COUNT)
        )

    def log(self, relabelling_id: int) -> None:
        """Write down what there was before."""
        old = [face.c[column] for column in IDENTIFICATION]
        rows = select(
            literal(relabelling_id), face.c.id, *old, change.c.verdict, change.c.name
        ).select_from(_CHANGED)
        columns = [
            "relabelling_id",
            "face_id",
            *(f"old_{column}" for column in IDENTIFICATION),
            *("verdict", "name"),
        ]
        self._connection.execute(insert(relabelled).from_select(columns, rows))

    def write(self) -> None:
        self._connection.execute(_WRITE)


def named_by_hand(faces: FromClause) -> ColumnElement[bool]:
    """Whether a person said who a face is."""
    return exists().where(tag.c.face_id == faces.c.id, tag.c.negated == 0).correlate(faces)


def _follow() -> Any:
    """Built of: the tracks that change, the leader of each, and who follows it."""
    touched = (
        select(face.c.event_id, face.c.track)
        .join(change, face.c.id == unindexed(change.c.face_id))
        .where(face.c.track.is_not(None))
        .distinct()
        .subquery()
    )
    place = func.row_number().over(
        partition_by=(face.c.event_id, face.c.track),
        order_by=(named_by_hand(face).desc(), face.c.weight.desc(), face.c.id),
    )
    ranked = (
        select(face.c.id, place.label("place"))
        .join(touched, and_(touched.c.event_id == face.c.event_id, touched.c.track == face.c.track))
        .where(
            unindexed(face.c.verdict).in_(IDENTITIES),
            or_(face.c.seen_better == 0, named_by_hand(face)),
        )
        .subquery()
    )
    leader, new, follower = face.alias("leader"), change.alias("new"), face.alias("follower")
    its = [
        case((new.c.face_id.is_not(None), new.c[column]), else_=leader.c[column])
        for column in IDENTIFICATION
    ]
    followers = (
        select(follower.c.id, *its, literal(1))
        .select_from(ranked)
        .join(leader, leader.c.id == ranked.c.id)
        .join(
            follower,
            and_(follower.c.event_id == leader.c.event_id, follower.c.track == leader.c.track),
        )
        .outerjoin(new, new.c.face_id == leader.c.id)
        .where(
            ranked.c.place == 1,
            follower.c.seen_better == 1,
            follower.c.id != leader.c.id,
            ~named_by_hand(follower),
        )
    )
    return (
        insert(change)
        .prefix_with("OR IGNORE")
        .from_select(["face_id", *IDENTIFICATION, "follows"], followers)
    )


_COLUMNS = ("face_id", *IDENTIFICATION, "expected_verdict", "expected_name")
_ADD = f"INSERT INTO change ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608

# Built once, since building a statement takes longer than running it.
_CHANGED = change.join(face, face.c.id == unindexed(change.c.face_id))
_SAME = and_(face.c.verdict == change.c.verdict, face.c.name.is_not_distinct_from(change.c.name))
_AS_EXPECTED = and_(
    face.c.verdict == change.c.expected_verdict,
    face.c.name.is_not_distinct_from(change.c.expected_name),
)
_its_face = exists().where(face.c.id == change.c.face_id)
_DROP_UNCHANGED = delete(change).where(_its_face.where(_SAME).correlate(change))
_DROP_OUTDATED = delete(change).where(~_its_face.where(_AS_EXPECTED).correlate(change))
_DROP_NAMED_BY_HAND = delete(change).where(
    change.c.face_id.in_(select(tag.c.face_id).where(tag.c.negated == 0))
)
_DENY = (
    update(change)
    .where(
        exists()
        .where(tag.c.face_id == change.c.face_id, tag.c.negated == 1, tag.c.name == change.c.name)
        .correlate(change)
    )
    .values(
        verdict=str(Identity.UNKNOWN),
        name=None,
        probability=None,
        distance=None,
        recogniser_id=None,
    )
)
_FOLLOW = _follow()
_before, _after = (func.coalesce(table.c.name, table.c.verdict) for table in (face, change))
_COUNT = (
    select(_before, _after, func.count().label("count"))
    .select_from(_CHANGED)
    .where(~_SAME)
    .group_by(_before, _after)
    .order_by(func.count().desc(), _before, _after)
)
_WRITE = (
    update(face)
    .where(face.c.id == unindexed(change.c.face_id))
    .values({column: change.c[column] for column in IDENTIFICATION})
)
