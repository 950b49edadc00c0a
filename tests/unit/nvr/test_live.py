"""New captures at the newest ends of a tree; the time is the test's own."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from annotator.errors import StoreUnavailable
from annotator.nvr.layout import Branch
from annotator.nvr.live import FOLLOWED_AT_ONCE, LINGER_S, LiveEnds
from annotator.nvr.tree import EventTree, Listing
from tests.unit.nvr.trees import refused

Put = Callable[..., None]
Open = Callable[..., EventTree]


class Eyes:
    """Looks every two seconds."""

    def __init__(self, tree: EventTree) -> None:
        self._ends = LiveEnds(tree)
        self.now_s = 1000.0
        assert self.look() == []

    def look(self, after_s: float = 2.0) -> list[str]:
        self.now_s += after_s
        return sorted(capture.path for capture in self._ends.look(self.now_s))


@pytest.mark.parametrize(
    ("event", "later", "much_later"),
    [
        ("5/24/12/31/23/59/58", "5/24/12/31/23/59/59", "5/25/01/01/00/00/01"),
        ("5/2024-12-31/9", "5/2024-12-31/10", "5/2025-01-01/11"),
        ("5/99", "5/100", "5/101"),
        ("cam", "cam/a", "cam/b"),
    ],
    ids=["deep", "medium", "shallow", "plain"],
)
def test_each_new_capture_is_told_once(
    event: str, later: str, much_later: str, put: Put, open_at: Open
) -> None:
    put(f"{event}/00001-capture.jpg")
    eyes = Eyes(open_at())
    assert eyes.look() == []
    put(f"{event}/00002-capture.jpg", f"{event}/00002-analyse.jpg")
    assert eyes.look() == [f"{event}/00002-capture.jpg"]
    put(f"{later}/00001-capture.jpg", f"{event}/00003-capture.jpg")
    assert eyes.look() == sorted([f"{event}/00003-capture.jpg", f"{later}/00001-capture.jpg"])
    put(f"{much_later}/00001-capture.jpg", f"{later}/00002-capture.jpg")
    assert eyes.look() == sorted([f"{later}/00002-capture.jpg", f"{much_later}/00001-capture.jpg"])
    assert eyes.look() == []


def test_captures_in_the_root(put: Put, open_at: Open) -> None:
    put("1.jpg")
    eyes = Eyes(open_at("plain"))
    put("2.jpg")
    assert eyes.look() == ["2.jpg"]


def test_an_empty_store_fills(put: Put, open_at: Open, root: Path) -> None:
    eyes = Eyes(open_at())
    put("5/24/04/04/04/30/00/1-capture.jpg")
    (root / "Door").symlink_to("5")
    put("6/2024-04-04/77/1-capture.jpg")
    assert eyes.look() == ["5/24/04/04/04/30/00/1-capture.jpg", "6/2024-04-04/77/1-capture.jpg"]
    put("5/24/04/04/04/30/00/2-capture.jpg")
    assert eyes.look() == ["5/24/04/04/04/30/00/2-capture.jpg"]


def test_two_events_between_two_looks_and_the_hour_turns(put: Put, open_at: Open) -> None:
    put("5/24/04/04/04/58/00/1-capture.jpg")
    eyes = Eyes(open_at("deep"))
    new = ["5/24/04/04/04/59/59/1-capture.jpg", "5/24/04/04/05/00/01/1-capture.jpg"]
    put(*new)
    assert eyes.look() == new


def test_a_listing_that_comes_late_is_waited_for(put: Put, open_at: Open) -> None:
    put("5/24/04/04/04/58/00/1-capture.jpg")
    eyes = Eyes(open_at("deep"))
    put("5/24/04/04/05/00/00/1-capture.jpg")
    assert eyes.look() == ["5/24/04/04/05/00/00/1-capture.jpg"]
    put("5/24/04/04/04/59/00/1-capture.jpg")
    assert eyes.look(LINGER_S - 10) == ["5/24/04/04/04/59/00/1-capture.jpg"]


def test_an_event_is_watched_as_long_as_it_grows(put: Put, open_at: Open) -> None:
    put("5/2024-04-04/77/1-capture.jpg")
    eyes = Eyes(open_at())
    put("5/2024-04-04/78/1-capture.jpg")
    assert len(eyes.look()) == 1
    for frame in range(2, 9):
        put(f"5/2024-04-04/77/{frame}-capture.jpg")
        assert eyes.look(LINGER_S / 2) == [f"5/2024-04-04/77/{frame}-capture.jpg"]
    assert eyes.look(LINGER_S * 2) == []
    put("5/2024-04-04/77/9-capture.jpg")
    assert eyes.look() == []  # past; what comes now is reconcile's


def test_a_recorder_with_a_wrong_clock_is_followed(put: Put, open_at: Open) -> None:
    put("5/99/01/01/00/00/00/1-capture.jpg")
    eyes = Eyes(open_at())
    put("5/24/04/04/04/30/00/1-capture.jpg")
    assert eyes.look() == ["5/24/04/04/04/30/00/1-capture.jpg"]


def test_a_store_that_changes_its_layout_is_followed(put: Put, open_at: Open) -> None:
    put("5/24/04/04/04/30/00/1-capture.jpg", "5/2023-01-01/9/1-capture.jpg", "5/4711/1-capture.jpg")
    eyes = Eyes(open_at())
    put("5/24/04/04/04/31/00/1-capture.jpg", "5/4712/1-capture.jpg")
    assert eyes.look() == ["5/24/04/04/04/31/00/1-capture.jpg", "5/4712/1-capture.jpg"]


class CountingTree(EventTree):
    """Counts what it lists."""

    listings = 0

    def look(self, branch: Branch, since: datetime | None = None) -> Listing:
        self.listings += 1
        return super().look(branch, since)


@pytest.mark.parametrize("layout", ["deep", "medium", "auto"])
def test_a_look_costs_the_same_however_much_is_past(
    layout: str, put: Put, open_at: Open, root: Path
) -> None:
    def cost() -> int:
        like = open_at(layout)
        tree = CountingTree(root, like.layout, max_capture_bytes=like.max_capture_bytes)
        eyes = Eyes(tree)
        tree.listings = 0
        eyes.look()
        return tree.listings

    medium = layout == "medium"
    put("5/2024-04-04/77/1-capture.jpg" if medium else "5/24/04/04/04/30/00/1-capture.jpg")
    alone = cost()
    for day in (1, 2, 3):
        for number in range(5):
            past = f"2024-04-0{day}/{number}" if medium else f"24/04/0{day}/00/{number:02}/00"
            put(f"5/{past}/1-capture.jpg")
    assert cost() == alone


def test_an_archive_that_is_moved_in_is_not_searched(put: Put, open_at: Open, root: Path) -> None:
    archive = root.parent / "archive"
    put("5/2024-04-04/1/1-capture.jpg")
    for day in range(10, 15):
        put(*(f"6/2023-01-{day}/{event}/1-capture.jpg" for event in range(5)))
    (root / "6").rename(archive)
    eyes = Eyes(open_at())
    archive.rename(root / "6")
    assert len(eyes.look()) == FOLLOWED_AT_ONCE**2


def test_outages_are_lived_through(put: Put, open_at: Open, root: Path) -> None:
    put("5/2024-04-04/77/1-capture.jpg")
    eyes = Eyes(open_at())
    away = root.parent / "away"
    root.rename(away)
    with pytest.raises(StoreUnavailable):
        eyes.look()
    root.mkdir()  # an empty mount point
    assert eyes.look() == []
    root.rmdir()
    away.rename(root)
    put("5/2024-04-04/77/2-capture.jpg")
    assert eyes.look() == ["5/2024-04-04/77/2-capture.jpg"]


def test_what_an_outage_cut_short_is_told_later(put: Put, open_at: Open, root: Path) -> None:
    put("5/2024-04-04/77/1-capture.jpg")
    ends = LiveEnds(open_at())
    assert list(ends.look(0)) == []
    new = [f"5/2024-04-04/{event}/1-capture.jpg" for event in (78, 79)]
    put(*new)
    look = ends.look(2)
    told = [next(look).path]
    root.rename(root.parent / "away")
    with pytest.raises(StoreUnavailable):
        next(look)
    (root.parent / "away").rename(root)
    told += [capture.path for capture in ends.look(4)]
    assert set(told) == set(new)


def test_events_may_be_deleted(put: Put, open_at: Open, root: Path) -> None:
    put("5/2024-04-04/77/1-capture.jpg")
    eyes = Eyes(open_at())
    shutil.rmtree(root / "5/2024-04-04")
    assert eyes.look() == []
    put("5/2024-04-05/78/1-capture.jpg")
    assert eyes.look() == ["5/2024-04-05/78/1-capture.jpg"]


def test_a_directory_that_may_not_be_listed_is_logged_once(
    put: Put, open_at: Open, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    put("5/2024-04-04/77/1-capture.jpg", "6/2024-04-04/78/1-capture.jpg")
    eyes = Eyes(open_at())
    with refused(root / "5/2024-04-04/77"), caplog.at_level(logging.WARNING):
        assert [eyes.look() for _ in range(3)] == [[], [], []]
    assert len(caplog.records) == 1
    assert "5/2024-04-04/77: it cannot be listed" in caplog.text
    put("5/2024-04-04/77/2-capture.jpg")
    assert eyes.look() == ["5/2024-04-04/77/2-capture.jpg"]
