"""Pictures for whoever comes: children that answer, fail, die or say nothing."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from annotator.app.benches import Benches
from annotator.app.darkroom import Answer, Spoilt, decode_answer, encode_answer
from annotator.child import Child, Graveyard
from annotator.clock import SystemClock
from annotator.domain import Capture, Event, Reason
from annotator.errors import CaptureUnreadable, StoreUnavailable
from tests.fakes.clock import ManualClock

JPEG = b"\xff\xd8 a picture"
GONE = encode_answer(Spoilt(Reason.VANISHED, "it is no longer there"))
AWAY = encode_answer(Spoilt(Reason.UNREADABLE, "the store is away", whole_store=True))
CAPTURE = Capture(Event("Hall", "Hall", "17"), "00007-capture.jpg", 7)

# A child that is asked by the names of captures what to say.
CHILD = """
import sys, time
from multiprocessing.connection import Connection
pipe = Connection(int(sys.argv[1]))
pipe.recv_bytes()
while True:
    pipe.recv_bytes()
    {what}
"""


def starter(what: str, started: list[int] | None = None) -> Callable[[Graveyard], Child[Answer]]:
    def start(graveyard: Graveyard) -> Child[Answer]:
        command = [sys.executable, "-c", CHILD.format(what=what)]
        child = Child(command, b"hello", decode_answer, graveyard, stop_grace_s=1.0)
        if started is not None:
            started.append(child.pid)
        return child

    return start


def make(benches: Benches) -> bytes:
    return benches.make(CAPTURE, (), 320, None)


def test_one_child_makes_many_pictures() -> None:
    started: list[int] = []
    benches = Benches(
        starter(f"pipe.send_bytes({JPEG!r})", started), SystemClock(), patience_s=30.0, benches=1
    )
    assert [make(benches) for _ in range(3)] == [JPEG] * 3
    assert len(started) == 1
    benches.close()
    benches.close()


def test_a_capture_that_is_gone_is_only_its_own_trouble() -> None:
    benches = Benches(starter(f"pipe.send_bytes({GONE!r})"), SystemClock(), patience_s=30.0)
    with pytest.raises(CaptureUnreadable, match="no longer there") as raised:
        make(benches)
    assert raised.value.reason is Reason.VANISHED
    benches.close()


def test_a_picture_that_takes_its_child_down_costs_that_child() -> None:
    started: list[int] = []
    benches = Benches(starter("sys.exit(7)", started), SystemClock(), patience_s=30.0, benches=1)
    for _ in range(2):
        with pytest.raises(CaptureUnreadable, match="exited with status 7"):
            make(benches)
    assert len(started) == 2
    benches.close()


def test_a_store_that_is_away_is_left_alone_for_a_while() -> None:
    clock = ManualClock()
    started: list[int] = []
    benches = Benches(
        starter(f"pipe.send_bytes({AWAY!r})", started),
        clock,
        patience_s=30.0,
        pause_s=5.0,
        benches=1,
    )
    with pytest.raises(StoreUnavailable, match="is away"):
        make(benches)
    with pytest.raises(StoreUnavailable, match="did not answer"):
        make(benches)
    clock.sleep(5.0)
    with pytest.raises(StoreUnavailable, match="is away"):
        make(benches)
    assert len(started) == 1
    benches.close()


def test_a_child_that_says_nothing_is_given_up() -> None:
    started: list[int] = []
    benches = Benches(
        starter("time.sleep(600)", started), SystemClock(), patience_s=0.3, pause_s=0.0, benches=1
    )
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="did not answer"):
            make(benches)
    assert len(started) == 2
    benches.close()


def test_the_end_does_not_wait_for_a_child_that_says_nothing() -> None:
    is_asked = threading.Event()
    silent = starter("time.sleep(600)")

    def start(graveyard: Graveyard) -> Child[Answer]:
        is_asked.set()
        return silent(graveyard)

    benches = Benches(start, SystemClock(), patience_s=600.0, benches=1)
    with ThreadPoolExecutor(1) as pool:
        waits = pool.submit(make, benches)
        assert is_asked.wait(30)
        benches.close()
        with pytest.raises(StoreUnavailable):
            waits.result(30)
    with pytest.raises(StoreUnavailable):
        make(benches)
