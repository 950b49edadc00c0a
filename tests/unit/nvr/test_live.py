"""New captures at the newest ends of a tree; the time is the test's own."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from annotator.errors import StoreUnavailable
from annotator.nvr.layout import Branch
from annotator.nvr.live import (
    ASIDE_S,
    FOLLOWED_AT_ONCE,
    LINGER_S,
    NAMES_PER_S,
    SELDOM_S,
    LiveEnds,
    Run,
)
from annotator.nvr.tree import EventTree
from tests.unit.nvr.trees import CountingTree, refused

Put = Callable[..., None]
Open = Callable[..., EventTree]


class Eyes:
    """Looks every two seconds."""

    def __init__(self, tree: EventTree, run: Run = map) -> None:
        self._ends = LiveEnds(tree, run)
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
    assert eyes.look(SELDOM_S) == [
        "5/24/04/04/04/30/00/1-capture.jpg",
        "6/2024-04-04/77/1-capture.jpg",
    ]
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
    put("5/2024-04-04/78/2-capture.jpg")
    assert eyes.look() == ["5/2024-04-04/78/2-capture.jpg"]
    assert eyes.look(LINGER_S * 2) == []
    put("5/2024-04-04/77/9-capture.jpg")
    assert eyes.look() == []  # past; what comes now is reconcile's


@pytest.mark.parametrize("past", ["99/01/01/00/00/00", "24/06/01/00/00/00", "24/04/04/06/00/00"])
def test_a_clock_that_was_once_wrong_does_not_hide_what_grows(
    past: str, put: Put, open_at: Open
) -> None:
    put(f"5/{past}/1-capture.jpg", "5/24/04/04/04/30/00/1-capture.jpg")
    eyes = Eyes(open_at())
    put("5/24/04/04/04/30/00/2-capture.jpg")
    assert eyes.look(ASIDE_S) == ["5/24/04/04/04/30/00/2-capture.jpg"]
    assert eyes.look(LINGER_S * 2) == []
    put("5/24/04/04/04/59/00/1-capture.jpg")  # from now on it is known where it grows
    assert eyes.look() == ["5/24/04/04/04/59/00/1-capture.jpg"]
    put("5/24/04/04/05/00/00/1-capture.jpg")
    assert eyes.look() == ["5/24/04/04/05/00/00/1-capture.jpg"]


def test_a_clock_that_is_set_back_is_followed(put: Put, open_at: Open) -> None:
    put("5/99/01/01/00/00/00/1-capture.jpg")
    eyes = Eyes(open_at())
    put("5/24/04/04/04/30/00/1-capture.jpg")
    assert eyes.look(SELDOM_S) == ["5/24/04/04/04/30/00/1-capture.jpg"]


def test_an_hour_that_comes_twice(put: Put, open_at: Open, root: Path) -> None:
    first = [f"5/24/10/27/02/{minute:02}/07/1-capture.jpg" for minute in (5, 30, 59)]
    put(*first)
    os.utime(root / "5/24/10/27/02/05", (1729987500, 1729987500))
    eyes = Eyes(open_at("deep"))
    assert eyes.look() == []
    put("5/24/10/27/02/05/41/1-capture.jpg")
    assert "5/24/10/27/02/05/41/1-capture.jpg" in eyes.look()
    put("5/24/10/27/02/05/41/2-capture.jpg")
    assert eyes.look() == ["5/24/10/27/02/05/41/2-capture.jpg"]


def test_an_hour_that_comes_twice_and_was_met_minute_by_minute(
    put: Put, open_at: Open, root: Path
) -> None:
    put("5/24/10/27/01/59/07/1-capture.jpg")
    eyes = Eyes(open_at("deep"))
    for minute in range(4):
        put(f"5/24/10/27/02/{minute:02}/07/1-capture.jpg")
        assert eyes.look() == [f"5/24/10/27/02/{minute:02}/07/1-capture.jpg"]
    assert eyes.look(LINGER_S * 2) == []
    os.utime(root / "5/24/10/27/02/01", (1729987500, 1729987500))
    eyes.look()
    assert eyes.look(LINGER_S * 2) == []
    put("5/24/10/27/02/01/41/1-capture.jpg")
    assert "5/24/10/27/02/01/41/1-capture.jpg" in eyes.look()


class StaleTree(EventTree):
    """Its listings stay as they were for each directory at first, as a network mount's do."""

    def __init__(self, like: EventTree) -> None:
        super().__init__(like.root, like.layout, max_capture_bytes=like.max_capture_bytes)
        self._cached: dict[Branch, list[os.DirEntry[str]]] = {}

    @contextmanager
    def entries(self, branch: Branch) -> Iterator[tuple[int, Iterator[os.DirEntry[str]]]]:
        with super().entries(branch) as (descriptor, entries):
            yield descriptor, iter(self._cached.setdefault(branch, list(entries)))


