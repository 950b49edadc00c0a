"""Follows what is recorded, decides what rings, and has it told.

What is to be told is decided from the database, never in passing: whatever was recorded, by whom
and when, is looked at once, and what rings is in the book before anybody is told. So nothing is
lost by a crash, and only what was on its way at that moment may be told twice, with the same id.

Each target has a thread of its own, and none of them is the daemon's: a broker, a web server or a
command that hangs holds up neither captures nor the other targets.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from time import monotonic

from annotator.config import NotifyRule
from annotator.domain import CaptureQuery
from annotator.errors import AnnotatorError, DeliveryError, QueryError
from annotator.notices import (
    Deliverer,
    Delivery,
    Key,
    Notice,
    NoticeBook,
    Outcome,
    Pictures,
    Tally,
)
from annotator.ports import Clock, SightingQueries
from annotator.rules import Sorted, ringing, sort, stands

IDLE_S = 30.0
"""Nobody is woken for less; connections are tended to this often."""
KEEP_MARK_S = 60.0
"""What was looked at without anything ringing is looked at again after a crash: it costs nothing,
and an SD card is written to once a minute instead of every second."""
TROUBLE_S = 5.0
SUMMARY_S = 60.0
MANY = 5_000
LEAP = 20_000
"""Where more than this was recorded unwatched, what is too old to ring is not even read."""
FIRST_PAUSE_S = 5.0
LONGEST_PAUSE_S = 600.0
LONGEST_TARGET_PAUSE_S = 30.0
GIVE_UP_AFTER = timedelta(days=1)
REMEMBER = timedelta(days=60)
"""How long what was told is kept: longer than any sighting may be old and ring (`max_age_s`)."""
TIDY_S = 86400.0
SHUTDOWN_S = 2.0

log = logging.getLogger(__name__)


class Follower:
    """Looks at what was recorded since last time; `turn` is one round."""

    def __init__(
        self,
        rules: Sequence[NotifyRule],
        queries: SightingQueries,
        book: NoticeBook,
        clock: Clock,
        tally: Tally,
    ) -> None:
        self._rules = rules
        self._queries = queries
        self._book = book
        self._clock = clock
        self._tally = tally
        self._max_age = timedelta(seconds=max((one.max_age_s for one in rules), default=0.0))
        self._quiet_s = {rule.name: rule.quiet_s for rule in rules}
        self._mark: int | None = None
        self._kept_mark: int | None = None
        self._kept_at_s = -math.inf
        self._tidied_at_s = -math.inf
        self._told_at_s = -math.inf
        self._too_old: set[Key] = set()

    def turn(self) -> int:
        """How many notices are new. Raises AnnotatorError; the next turn then begins anew."""
        if not self._rules:
            return 0
        filed, before, mark = 0, -1, self._begin()
        while before != mark:
            before = mark
            found, mark = self._queries.sightings_since(self._question(mark), mark)
            filed += self._file(sort(self._rules, found, self._clock.now()), mark)
            self._mark = mark
        self._keep_mark(mark)
        self._tell_too_old()
        self._tidy()
        return filed

    def close(self) -> None:
        """Look once more, for what was recorded last, and keep how far it got.

        Raises AnnotatorError.
        """
        self.turn()
        if self._mark is not None and self._mark != self._kept_mark:
            self._book.file((), self._mark)

    def _begin(self) -> int:
        """Where the last round, or the last run, got to; at the very first nothing old is read."""
        mark = self._book.mark() if self._mark is None else self._mark
        return self._queries.newest_mark() if mark is None else mark

    def _question(self, mark: int) -> CaptureQuery:
        if self._queries.newest_mark() - mark <= LEAP:
            return CaptureQuery()
        return CaptureQuery(since=self._clock.now() - self._max_age)

    def _file(self, found: Sorted, mark: int) -> int:
        self._too_old |= found.too_old
        if not found.notices:
            return 0
        known = self._book.known([notice.key for notice in found.notices])
        rung = ringing(found.notices, known, self._book.last_rung(), self._quiet_s)
        if not rung:
            return 0
        new = self._book.file(rung, mark)
        self._kept_mark = mark
        for notice in new:
            self._tally.count(notice.rule, Outcome.RAISED)
            log.info("%s: %s", notice.rule, notice.sighting.path)
        return len(new)

    def _keep_mark(self, mark: int) -> None:
        now_s = self._clock.monotonic()
        if mark != self._kept_mark and now_s - self._kept_at_s >= KEEP_MARK_S:
            self._book.file((), mark)
            self._kept_mark, self._kept_at_s = mark, now_s

    def _tell_too_old(self) -> None:
        """Say what was left out; at most once a minute, for a backfill goes on for hours."""
        now_s = self._clock.monotonic()
        is_due = now_s - self._told_at_s >= SUMMARY_S or len(self._too_old) >= MANY
        if not self._too_old or not is_due:
            return
        self._told_at_s = now_s
        missed = self._too_old - self._book.known(tuple(self._too_old))
        self._too_old.clear()
        for rule in self._rules:
            count = sum(key.rule == rule.name for key in missed)
            if count:
                log.info(
                    "%s: %d that it means are not told, being more than %g s old",
                    *(rule.name, count, rule.max_age_s),
                )
                self._tally.count(rule.name, Outcome.TOO_OLD, count)

    def _tidy(self) -> None:
        now_s = self._clock.monotonic()
        if now_s - self._tidied_at_s >= TIDY_S:
            self._tidied_at_s = now_s
            self._book.forget(self._clock.now() - REMEMBER)


class Teller:
    """Delivers to one target, in the order of what is due; `turn` is one round.

    `stands` says of a notice, when its time has come, whether it is still true.
    """

    def __init__(
        self,
        target: str,
        deliverer: Deliverer,
        book: NoticeBook,
        clock: Clock,
        tally: Tally,
        picture_of: Pictures,
        stands: Callable[[Notice], bool] = lambda _: True,
    ) -> None:
        self._stands = stands
        self.target = target
        self._deliverer = deliverer
        self._book = book
        self._clock = clock
        self._tally = tally
        self._picture_of = picture_of
        self._failures = 0
        self._closed = False

    def turn(self) -> float:
        """Deliver at most one notice; in how many seconds to come back. Raises AnnotatorError."""
        self._tend()
        delivery = self._book.next_for(self.target)
        if delivery is None:
            return IDLE_S
        wait_s = (delivery.due_at - self._clock.now()).total_seconds()
        if wait_s > 0:
            return min(IDLE_S, wait_s)
        if delivery.attempts == 0 and not self._stands(delivery.notice):
            log.info("%s: not told, it was somebody else", delivery.notice.rule)
            self._book.withdraw(delivery)
            self._tally.count(delivery.notice.rule, Outcome.WITHDRAWN)
            return 0.0
        try:
            self._deliverer.deliver(delivery.notice, self._picture_of(delivery.notice))
        except DeliveryError as error:
            # Hung up on in the middle: the next start tries it again.
            return IDLE_S if self._closed else self._failed(delivery, error)
        self._book.delivered(delivery)
        self._tally.count(delivery.notice.rule, Outcome.DELIVERED)
        if self._failures:
            log.info("%s can be told again", self.target)
        self._failures = 0
        return 0.0

    def close(self) -> None:
        self._closed = True
        self._deliverer.close()

    def _tend(self) -> None:
        try:
            self._deliverer.tend()
        except DeliveryError as error:
            log.debug("%s: %s", self.target, error)  # said aloud as soon as there is something

    def _failed(self, delivery: Delivery, error: DeliveryError) -> float:
        self._failures += 1
        notice, now = delivery.notice, self._clock.now()
        pause_s = pause_after(delivery.attempts)
        if error.final or now - notice.raised_at >= GIVE_UP_AFTER:
            log.warning("%s: %s is not told: %s", self.target, notice.rule, error)
            self._book.give_up(delivery, str(error))
            self._tally.count(notice.rule, Outcome.GIVEN_UP)
        else:
            say = log.warning if self._failures == 1 else log.debug
            say("%s cannot be told, notices wait: %s", self.target, error)
            self._book.put_off(delivery, now + timedelta(seconds=pause_s), str(error))
            self._tally.count(notice.rule, Outcome.FAILED)
        # One that only this notice does not please gets the others a little later.
        return 0.0 if error.final else min(pause_s, LONGEST_TARGET_PAUSE_S)


def second_look(rules: Sequence[NotifyRule], queries: SightingQueries) -> Callable[[Notice], bool]:
    """Whether what a rule has waited with is still true by the vote of the event's faces."""
    waiting = {rule.name for rule in rules if rule.told_after_s}

    def look(notice: Notice) -> bool:
        if notice.rule not in waiting:
            return True
        its_event = CaptureQuery(events=(notice.key.event,), stationary=True, limit=1)
        try:
            found = next(iter(queries.events(its_event)), None)
        except QueryError:  # the event is not in the database any more
            return True
        return stands(notice, [one.name for one in found.people] if found else ())

    return look


