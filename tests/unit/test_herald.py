from __future__ import annotations

import logging
import threading
from datetime import timedelta

import pytest

from annotator.config import NotifyRule
from annotator.errors import DatabaseUnwritable, DeliveryError
from annotator.herald import LEAP, Follower, Herald, Teller, pause_after
from annotator.notices import Notice, Outcome
from tests.contracts.backlog import NOON
from tests.contracts.notices import notice, sighting
from tests.fakes.clock import ManualClock
from tests.fakes.memory_notices import Counts, MemoryNoticeBook
from tests.fakes.sighting_log import SightingLog

RULE = NotifyRule(name="door", to=("phone", "bell"), labels=("person",))


class House:
    """Everything that a follower needs, and what was told."""

    def __init__(self, *rules: NotifyRule) -> None:
        self.clock = ManualClock(NOON)
        self.log = SightingLog()
        self.counts = Counts()
        self.rules = rules or (RULE,)
        self.book = MemoryNoticeBook(lambda name: RULE.to)
        self.follower = self.restarted()

    def restarted(self) -> Follower:
        return Follower(self.rules, self.log, self.book, self.clock, self.counts)

    def see(self, *events: str, age_s: float = 1.0, **other: object) -> None:
        at = self.clock.now() - timedelta(seconds=age_s)
        self.log.recorded += [sighting(event, at, **other) for event in events]

    @property
    def rung(self) -> list[str]:
        """The events that rang, in no order that counts."""
        return sorted(key.event for key in self.book.known([notice(event=e).key for e in ALL]))


ALL = [str(number) for number in range(20)]


@pytest.fixture
def house() -> House:
    made = House()
    made.follower.turn()
    return made


def test_what_was_there_before_the_first_start_does_not_ring() -> None:
    made = House()
    made.see("1")
    assert made.follower.turn() == 0
    made.see("2")
    assert made.follower.turn() == 1
    assert made.rung == ["3/2"]


def test_an_event_of_many_captures_rings_once(house: House) -> None:
    for _ in range(5):
        house.see(*["1"] * 300)
        house.follower.turn()
    assert house.rung == ["3/1"]
    assert house.counts.counts == {("door", Outcome.RAISED): 1}


def test_a_long_queue_is_read_to_its_end(house: House) -> None:
    house.see(*["1"] * 1500, "2")
    assert house.follower.turn() == 2


def test_a_restart_goes_on_where_it_was(house: House) -> None:
    house.see("1")
    house.follower.turn()
    house.see("2")
    assert house.restarted().turn() == 1
    assert house.rung == ["3/1", "3/2"]


def test_what_did_not_ring_is_written_down_once_a_minute_and_at_the_end(house: House) -> None:
    start = house.book.mark()
    for _ in range(30):
        house.see("1", label="cat")
        house.follower.turn()
        house.clock.sleep(1)
    assert house.book.mark() == start
    house.clock.sleep(60)
    house.follower.turn()
    assert house.book.mark() == 30
    house.see("2", label="cat")
    house.follower.turn()
    house.follower.close()
    assert house.book.mark() == 31