@pytest.mark.parametrize(
    ("layout", "event", "following"),
    [
        ("deep", "24/04/04/04/58/00", "24/04/04/04/59/30"),
        ("deep", "24/04/04/04/59/00", "24/04/04/05/00/30"),
        ("deep", "24/04/04/23/59/00", "24/04/05/00/00/30"),
        ("deep", "24/12/31/23/59/00", "25/01/01/00/00/30"),
        ("medium", "2024-02-28/9", "2024-02-28/10"),
        ("medium", "2024-02-28/9", "2024-02-29/11"),
        ("medium", "2024-12-31/9", "2025-01-01/12"),
        ("shallow", "199", "201"),
    ],
)
@pytest.mark.parametrize("named", [True, False], ids=["by name", "auto"])
def test_what_comes_next_is_found_by_name_while_listings_are_old(
    layout: str, event: str, following: str, named: bool, put: Put, open_at: Open
) -> None:
    put(f"5/{event}/009-capture.jpg")
    eyes = Eyes(StaleTree(open_at(layout if named else "auto")))
    for frame in (10, 11, 14, 24, 34):
        put(f"5/{event}/{frame:03}-capture.jpg")
    assert eyes.look() == [f"5/{event}/{frame:03}-capture.jpg" for frame in (10, 11, 14)]
    put(f"5/{following}/001-capture.jpg")
    assert f"5/{following}/001-capture.jpg" in eyes.look()
    put(f"5/{following}/002-capture.jpg", f"5/{following}/999-capture.jpg")
    assert eyes.look() == [f"5/{following}/002-capture.jpg"]


def test_frames_that_come_in_steps_are_asked_for_in_steps(put: Put, open_at: Open) -> None:
    put("5/2024-02-28/9/00001-capture.jpg", "5/2024-02-28/9/00021-capture.jpg")
    eyes = Eyes(StaleTree(open_at()))
    put("5/2024-02-28/9/00041-capture.jpg", "5/2024-02-28/9/00061-capture.jpg")
    assert len(eyes.look()) == 2


def test_an_event_that_is_still_empty_is_asked_for_its_first_frames(
    put: Put, open_at: Open, root: Path
) -> None:
    put("5/2024-02-28/9/0001-capture.jpg")
    eyes = Eyes(StaleTree(open_at()))
    (root / "5/2024-02-28/10").mkdir()
    assert eyes.look() == []
    put("5/2024-02-28/10/0001-capture.jpg", "5/2024-02-28/10/0002-capture.jpg")
    assert len(eyes.look()) == 2


def test_event_ids_are_shared_by_all_monitors(put: Put, open_at: Open) -> None:
    put("5/2024-02-28/9/1-capture.jpg", "6/2024-02-28/70/1-capture.jpg")
    eyes = Eyes(StaleTree(open_at()))
    put("5/2024-02-28/72/1-capture.jpg", "6/2024-02-28/71/1-capture.jpg")
    assert len(eyes.look()) == 2


