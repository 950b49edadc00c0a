"""The darkroom: pictures out of real children, and what becomes of those that hang or die."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from annotator.app.children import start_pictures
from annotator.app.darkroom import (
    MAX_HUNG,
    Answer,
    Darkroom,
    Made,
    Print,
    Spoilt,
    Wanted,
    decode_answer,
)
from annotator.child import Child, Graveyard
from annotator.clock import SystemClock
from annotator.config import Config
from annotator.domain import Capture, Event, Reason
from tests.fakes.seen import FACE_BOX, event, jpeg, opened, sighting

SMALL = Print(160)
HANGS = "import time; time.sleep(600)"
DIES = "raise SystemExit(3)"
TALKS_NONSENSE = (
    "import sys; from multiprocessing.connection import Connection as C;"
    "c = C(int(sys.argv[1])); c.recv_bytes(); c.recv_bytes(); c.send_bytes(b'{}'); c.recv_bytes()"
)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    root = tmp_path / "events"
    folder = root / event().directory
    folder.mkdir(parents=True)
    for number in range(1, 7):
        (folder / f"{number:05d}-capture.jpg").write_bytes(jpeg())
    (folder / "00003-capture.jpg").write_bytes(jpeg()[:500])
    (folder / "00004-capture.jpg").unlink()
    return root


def wanted(number: int, *prints: Print, of: Event | None = None) -> Wanted:
    of = of or event()
    capture = Capture(of, f"{number:05d}-capture.jpg", number)
    return Wanted(capture, (sighting(of, number),), prints or (SMALL,))


@pytest.fixture
def room(store: Path) -> Iterator[Darkroom]:
    graveyard = Graveyard()
    config = Config.model_validate({"store": {"root": store}})
    made = Darkroom(lambda: start_pictures(config, graveyard), SystemClock(), children=2)
    yield made
    made.close()


def scripted(script: str, children: int = 2) -> Darkroom:
    """Its children do what the script says."""
    graveyard = Graveyard()

    def start() -> Child[Answer]:
        command = (sys.executable, "-c", script)
        return Child(command, b"", decode_answer, graveyard, stop_grace_s=0.1)

    return Darkroom(start, SystemClock(), children=children, patience_s=0.3)


def by_frame(made: Iterator[Made]) -> dict[int, Made]:
    return {one.wanted.capture.frame: one for one in made}


def test_every_capture_gives_its_pictures_or_a_reason(room: Darkroom) -> None:
    prints = (SMALL, Print(), Print(48, FACE_BOX))
    made = by_frame(room.make(wanted(number, *prints) for number in range(1, 7)))
    assert sorted(made) == [1, 2, 3, 4, 5, 6]
    sizes = [opened(picture).size for picture in made[1].pictures]
    assert sizes == [(160, 90), (640, 360), (48, 48)]
    reasons = {frame: one.spoilt.reason for frame, one in made.items() if one.spoilt}
    assert reasons == {3: Reason.TRUNCATED, 4: Reason.VANISHED}
    assert not made[3].pictures


def test_a_path_out_of_the_store_is_refused(room: Darkroom, store: Path) -> None:
    (store.parent / "secret-capture.jpg").write_bytes(jpeg())
    outside = Wanted(Capture(Event("Door", "..", ""), "secret-capture.jpg", 1), (), (SMALL,))
    (made,) = room.make([outside])
    assert made.spoilt is not None
    assert made.spoilt.reason is Reason.UNREADABLE


def test_a_store_that_is_gone_is_asked_no_more(room: Darkroom, store: Path) -> None:
    store.rename(store.with_name("elsewhere"))
    made = list(room.make(wanted(number) for number in range(1, 40)))
    assert len(made) == 39
    assert all(one.spoilt and one.spoilt.whole_store for one in made)


def test_a_child_that_hangs_is_given_up_and_then_the_store() -> None:
    room = scripted(HANGS)
    made = list(room.make(wanted(number) for number in range(1, 30)))
    room.close()
    assert [one.spoilt.reason for one in made if one.spoilt] == [Reason.TIMED_OUT] * 29
    hung = [one for one in made if one.spoilt and not one.spoilt.whole_store]
    assert len(hung) == MAX_HUNG - 1, "the last one speaks for all that follow"


@pytest.mark.parametrize("script", [DIES, TALKS_NONSENSE])
def test_a_child_that_dies_costs_one_capture(script: str) -> None:
    room = scripted(script)
    made = list(room.make(wanted(number) for number in (1, 2, 3)))
    room.close()
    assert [one.spoilt.reason for one in made if one.spoilt] == [Reason.CRASHED] * 3


def test_who_wants_no_more_leaves_no_child_behind(room: Darkroom) -> None:
    made = room.make(wanted(1) for _ in range(1000))
    assert next(made).pictures


def test_what_a_child_says_is_checked() -> None:
    assert decode_answer(jpeg()) == jpeg()
    with pytest.raises(ValueError):
        decode_answer(b'{"kind": "spoilt"}')
    said = b'{"reason": "vanished", "message": "m", "whole_store": false, "kind": "spoilt"}'
    assert decode_answer(said) == Spoilt(Reason.VANISHED, "m")