def test_old_captures_do_not_ring_and_that_is_said(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        house.see("1")
        house.follower.turn()
        house.see("1", "2", "3", "3", age_s=601)
        house.follower.turn()
        house.clock.sleep(61)
        house.follower.turn()
    assert house.rung == ["3/1"]
    told = [record.getMessage() for record in caplog.records if "older" not in record.msg]
    assert any("door: 2 that it means are not told" in line for line in told)
    assert house.counts.counts["door", Outcome.TOO_OLD] == 2


def test_of_a_backfill_without_the_daemon_only_what_may_ring_is_read(house: House) -> None:
    house.see(*["1"] * (LEAP + 1), age_s=86400)
    house.see("2")
    assert house.follower.turn() == 1
    assert house.log.questions[-2].since == NOON - timedelta(seconds=RULE.max_age_s)
    assert house.rung == ["3/2"]


def test_where_the_newest_were_pruned_the_next_still_ring(house: House) -> None:
    house.see("1", "1", "1")
    house.follower.turn()
    del house.log.recorded[1:]
    house.follower.turn()
    house.see("2")
    assert house.follower.turn() == 1


def test_quiet_is_kept_over_a_restart() -> None:
    made = House(RULE.model_copy(update={"quiet_s": 60.0}))
    made.follower.turn()
    made.see("1")
    made.follower.turn()
    made.clock.sleep(30)
    made.see("2")
    assert made.restarted().turn() == 0
    made.clock.sleep(31)
    made.see("3")
    assert made.restarted().turn() == 1


class Target:
    """The port `Deliverer`: refuses as often as it is told to, by event."""

    def __init__(self) -> None:
        self.got: list[Notice] = []
        self.tries = 0
        self.closed = False
        self.refuses: dict[str, DeliveryError] = {}

    def deliver(self, notice: Notice, picture: bytes | None) -> None:
        self.tries += 1
        error = self.refuses.get(notice.sighting.event) or self.refuses.get("")
        if error is not None:
            raise error
        self.got.append(notice)

    def tend(self) -> None:
        if "" in self.refuses:
            raise DeliveryError("nobody there")

    def close(self) -> None:
        self.closed = True

    @property
    def events(self) -> list[str]:
        return [one.sighting.event for one in self.got]


class Room:
    """A teller with its target, and a clock to turn."""

    def __init__(self, *events: str, wait_s: float = 0.0) -> None:
        self.clock = ManualClock(NOON)
        self.book = MemoryNoticeBook(lambda name: ("phone",), lambda name: wait_s)
        self.doubtful: set[str] = set()
        self.book.file([notice(event=event) for event in events], 1)
        self.counts = Counts()
        self.target = Target()
        self.teller = Teller(
            "phone",
            self.target,
            self.book,
            self.clock,
            self.counts,
            lambda _: None,
            lambda one: one.sighting.event not in self.doubtful,
        )

    def run(self, seconds: float) -> None:
        until = self.clock.monotonic() + seconds
        while self.clock.monotonic() < until:
            self.clock.sleep(self.teller.turn())

    @property
    def undelivered(self) -> tuple[int, int]:
        (one,) = self.book.undelivered() or (None,)
        return (one.waiting, one.failed) if one else (0, 0)


def test_everything_is_delivered_once_in_order() -> None:
    room = Room("1", "2", "3")
    room.run(60)
    assert room.target.events == ["1", "2", "3"]
    assert room.undelivered == (0, 0)
    assert room.counts.counts == {("door", Outcome.DELIVERED): 3}


def test_what_is_not_true_any_more_when_its_time_comes_is_not_told() -> None:
    room = Room("1", "2", wait_s=20)
    room.run(15)
    assert room.target.events == []
    room.doubtful = {"1"}
    room.run(15)
    assert room.target.events == ["2"]
    assert room.undelivered == (0, 0)
    assert room.counts.counts["door", Outcome.WITHDRAWN] == 1
    room.doubtful = set()
    room.book.file([notice(event="1", at=room.clock.now())], 2)
    room.run(30)
    assert room.target.events == ["2", "1"], "for somebody else it rings"


def test_a_try_that_failed_is_not_doubted() -> None:
    room = Room("1")
    room.target.refuses[""] = DeliveryError("connection refused")
    room.run(10)
    room.doubtful = {"1"}
    room.target.refuses.clear()
    room.run(600)
    assert room.target.events == ["1"], "another target may have told it already"


def test_what_cannot_be_told_waits_ever_longer_and_is_told_when_it_can_be() -> None:
    room = Room("1", "2")
    room.target.refuses[""] = DeliveryError("connection refused")
    room.run(3600)
    assert room.target.tries < 40
    assert room.undelivered == (2, 0)
    room.target.refuses.clear()
    room.run(630)
    assert sorted(room.target.events) == ["1", "2"]
    assert room.undelivered == (0, 0)


def test_what_the_end_cut_off_is_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    room = Room("1")
    room.target.refuses[""] = DeliveryError("hung up")
    room.teller.close()
    room.teller.turn()
    assert room.target.tries == 1
    assert not caplog.records
    found = room.book.next_for("phone")
    assert found is not None
    assert (found.attempts, found.due_at) == (0, NOON), "the next start tries it at once"


def test_after_a_day_it_is_given_up() -> None:
    room = Room("1")
    room.target.refuses[""] = DeliveryError("connection refused")
    room.run(86400 + 1200)
    assert room.undelivered == (0, 1)
    assert room.counts.counts["door", Outcome.GIVEN_UP] == 1


def test_what_no_try_can_help_is_given_up_at_once() -> None:
    room = Room("1", "2")
    room.target.refuses["1"] = DeliveryError("it answered 404", final=True)
    room.run(60)
    assert (room.target.tries, room.target.events) == (2, ["2"])
    assert room.undelivered == (0, 1)


def test_one_that_does_not_get_through_does_not_hold_up_the_others() -> None:
    room = Room("1", "2", "3", "4")
    room.target.refuses["1"] = DeliveryError("it answered 500")
    room.run(60)
    assert room.target.events == ["2", "3", "4"]


def test_pauses_grow_to_ten_minutes() -> None:
    assert [pause_after(attempts) for attempts in (0, 1, 2, 3, 7, 8, 10_000)] == [
        *(5, 10, 20, 40),
        *(600, 600, 600),
    ]


class Hanging(Target):
    """Gets stuck until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.began, self.let_go = threading.Event(), threading.Event()

    def deliver(self, notice: Notice, picture: bytes | None) -> None:
        self.began.set()
        self.let_go.wait()
        super().deliver(notice, picture)


def test_one_that_hangs_holds_up_neither_the_others_nor_the_end() -> None:
    made, bell, phone = House(), Target(), Hanging()
    bell_rang = threading.Event()

    class Announcing(Counts):
        def count(self, rule: str, outcome: Outcome, times: int = 1) -> None:
            super().count(rule, outcome, times)
            if outcome is Outcome.DELIVERED:
                bell_rang.set()

    def teller(name: str, target: Target) -> Teller:
        return Teller(name, target, made.book, made.clock, Announcing(), lambda _: None)

    made.follower.turn()
    herald = Herald(made.follower, [teller("phone", phone), teller("bell", bell)], shutdown_s=0.05)
    threads = set(threading.enumerate())
    herald.start()
    made.see("1")
    herald.wake()
    assert phone.began.wait(10)
    assert bell_rang.wait(10)
    assert bell.events == ["1"]
    herald.close()
    stuck = set(threading.enumerate()) - threads
    assert [thread.name for thread in stuck] == ["herald phone"]
    assert phone.closed
    phone.let_go.set()
    for thread in stuck:
        thread.join(10)


def test_what_was_recorded_last_is_in_the_book_at_the_end() -> None:
    made = House()
    made.follower.turn()
    herald = Herald(made.follower, [])
    herald.start()
    made.see("1")
    herald.close()
    assert made.rung == ["3/1"]
    assert made.book.mark() == 1


def test_a_database_that_cannot_be_written_is_waited_for(
    caplog: pytest.LogCaptureFixture,
) -> None:
    made = House()
    failed = threading.Event()

    class Full(SightingLog):
        def newest_mark(self) -> int:
            failed.set()
            raise DatabaseUnwritable("the disk is full")

    follower = Follower(made.rules, Full(), made.book, made.clock, made.counts)
    herald = Herald(follower, [])
    herald.start()
    assert failed.wait(10)
    herald.close()
    assert "the disk is full" in caplog.text
