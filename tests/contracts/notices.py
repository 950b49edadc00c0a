"""What every book of notices must do, whatever it is made of.

A test class inherits from `NoticeBookContract` and provides the fixture `book`, for the targets
of `TARGETS` and the waits of `WAITS_S`.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from annotator.domain import BoundingBox, Sighting
from annotator.notices import Key, Notice, NoticeBook, RuleRecord, Undelivered
from tests.contracts.backlog import NOON

TARGETS = {
    "door": ("mqtt", "phone"),
    "car": ("phone",),
    "nobody": (),
    "stranger": ("mqtt", "phone"),
}
WAITS_S = {"stranger": 20.5}


def sighting(event: str = "1", at: datetime = NOON, **other: object) -> Sighting:
    plain = Sighting(
        captured_at=at,
        monitor="Door",
        event=event,
        frame=7,
        label="person",
        class_id=0,
        score=0.75,
        box=BoundingBox(10, 20, 110, 220),
        path=f"3/{event}/00007-capture.jpg",
    )
    return replace(plain, **other)  # type: ignore[arg-type]


def notice(
    rule: str = "door", event: str = "1", person: str = "", at: datetime = NOON, **seen: object
) -> Notice:
    return Notice(rule, person, sighting(event, at, **seen), at)


class NoticeBookContract:
    @pytest.fixture
    def book(self) -> NoticeBook:
        raise NotImplementedError("the test class provides it")

    def test_begins_empty(self, book: NoticeBook) -> None:
        assert book.mark() is None
        assert (book.rules(), book.undelivered(), book.next_for("mqtt")) == ((), (), None)
        assert (book.known([notice().key]), dict(book.last_rung())) == (frozenset(), {})

    def test_keeps_the_mark_with_or_without_notices(self, book: NoticeBook) -> None:
        book.file((), 17)
        assert book.mark() == 17
        book.file((notice(),), 23)
        assert book.mark() == 23

    def test_a_key_is_filed_once_for_ever(self, book: NoticeBook) -> None:
        first, other = notice(), notice(person="Anna")
        filed = book.file((first, other, first), 1)
        assert filed == tuple(
            replace(one, id=new.id) for one, new in zip((first, other), filed, strict=True)
        )
        assert filed[0].id != filed[1].id
        again = notice(at=NOON + timedelta(minutes=1))
        third = notice(event="2")
        assert [one.key for one in book.file((again, third), 2)] == [third.key]
        asked = [first.key, third.key, Key("door", "9", "")]
        assert book.known(asked) == {first.key, third.key}
        assert book.known(asked * 600) == {first.key, third.key}

    def test_every_target_gets_it_as_it_was_seen(self, book: NoticeBook) -> None:
        seen = {"name": "Äñna", "probability": 0.5, "face_box": BoundingBox(1, 2, 3, 4)}
        (filed,) = book.file((notice(person="Äñna", **seen),), 1)
        for target in TARGETS["door"]:
            found = book.next_for(target)
            assert found is not None
            assert (found.notice, found.target, found.attempts) == (filed, target, 0)
            assert found.due_at == filed.raised_at
        assert book.next_for("bell") is None

    def test_a_delivery_is_over_for_its_target_alone(self, book: NoticeBook) -> None:
        book.file((notice(), notice("car")), 1)
        to_phone, to_broker = book.next_for("phone"), book.next_for("mqtt")
        assert to_phone is not None
        assert to_broker is not None
        book.delivered(to_phone)
        assert book.next_for("mqtt") == to_broker
        book.give_up(to_broker, "it is full")
        assert book.next_for("mqtt") is None
        following = book.next_for("phone")
        assert following is not None
        assert following.notice.rule == "car"
        assert book.undelivered() == (
            Undelivered("mqtt", 0, 1, "it is full"),
            Undelivered("phone", 1, 0),
        )

    def test_what_is_put_off_lets_others_go_first(self, book: NoticeBook) -> None:
        first, second = book.file((notice("car"), notice("car", "2")), 1)
        tried = book.next_for("phone")
        assert tried is not None
        assert tried.notice == first
        later = NOON + timedelta(seconds=5)
        book.put_off(tried, later, "no route to host")
        following = book.next_for("phone")
        assert following is not None
        assert following.notice == second
        book.delivered(following)
        again = book.next_for("phone")
        assert again is not None
        assert (again.notice, again.attempts, again.due_at) == (first, 1, later)
        assert book.undelivered() == (Undelivered("phone", 1, 0, "no route to host"),)
        book.delivered(again)
        assert book.undelivered() == ()

    def test_what_waits_is_due_later(self, book: NoticeBook) -> None:
        book.file((notice("stranger"), notice("door", at=NOON + timedelta(seconds=20))), 1)
        found = book.next_for("phone")
        assert found is not None
        assert (found.notice.rule, found.due_at) == ("door", NOON + timedelta(seconds=20))
        book.delivered(found)
        later = book.next_for("phone")
        assert later is not None
        assert later.due_at == NOON + timedelta(seconds=20.5)

    def test_what_is_withdrawn_never_rang(self, book: NoticeBook) -> None:
        one = notice("stranger", person="unknown")
        (filed,) = book.file((one,), 1)
        for target in TARGETS["stranger"]:
            delivery = book.next_for(target)
            assert delivery is not None
            assert book.known([one.key]) == {one.key}
            book.withdraw(delivery)
        assert book.known([one.key]) == frozenset()
        assert (book.rules(), book.undelivered(), dict(book.last_rung())) == ((), (), {})
        (again,) = book.file((one,), 2)
        assert again.id != filed.id

    def test_what_was_told_to_one_did_ring(self, book: NoticeBook) -> None:
        one = notice("stranger", person="unknown")
        book.file((one,), 1)
        told, doubted = book.next_for("mqtt"), book.next_for("phone")
        assert told is not None
        assert doubted is not None
        book.delivered(told)
        book.withdraw(doubted)
        assert book.next_for("phone") is None
        assert book.undelivered() == ()
        assert book.file((one,), 2) == ()

    def test_targets_that_are_gone_are_given_up(self, book: NoticeBook) -> None:
        book.file((notice(), notice("car")), 1)
        assert book.give_up_others(["mqtt"]) == 2
        assert book.give_up_others(["mqtt"]) == 0
        assert book.next_for("phone") is None
        assert book.next_for("mqtt") is not None
        gone = Undelivered("phone", 0, 2, "it is not configured any more")
        assert book.undelivered() == (Undelivered("mqtt", 1, 0), gone)
        assert book.give_up_others([]) == 1

    def test_knows_when_each_rule_rang_last_for_whom(self, book: NoticeBook) -> None:
        later = NOON + timedelta(hours=1)
        book.file(
            (
                notice(event="2", at=later),
                notice(event="1"),
                notice(event="1", person="Anna"),
                notice("car"),
            ),
            1,
        )
        assert book.last_rung() == {("door", ""): later, ("door", "Anna"): NOON, ("car", ""): NOON}

    def test_tells_of_each_rule(self, book: NoticeBook) -> None:
        _, last, car = book.file((notice(), notice(event="2"), notice("car")), 1)
        waiting = book.next_for("mqtt")
        assert waiting is not None
        book.give_up(waiting, "no")
        assert book.rules() == (RuleRecord("car", 1, car, 1, 0), RuleRecord("door", 2, last, 3, 1))

    def test_forgets_what_is_old_and_told(self, book: NoticeBook) -> None:
        old, told = notice("car"), notice("nobody")
        new = notice("nobody", "2", at=NOON + timedelta(days=1))
        book.file((old, told, new), 1)
        assert book.forget(NOON + timedelta(hours=1)) == 1
        assert book.known([old.key, told.key, new.key]) == {old.key, new.key}
        waiting = book.next_for("phone")
        assert waiting is not None
        book.delivered(waiting)
        assert book.forget(NOON + timedelta(hours=1)) == 1
        assert [one.rule for one in book.rules()] == ["nobody"]

    def test_no_id_is_used_again(self, book: NoticeBook) -> None:
        (first,) = book.file((notice("nobody"),), 1)
        book.forget(NOON + timedelta(days=1))
        (second,) = book.file((notice("nobody"),), 1)
        assert second.id > first.id
