"""The book of notices in memory; passes the contract of the database's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import count

from annotator.notices import Delivery, Key, Notice, Outcome, RuleRecord, Undelivered

WAITING, DELIVERED, GIVEN_UP = range(3)


@dataclass(slots=True)
class Kept:
    """One delivery."""

    delivery: Delivery
    state: int = WAITING
    why: str = ""


class MemoryNoticeBook:
    """The port `NoticeBook`."""

    def __init__(
        self,
        targets_of: Callable[[str], Sequence[str]] = lambda _: (),
        wait_s_of: Callable[[str], float] = lambda _: 0.0,
    ) -> None:
        self._targets_of = targets_of
        self._wait_s_of = wait_s_of
        self._mark: int | None = None
        self._notices: dict[Key, Notice] = {}
        self._kept: list[Kept] = []
        self._ids = count(1)

    def mark(self) -> int | None:
        return self._mark

    def file(self, notices: Sequence[Notice], mark: int) -> tuple[Notice, ...]:
        new = []
        for one in notices:
            if one.key not in self._notices:
                filed = self._notices[one.key] = replace(one, id=next(self._ids))
                new.append(filed)
                for target in dict.fromkeys(self._targets_of(one.rule)):
                    due_at = one.raised_at + timedelta(seconds=self._wait_s_of(one.rule))
                    self._kept.append(Kept(Delivery(filed, target, 0, due_at)))
        self._mark = mark
        return tuple(new)

    def known(self, keys: Sequence[Key]) -> frozenset[Key]:
        return frozenset(key for key in keys if key in self._notices)

    def last_rung(self) -> Mapping[tuple[str, str], datetime]:
        last: dict[tuple[str, str], datetime] = {}
        for one in self._notices.values():
            whose, seen_at = (one.rule, one.person), one.sighting.captured_at
            last[whose] = max(seen_at, last.get(whose, seen_at))
        return last

    def next_for(self, target: str) -> Delivery | None:
        waiting = [
            kept.delivery
            for kept in self._kept
            if kept.delivery.target == target and kept.state == WAITING
        ]
        return min(waiting, key=lambda one: (one.due_at, one.notice.id), default=None)

    def delivered(self, delivery: Delivery) -> None:
        self._find(delivery).state = DELIVERED

    def put_off(self, delivery: Delivery, until: datetime, why: str) -> None:
        kept = self._find(delivery)
        kept.delivery, kept.why = replace(kept.delivery, due_at=until), why

    def give_up(self, delivery: Delivery, why: str) -> None:
        kept = self._find(delivery)
        kept.state, kept.why = GIVEN_UP, why

    def withdraw(self, delivery: Delivery) -> None:
        self._kept.remove(self._find(delivery))
        if all(kept.delivery.notice != delivery.notice for kept in self._kept):
            del self._notices[delivery.notice.key]

    def give_up_others(self, targets: Sequence[str]) -> int:
        gone = [
            kept
            for kept in self._kept
            if kept.state == WAITING and kept.delivery.target not in targets
        ]
        for kept in gone:
            kept.state, kept.why = GIVEN_UP, "it is not configured any more"
        return len(gone)

    def forget(self, before: datetime) -> int:
        waiting = {kept.delivery.notice.id for kept in self._kept if kept.state == WAITING}
        old = {
            one.id
            for one in self._notices.values()
            if one.raised_at < before and one.id not in waiting
        }
        self._notices = {key: one for key, one in self._notices.items() if one.id not in old}
        self._kept = [kept for kept in self._kept if kept.delivery.notice.id not in old]
        return len(old)

    def rules(self) -> tuple[RuleRecord, ...]:
        return tuple(map(self._record, sorted({one.rule for one in self._notices.values()})))

    def undelivered(self) -> tuple[Undelivered, ...]:
        open_ones = [kept for kept in self._kept if kept.state != DELIVERED]
        found = []
        for target in sorted({kept.delivery.target for kept in open_ones}):
            its = [kept for kept in open_ones if kept.delivery.target == target]
            states = [kept.state for kept in its]
            whys = [kept.why for kept in its if kept.why]
            found.append(
                Undelivered(
                    target, states.count(WAITING), states.count(GIVEN_UP), whys[-1] if whys else ""
                )
            )
        return tuple(found)

    def _record(self, rule: str) -> RuleRecord:
        own = [one for one in self._notices.values() if one.rule == rule]
        states = [kept.state for kept in self._kept if kept.delivery.notice.rule == rule]
        last = max(own, key=lambda one: one.id)
        return RuleRecord(rule, len(own), last, states.count(WAITING), states.count(GIVEN_UP))

    def _find(self, delivery: Delivery) -> Kept:
        (kept,) = (
            kept
            for kept in self._kept
            if (kept.delivery.notice.id, kept.delivery.target)
            == (delivery.notice.id, delivery.target)
        )
        kept.delivery = replace(kept.delivery, attempts=kept.delivery.attempts + 1)
        return kept


class Counts:
    """The port `Tally`, to look at."""

    def __init__(self) -> None:
        self.counts: dict[tuple[str, Outcome], int] = {}

    def count(self, rule: str, outcome: Outcome, times: int = 1) -> None:
        self.counts[rule, outcome] = self.counts.get((rule, outcome), 0) + times
