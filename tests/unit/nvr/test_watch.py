"""The watch with its real threads, over real files."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from annotator.domain import Capture
from annotator.errors import StoreUnavailable
from annotator.nvr.tree import EventTree
from annotator.nvr.watch import TreeWatch

Put = Callable[..., None]
Open = Callable[..., EventTree]

PATIENCE_S = 10
TICK_S = 0.02


@contextmanager
def watching(
    tree: EventTree, on_capture: Callable[[Capture], None], poll_interval_s: float = TICK_S
) -> Iterator[TreeWatch]:
    watch = TreeWatch(tree, poll_interval_s=poll_interval_s)
    watch.start(on_capture)
    try:
        yield watch
    finally:
        watch.stop()


def until(holds: Callable[[], bool]) -> bool:
    """Whether something comes to hold before patience ends."""
    tick = threading.Event()
    return any(holds() or tick.wait(TICK_S) for _ in range(int(PATIENCE_S / TICK_S)))


def test_new_captures_are_told_and_old_ones_are_not(put: Put, open_at: Open) -> None:
    put("5/2024-04-04/77/1-capture.jpg")
    told = queue.Queue[Capture]()
    with watching(open_at(), told.put) as watch:
        put("5/2024-04-04/77/2-capture.jpg")
        capture = told.get(timeout=PATIENCE_S)
        assert (capture.path, capture.frame) == ("5/2024-04-04/77/2-capture.jpg", 2)
        put("5/2024-04-05/78/1-capture.jpg")
        assert told.get(timeout=PATIENCE_S).path == "5/2024-04-05/78/1-capture.jpg"
        assert watch.alive()
    assert not watch.alive()
    assert told.empty()


def test_on_a_local_disk_nothing_waits_for_a_tick(put: Put, open_at: Open) -> None:
    put("5/24/04/04/04/30/00/1-capture.jpg")
    told = queue.Queue[Capture]()
    with watching(open_at(), told.put, poll_interval_s=3600):
        for path in (
            "5/24/04/04/04/30/00/2-capture.jpg",
            "5/24/04/04/04/30/00/999-capture.jpg",
            "5/24/04/04/05/00/00/1-capture.jpg",
        ):
            put(path)
            assert told.get(timeout=PATIENCE_S).path == path


def test_each_look_that_gets_through_is_told(open_at: Open, root: Path) -> None:
    ticks = queue.Queue[None]()
    watch = TreeWatch(open_at(), poll_interval_s=TICK_S, on_tick=lambda: ticks.put(None))
    watch.start(lambda capture: None)
    try:
        for _ in range(3):
            ticks.get(timeout=PATIENCE_S)
        root.rename(root.parent / "away")
        assert until(lambda: not watch.alive())
        while not ticks.empty():
            ticks.get()
        assert not watch.alive()
        assert ticks.empty()
    finally:
        watch.stop()


def test_it_stops_at_once_however_long_a_tick_is(open_at: Open) -> None:
    watch = TreeWatch(open_at(), poll_interval_s=3600)
    watch.start(lambda capture: None)
    watch.stop()
    watch.stop()
    assert not watch.alive()


def test_an_error_in_the_handler_ends_nothing(
    put: Put, open_at: Open, caplog: pytest.LogCaptureFixture
) -> None:
    told = queue.Queue[Capture]()

    def refuse_the_first(capture: Capture) -> None:
        if capture.frame == 1:
            raise RuntimeError("no room")
        told.put(capture)

    with caplog.at_level(logging.ERROR), watching(open_at(), refuse_the_first) as watch:
        put("5/77/1-capture.jpg")
        assert until(lambda: "no room" in caplog.text)
        put("5/77/2-capture.jpg")
        assert told.get(timeout=PATIENCE_S).frame == 2
        assert watch.alive()


def test_there_must_be_something_to_watch(open_at: Open, root: Path) -> None:
    root.rmdir()
    watch = TreeWatch(open_at(), poll_interval_s=TICK_S)
    with pytest.raises(StoreUnavailable):
        watch.start(lambda capture: None)
    assert not watch.alive()
    watch.stop()


def test_a_root_that_vanishes_shows_and_its_return_is_noticed(
    put: Put, open_at: Open, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    put("5/77/1-capture.jpg")
    told = queue.Queue[Capture]()
    away = root.parent / "away"
    with caplog.at_level(logging.INFO), watching(open_at(), told.put) as watch:
        root.rename(away)
        assert until(lambda: not watch.alive())
        away.rename(root)
        assert until(watch.alive)
        put("5/77/2-capture.jpg")
        assert told.get(timeout=PATIENCE_S).frame == 2
    assert caplog.text.count("cannot be reached") == 1
    assert caplog.text.count("can be listed again") == 1