def pause_after(attempts: int) -> float:
    """Seconds until the next try, after so many earlier ones."""
    return min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(attempts, 16))


class Herald:
    """A thread that follows, and one for each target. `start`, `wake`, `close`."""

    def __init__(
        self, follower: Follower, tellers: Sequence[Teller], *, shutdown_s: float = SHUTDOWN_S
    ) -> None:
        self._shutdown_s = shutdown_s
        self._follower = follower
        self._tellers = tellers
        self._stopping = threading.Event()
        self._bells = [threading.Event() for _ in (follower, *tellers)]
        turns = [self._follow, *(teller.turn for teller in tellers)]
        names = ["follower", *(teller.target for teller in tellers)]
        # Daemons: one that hangs in a system call must not keep the process from ending.
        self._threads = [
            threading.Thread(
                target=self._run, args=(turn, bell), name=f"herald {name}", daemon=True
            )
            for turn, bell, name in zip(turns, self._bells, names, strict=True)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """Something was recorded; returns at once."""
        self._bells[0].set()

    def wake_all(self) -> None:
        """There is news for the targets as well; returns at once."""
        for bell in self._bells:
            bell.set()

    def close(self) -> None:
        """Returns within two seconds or so; what is on its way then is tried again later."""
        self._stopping.set()
        self.wake_all()
        for teller in self._tellers:
            teller.close()
        deadline_s = monotonic() + self._shutdown_s
        for thread in self._threads:
            thread.join(max(0.0, deadline_s - monotonic()))
            if thread.is_alive():
                log.warning("%s hangs and is left alone", thread.name)
        if not self._threads[0].is_alive():
            try:
                self._follower.close()
            except AnnotatorError as error:
                log.debug("%s", error)  # the next start looks at it again

    def _follow(self) -> float:
        if self._follower.turn():
            for bell in self._bells[1:]:
                bell.set()
        return IDLE_S

    def _run(self, turn: Callable[[], float], bell: threading.Event) -> None:
        while not self._stopping.is_set():
            try:
                bell.wait(turn())
            except AnnotatorError as error:
                log.warning("%s", error)
                self._stopping.wait(TROUBLE_S)
            except Exception:
                log.exception("a bug in annotator, please report it")
                self._stopping.wait(IDLE_S)
            bell.clear()