def test_a_large_directory_is_listed_seldom_but_asked_often(
    put: Put, open_at: Open, root: Path
) -> None:
    count = int(NAMES_PER_S * 3)
    for event in range(1, count + 1):
        (root / f"5/{event}").mkdir(parents=True)
    eyes = Eyes(open_at("shallow"))
    put(f"5/{count + 1}/1-capture.jpg", f"5/{count + 9}/1-capture.jpg")
    assert eyes.look() == [f"5/{count + 1}/1-capture.jpg"]
    assert eyes.look(1) == [f"5/{count + 9}/1-capture.jpg"]


def test_looking_in_several_threads_is_the_same(put: Put, open_at: Open) -> None:
    put(*(f"{monitor}/24/04/04/04/30/00/1-capture.jpg" for monitor in range(20)))
    with ThreadPoolExecutor(4) as threads:
        eyes = Eyes(open_at(), threads.map)
        new = [f"{monitor}/24/04/04/05/00/00/1-capture.jpg" for monitor in range(20)]
        put(*new)
        assert eyes.look() == sorted(new)


def test_names_that_lead_nowhere_else_and_links_are_left_alone(
    put: Put, open_at: Open, root: Path
) -> None:
    put("5/24/04/04/04/30/00/1-capture.jpg")
    (root / "Door").symlink_to("5")
    eyes = Eyes(open_at())
    put("5/24/04/04/04/30/01/1-capture.jpg")
    (root / "5/24/04/04/.78").symlink_to("04/30/01")
    (root / "5/24/04/04/05").symlink_to("04")
    (root / os.fsdecode(b"5/24/04/04/04/30/01/caf\xe9.jpg")).touch()
    assert eyes.look() == ["5/24/04/04/04/30/01/1-capture.jpg"]
    assert eyes.look(SELDOM_S) == []


def test_a_store_that_changes_its_layout_is_followed(put: Put, open_at: Open) -> None:
    put("5/24/04/04/04/30/00/1-capture.jpg", "5/2023-01-01/9/1-capture.jpg", "5/4711/1-capture.jpg")
    eyes = Eyes(open_at())
    put("5/24/04/04/04/31/00/1-capture.jpg", "5/4712/1-capture.jpg")
    assert eyes.look() == ["5/24/04/04/04/31/00/1-capture.jpg", "5/4712/1-capture.jpg"]


@pytest.mark.parametrize("layout", ["deep", "medium", "auto"])
def test_a_look_costs_the_same_however_much_is_past(layout: str, put: Put, open_at: Open) -> None:
    def cost() -> tuple[int, int, int]:
        tree = CountingTree(open_at(layout))
        eyes = Eyes(tree)
        tree.forget()
        eyes.look()
        return tree.listings, tree.met, tree.asked

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
    assert len(eyes.look(SELDOM_S)) == FOLLOWED_AT_ONCE**2


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
    assert "5/2024-04-04/77/2-capture.jpg" in eyes.look()


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
    put("5/2024-04-09/78/1-capture.jpg")
    assert eyes.look() == ["5/2024-04-09/78/1-capture.jpg"]


def test_the_newest_may_be_deleted_and_the_one_before_it_goes_on(
    put: Put, open_at: Open, root: Path
) -> None:
    put(*(f"5/2024-04-04/{event}/1-capture.jpg" for event in (75, 76, 77, 78, 79)))
    eyes = Eyes(open_at())
    for event in (77, 78, 79):
        shutil.rmtree(root / f"5/2024-04-04/{event}")
    assert eyes.look() == []
    put("5/2024-04-04/76/2-capture.jpg")
    assert "5/2024-04-04/76/2-capture.jpg" in [*eyes.look(), *eyes.look()]
    put("5/2024-04-04/78/1-capture.jpg")  # moved back
    assert eyes.look() == ["5/2024-04-04/78/1-capture.jpg"]


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
