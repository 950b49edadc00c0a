"""Names that are given to stored faces, by recognisers and by people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from annotator.domain import Event, Relabelling, Renaming, Tag
from annotator.errors import QueryError
from annotator.names import person_name
from db.changes import gathering
from db.engine import Database
from db.keys import key_of
from db.schema import face, relabelled, relabelling, setting
from db.schema import recogniser as recogniser_table
from db.tags import forget, forget_homeless, homeless_tags, speak
from db.values import to_ms

if TYPE_CHECKING:
    from annotator.ports import Clock

KEPT_RELABELLINGS = 5
"""So many can be undone, one after the other."""


class SqlFaceBook:
    """The port `FaceBook`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def relabel(
        self, renamings: Iterable[Renaming], recogniser: str | None, *, dry_run: bool
    ) -> Relabelling:
        """A face that by now says something else than `before` is left as it is.

        Where the answer is the same nothing is written, not even who gave it again.
        """
        # Read to the end first: the right to write is held only while something is written.
        faces, renamed = 0, []
        for one in renamings:
            faces += 1
            before, after = one.before, one.after
            if before.identity is not after.identity or before.name != after.name:
                renamed.append(one)
        transaction = self._database.reading if dry_run else self._database.writing
        with transaction() as connection, gathering(connection) as changes:
            new = None
            if recogniser is not None and not dry_run:
                new = key_of(connection, recogniser_table, name=recogniser)
            changes.add([_row(one, new) for one in renamed])
            changes.keep_what_people_said()
            changes.drop_what_stays()
            changes.add_followers()
            changed = changes.counted()
            if dry_run or not changed:
                return Relabelling(faces, changed)
            run = self._begin_run(connection, new)
            changes.log(run)
            changes.write()
            return Relabelling(faces, changed, run)

    def _begin_run(self, connection: Connection, recogniser_id: int | None) -> int:
        values = {"ran_at": to_ms(self._clock.now()), "recogniser_id": recogniser_id}
        begun = connection.execute(insert(relabelling).values(values))
        assert begun.inserted_primary_key is not None
        run: int = begun.inserted_primary_key[0]
        newest = select(relabelling.c.id).order_by(relabelling.c.id.desc())
        connection.execute(
            delete(relabelling).where(relabelling.c.id.not_in(newest.limit(KEPT_RELABELLINGS)))
        )
        return run

    def undo_relabelling(self) -> Relabelling:
        with self._database.writing() as connection:
            run: int | None = connection.scalar(select(func.max(relabelling.c.id)))
            if run is None:
                raise QueryError(
                    "there is no relabelling to take back",
                    f"`annotator relabel` makes one; the last {KEPT_RELABELLINGS} are kept",
                )
            of_run = select(func.count()).where(relabelled.c.relabelling_id == run)
            faces: int = connection.execute(of_run).scalar_one()
            with gathering(connection) as changes:
                changes.add_old_of(run)
                changes.keep_what_people_said()
                changes.drop_what_stays()
                changed = changes.counted()
                changes.write()
            connection.execute(delete(relabelling).where(relabelling.c.id == run))
        return Relabelling(faces, changed, run)

    def tag(self, face_ids: Sequence[int], tag: Tag) -> int:
        """Raises QueryError for what cannot be a name, and where one of them is no face, or one of
        which nobody could tell who it is."""
        name, now_ms = person_name(tag.name), to_ms(tag.tagged_at)
        with self._database.writing() as connection:
            return speak(
                connection,
                list(dict.fromkeys(face_ids)),
                name,
                negated=tag.negated,
                now_ms=now_ms,
            )

    def untag(self, face_ids: Sequence[int]) -> int:
        with self._database.writing() as connection:
            return forget(connection, list(dict.fromkeys(face_ids)))

    def homeless(self, of: Event, file_name: str | None) -> int:
        """How many words there are about faces that are not there any more, in an event or in one
        capture of it."""
        with self._database.reading() as connection:
            return len(homeless_tags(connection, of, file_name))

    def forget_homeless(self, of: Event, file_name: str | None) -> int:
        """Forget these words; how many."""
        with self._database.writing() as connection:
            return forget_homeless(connection, of, file_name)

    def group(self, strangers: Mapping[int, int | None]) -> None:
        if not strangers:
            return
        with self._database.writing() as connection:
            connection.execute(
                _GROUP, [{"its_id": one, "of_stranger": who} for one, who in strangers.items()]
            )
            highest = max((who for who in strangers.values() if who is not None), default=0)
            remember_stranger(connection, highest)

    def last_stranger(self) -> int:
        with self._database.reading() as connection:
            return last_stranger(connection)


def _row(one: Renaming, recogniser_id: int | None) -> tuple[Any, ...]:
    after, before = one.after, one.before
    return (
        *(one.face_id, str(after.identity), after.name, after.probability, after.distance),
        *(recogniser_id, str(before.identity), before.name),
    )


def last_stranger(connection: Connection) -> int:
    highest: str | None = connection.scalar(
        select(setting.c.value).where(setting.c.name == _LAST_STRANGER)
    )
    return int(highest or 0)


def remember_stranger(connection: Connection, number: int) -> None:
    """No stranger found later gets this number, or one below it."""
    if number > last_stranger(connection):
        entry = sqlite_insert(setting).values(name=_LAST_STRANGER, value=str(number))
        connection.execute(
            entry.on_conflict_do_update(
                index_elements=["name"], set_={"value": entry.excluded.value}
            )
        )


_LAST_STRANGER = "last stranger"
_GROUP = (
    update(face).where(face.c.id == bindparam("its_id")).values(stranger=bindparam("of_stranger"))
)
