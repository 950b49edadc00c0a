"""Words of a question -> the rows they stand for; for one that stands for nothing, the nearest."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from sqlalchemy import (
    Connection,
    bindparam,
    func,
    select,
    text,
)

from annotator.domain import UNKNOWN_NAME
from annotator.errors import QueryError
from annotator.names import stranger_name
from db.schema import face, name_count

_WORDS_IN_A_MESSAGE = 20


def monitor_ids(connection: Connection, names: Sequence[str]) -> tuple[int, ...]:
    """A name may stand for several monitors. Raises QueryError."""
    return _ids(connection, "monitor", names)


def label_ids(connection: Connection, names: Sequence[str]) -> tuple[int, ...]:
    """Raises QueryError."""
    return _ids(connection, "label", names)


def _ids(connection: Connection, what: str, names: Sequence[str]) -> tuple[int, ...]:
    if not names:
        return ()
    rows = connection.execute(_EVERY[what]).all()
    known = {row.name for row in rows}
    for name in names:
        if name not in known:
            raise _no_such(what, name, known)
    return tuple(row.id for row in rows if row.name in names)


def people_known(connection: Connection) -> tuple[str, ...]:
    """Everybody whom a face is said to be, by name."""
    return tuple(connection.scalars(_PEOPLE))


def check_names(connection: Connection, names: Iterable[str]) -> None:
    """Raises QueryError for a name that no face has."""
    for name in names:
        if name != UNKNOWN_NAME and connection.scalar(_OF_NAME, {"called": name}) is None:
            raise _no_such("name", name, {UNKNOWN_NAME, *people_known(connection)})


def check_strangers(connection: Connection, numbers: Iterable[int]) -> None:
    """Raises QueryError for a number that no face has."""
    for number in numbers:
        if connection.scalar(_OF_STRANGER, {"number": number}) is None:
            near = connection.execute(_NEAR_STRANGERS, {"number": number}).one()
            names = [stranger_name(one) for one in near if one is not None]
            hint = f"; did you mean {' or '.join(names)}?" if names else ""
            raise QueryError(
                f"no {stranger_name(number)} in the database{hint}",
                "`trainer cluster --write` numbers strangers",
            )


def _no_such(what: str, name: str, known: Collection[str]) -> QueryError:
    import difflib

    folded = {one.casefold(): one for one in known}
    near = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.5)
    hint = f"; did you mean {folded[near[0]]}?" if near else ""
    some = sorted(known)[:_WORDS_IN_A_MESSAGE]
    more = ", ..." if len(known) > len(some) else ""
    return QueryError(
        f"no {what} {name!r} in the database{hint}",
        f"there is: {', '.join(some)}{more}" if some else "annotate some captures first",
    )


_EVERY = {
    "monitor": text("SELECT id, name FROM monitor"),
    "label": text("SELECT id, name FROM label"),
}
_PEOPLE = (
    select(name_count.c.name)
    .where(name_count.c.name != UNKNOWN_NAME)
    .distinct()
    .order_by(name_count.c.name)
)
_OF_NAME = select(face.c.id).where(face.c.name == bindparam("called")).limit(1)
_OF_STRANGER = select(face.c.id).where(face.c.stranger == bindparam("number")).limit(1)
_NEAR_STRANGERS = select(
    select(func.max(face.c.stranger))
    .where(face.c.stranger < bindparam("number"))
    .scalar_subquery(),
    select(func.min(face.c.stranger))
    .where(face.c.stranger > bindparam("number"))
    .scalar_subquery(),
)
