"""What was told and what is still to tell (see `annotator.notices`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    Connection,
    Row,
    case,
    delete,
    exists,
    func,
    insert,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from annotator.domain import Sighting
from annotator.notices import Delivery, Key, Notice, RuleRecord, Undelivered
from db.engine import Database
from db.schema import delivery, notice, setting
from db.values import from_ms, printable, to_ms

if TYPE_CHECKING:
    from pydantic import TypeAdapter

_MARK = "notices looked at"
_WAITING, _DELIVERED, _GIVEN_UP = range(3)
_KEYS_AT_ONCE = 500


class SqlNoticeBook:
    """The port `NoticeBook`.

    `targets_of` tells by a rule's name who is to be told, `wait_s_of` after how many seconds.
    """

    def __init__(
        self,
        database: Database,
        targets_of: Callable[[str], Sequence[str]] = lambda _: (),
        wait_s_of: Callable[[str], float] = lambda _: 0.0,
    ) -> None:
        self._database = database
        self._targets_of = targets_of
        self._wait_s_of = wait_s_of

    def mark(self) -> int | None:
        with self._database.reading() as connection:
            value = connection.scalar(select(setting.c.value).where(setting.c.name == _MARK))
        return None if value is None else int(value)

    def file(self, notices: Sequence[Notice], mark: int) -> tuple[Notice, ...]:
        new = []
        with self._database.writing() as connection:
            for one in notices:
                filed_id = connection.scalar(_FILE, _row(one))
                if filed_id is not None:
                    new.append(_numbered(one, filed_id))
                    self._address(connection, new[-1])
            connection.execute(_KEEP_MARK, {"value": str(mark)})
        return tuple(new)

    def _address(self, connection: Connection, one: Notice) -> None:
        due_ms = to_ms(one.raised_at) + round(1000 * self._wait_s_of(one.rule))
        for target in dict.fromkeys(self._targets_of(one.rule)):
            connection.execute(
                insert(delivery).values(
                    notice_id=one.id,
                    target=target,
                    state=_WAITING,
                    attempts=0,
                    due_at=due_ms,
                    why="",
                )
            )

    def known(self, keys: Sequence[Key]) -> frozenset[Key]:
        wanted, found = iter(set(keys)), set[Key]()
        with self._database.reading() as connection:
            while some := list(islice(wanted, _KEYS_AT_ONCE)):
                rows = connection.execute(_KEYS.where(tuple_(*_KEY).in_(some)))
                found.update(Key(*row) for row in rows)
        return frozenset(found)

    def last_rung(self) -> Mapping[tuple[str, str], datetime]:
        with self._database.reading() as connection:
            rows = connection.execute(_LAST_RUNG).all()
        return {(row.rule, row.person): from_ms(row.captured_at) for row in rows}

    def next_for(self, target: str) -> Delivery | None:
        with self._database.reading() as connection:
            row = connection.execute(_NEXT.where(delivery.c.target == target)).one_or_none()
        if row is None:
            return None
        return Delivery(_notice(row), row.target, row.attempts, from_ms(row.due_at))

    def delivered(self, one: Delivery) -> None:
        self._settle(one, state=_DELIVERED)

    def put_off(self, one: Delivery, until: datetime, why: str) -> None:
        self._settle(one, due_at=to_ms(until), why=printable(why))

    def give_up(self, one: Delivery, why: str) -> None:
        self._settle(one, state=_GIVEN_UP, why=printable(why))

    def withdraw(self, one: Delivery) -> None:
        its_notice = delivery.c.notice_id == one.notice.id
        with self._database.writing() as connection:
            connection.execute(delete(delivery).where(its_notice, delivery.c.target == one.target))
            if connection.scalar(select(func.count()).where(its_notice)) == 0:
                connection.execute(delete(notice).where(notice.c.id == one.notice.id))

    def _settle(self, one: Delivery, **values: Any) -> None:
        with self._database.writing() as connection:
            connection.execute(
                update(delivery)
                .where(delivery.c.notice_id == one.notice.id, delivery.c.target == one.target)
                .values(attempts=delivery.c.attempts + 1, **values)
            )

    def give_up_others(self, targets: Sequence[str]) -> int:
        why = "it is not configured any more"
        with self._database.writing() as connection:
            return connection.execute(
                update(delivery)
                .where(delivery.c.state == _WAITING, _OPEN, delivery.c.target.not_in(targets))
                .values(state=_GIVEN_UP, why=why)
            ).rowcount

    def forget(self, before: datetime) -> int:
        with self._database.writing() as connection:
            old = delete(notice).where(notice.c.raised_at < to_ms(before), ~_IS_WAITING)
            return connection.execute(old).rowcount

    def rules(self) -> tuple[RuleRecord, ...]:
        with self._database.reading() as connection:
            return tuple(_record(row) for row in connection.execute(_RULES))

    def undelivered(self) -> tuple[Undelivered, ...]:
        with self._database.reading() as connection:
            return tuple(
                Undelivered(row.target, row.waiting, row.failed, row.why)
                for row in connection.execute(_UNDELIVERED)
            )


@cache
def _sightings() -> TypeAdapter[Sighting]:
    from pydantic import TypeAdapter

    return TypeAdapter(Sighting)


def _row(one: Notice) -> dict[str, Any]:
    return {
        **one.key._asdict(),
        "captured_at": to_ms(one.sighting.captured_at),
        "raised_at": to_ms(one.raised_at),
        "sighting": _sightings().dump_json(one.sighting).decode(),
    }


def _numbered(one: Notice, notice_id: int) -> Notice:
    return Notice(one.rule, one.person, one.sighting, one.raised_at, notice_id)


def _notice(row: Row[Any]) -> Notice:
    sighting = _sightings().validate_json(row.sighting)
    return Notice(row.rule, row.person, sighting, from_ms(row.raised_at), row.id)


def _record(row: Row[Any]) -> RuleRecord:
    return RuleRecord(row.rule, row.notices, _notice(row), row.waiting or 0, row.failed or 0)


_KEY = (notice.c.rule, notice.c.event, notice.c.person)
_KEYS = select(*_KEY)
# The index of what is not delivered is used only where a question says just that.
_OPEN = delivery.c.state != _DELIVERED
_FILE = sqlite_insert(notice).on_conflict_do_nothing(index_elements=_KEY).returning(notice.c.id)
_KEEP_MARK = sqlite_insert(setting).values(name=_MARK)
_KEEP_MARK = _KEEP_MARK.on_conflict_do_update(
    index_elements=["name"], set_={"value": _KEEP_MARK.excluded.value}
)
_LAST_RUNG = select(
    notice.c.rule, notice.c.person, func.max(notice.c.captured_at).label("captured_at")
).group_by(notice.c.rule, notice.c.person)
_NEXT = (
    select(notice, delivery.c.target, delivery.c.attempts, delivery.c.due_at)
    .join(delivery)
    .where(delivery.c.state == _WAITING, _OPEN)
    .order_by(delivery.c.due_at, delivery.c.notice_id)
    .limit(1)
)
_IS_WAITING = exists().where(delivery.c.notice_id == notice.c.id, delivery.c.state == _WAITING)
_WAIT = func.count().filter(delivery.c.state == _WAITING).label("waiting")
_FAILED = func.count().filter(delivery.c.state == _GIVEN_UP).label("failed")
_by_rule = (
    select(notice.c.rule, func.count().label("notices"), func.max(notice.c.id).label("last_id"))
    .group_by(notice.c.rule)
    .subquery()
)
_open_by_rule = (
    select(notice.c.rule, _WAIT, _FAILED)
    .join(delivery)
    .where(_OPEN)
    .group_by(notice.c.rule)
    .subquery()
)
_RULES = (
    select(notice, _by_rule.c.notices, _open_by_rule.c.waiting, _open_by_rule.c.failed)
    .join(_by_rule, _by_rule.c.last_id == notice.c.id)
    .outerjoin(_open_by_rule, _open_by_rule.c.rule == notice.c.rule)
    .order_by(notice.c.rule)
)
# Of the columns beside max() SQLite takes those of its row (https://www.sqlite.org/lang_select.html
# #bareagg): why the newest notice with a reason failed.
_UNDELIVERED = (
    select(
        delivery.c.target,
        _WAIT,
        _FAILED,
        func.max(case((delivery.c.why == "", 0), else_=delivery.c.notice_id)),
        delivery.c.why,
    )
    .where(_OPEN)
    .group_by(delivery.c.target)
    .order_by(delivery.c.target)
)
