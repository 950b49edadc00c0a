"""Walks over real directories: order, windows, links, and what cannot be listed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from annotator.domain import Capture, Failure, Reason, Window
from annotator.errors import StoreUnavailable
from annotator.nvr.throttle import Throttle
from annotator.nvr.tree import EventTree
from tests.unit.nvr.trees import failures, refused, walked

Put = Callable[..., None]
Open = Callable[..., EventTree]

BESIDE = ("00001-analyse.jpg", "snapshot.jpg", "alarm.jpg", "objdetect.jpg", "77-video.mp4", ".77")
EVENTS = {
    "deep": ("5/24/12/31/23/59/58", "5/25/01/01/00/00/01"),
    "medium": ("5/2024-12-31/9", "5/2024-12-31/10", "5/2025-01-01/11"),
    "shallow": ("5/99", "5/100", "5/1000"),
}


def at(*numbers: int) -> datetime:
    return datetime(*numbers, tzinfo=UTC)  # type: ignore[misc,arg-type]


@pytest.mark.parametrize("named", [True, False], ids=["by name", "auto"])
@pytest.mark.parametrize("layout", EVENTS)
def test_all_captures_newest_event_first_frames_ascending(
    layout: str, named: bool, put: Put, open_at: Open
) -> None:
    for event in EVENTS[layout]:
        put(*(f"{event}/{name}" for name in (*BESIDE, "10-capture.jpg", "00009-capture.jpg")))
    assert walked(open_at(layout if named else "auto")) == [
        f"{event}/{name}"
        for event in reversed(EVENTS[layout])
        for name in ("00009-capture.jpg", "10-capture.jpg")
    ]


def test_the_order_is_one_over_all_monitors(put: Put, open_at: Open) -> None:
    events = [
        "2/2025-01-02/9",
        "10/25/01/02/00/00/00",
        "3/25/01/01/12/00/00",
        "10/24/06/01/00/00/00",
        "2/2024-05-31/8",
    ]
    for event in sorted(events):
        put(f"{event}/1-capture.jpg")
    assert walked(open_at()) == [f"{event}/1-capture.jpg" for event in events]


def test_a_plain_folder_of_pictures(put: Put, open_at: Open, root: Path) -> None:
    put("IMG_2.jpg", "IMG_10.JPG", "notes.txt", ".hidden.jpg", "cam/a.jpeg", "cam/2019/b1.jpg")
    assert sorted(walked(open_at())) == [
        "IMG_10.JPG",
        "IMG_2.jpg",
        "cam/2019/b1.jpg",
        "cam/a.jpeg",
    ]
    monitors = {
        found[0].monitor for found in open_at("plain").walk(Window()) if isinstance(found, tuple)
    }
    assert monitors == {root.name, "cam"}


def test_an_empty_store_is_no_error(open_at: Open) -> None:
    assert walked(open_at()) == []


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        (at(2025, 1, 1), None, ["5/25/01/01/00/00/01"]),
        (None, at(2025, 1, 1), ["5/24/12/31/23/59/58"]),
        (at(2024, 12, 31, 23, 59, 58), at(2024, 12, 31, 23, 59, 59), ["5/24/12/31/23/59/58"]),
        (at(2024, 12, 31, 23, 59, 59), at(2025, 1, 1, 0, 0, 1), []),
        (at(2030, 1, 1), None, []),
    ],
)
def test_a_window_over_the_turn_of_the_year(
    since: datetime | None, until: datetime | None, expected: list[str], put: Put, open_at: Open
) -> None:
    for event in EVENTS["deep"]:
        put(f"{event}/1-capture.jpg")
    for layout in ("deep", "auto"):
        found = walked(open_at(layout), Window(since=since, until=until))
        assert found == [f"{event}/1-capture.jpg" for event in expected]


def test_a_window_within_a_day_keeps_events_of_which_only_the_day_is_known(
    put: Put, open_at: Open
) -> None:
    put("5/2025-01-01/11/1-capture.jpg", "5/2025-01-02/12/1-capture.jpg")
    window = Window(since=at(2025, 1, 1, 15), until=at(2025, 1, 1, 16))
    assert walked(open_at(), window) == ["5/2025-01-01/11/1-capture.jpg"]


def test_directories_outside_the_window_are_not_even_listed(
    put: Put, open_at: Open, root: Path
) -> None:
    put("5/24/12/31/23/59/58/1-capture.jpg", "5/25/01/01/00/00/01/1-capture.jpg")
    for layout in ("deep", "auto"):
        with refused(root / "5/24/12"):
            found = walked(open_at(layout), Window(since=at(2025, 1, 1)))
            assert found == ["5/25/01/01/00/00/01/1-capture.jpg"]
            assert list(failures(open_at(layout))) == ["5/24/12"]


def test_an_undated_event_is_left_out_if_it_has_not_changed_since(
    put: Put, open_at: Open, root: Path
) -> None:
    put("5/24/1-capture.jpg", "5/25/1-capture.jpg")
    old = at(2024, 1, 1).timestamp()
    os.utime(root / "5/24", (old, old))
    for layout in ("shallow", "auto", "plain"):
        assert walked(open_at(layout), Window(since=at(2024, 6, 1))) == ["5/25/1-capture.jpg"]
        assert len(walked(open_at(layout), Window(until=at(2024, 1, 1)))) == 2


def test_monitors_go_by_name_or_directory(put: Put, open_at: Open, root: Path) -> None:
    put("5/77/1-capture.jpg", "6/78/1-capture.jpg")
    (root / "Door").symlink_to("5")
    for name in ("Door", "5"):
        assert walked(open_at(), Window(monitors=(name,))) == ["5/77/1-capture.jpg"]
    assert "it has Door" in failures(open_at(), Window(monitors=("Doro",)))["Doro"].message


def test_a_walk_pauses_before_each_listing(put: Put, root: Path, open_at: Open) -> None:
    put("5/2025-01-01/11/1-capture.jpg", "5/2025-01-01/12/1-capture.jpg")
    pauses: list[None] = []
    like = open_at("medium")
    tree = EventTree(root, like.layout, max_capture_bytes=1, pause=lambda: pauses.append(None))
    assert len(walked(tree)) == 2
    assert len(pauses) == 4  # the monitor, the day, two events


def test_a_throttle_keeps_to_its_rate_and_makes_up_for_nothing() -> None:
    now_s, slept_s = [100.0], list[float]()

    def sleep(seconds: float) -> None:
        slept_s.append(seconds)
        now_s[0] += seconds

    throttle = Throttle(4, lambda: now_s[0], sleep)
    for _ in range(4):
        throttle()
    assert now_s == [100.75]
    now_s[0] += 10
    slept_s.clear()
    throttle()
    throttle()
    assert slept_s == [0.25]


# -- links ---------------------------------------------------------------------------------------


def test_a_monitor_with_a_name_is_walked_once(put: Put, open_at: Open, root: Path) -> None:
    put("5/24/04/04/04/30/00/1-capture.jpg")
    (root / "Door").symlink_to("5")
    (root / "Entrance").symlink_to(root / "5")
    (root / "5/24/04/04/.77").symlink_to("04/30/00")
    (found,) = open_at().walk(Window())
    assert isinstance(found, tuple)
    event, captures = found
    assert (event.monitor, event.monitor_directory) == ("Door", "5")
    assert [capture.path for capture in captures] == ["5/24/04/04/04/30/00/1-capture.jpg"]


def test_links_lead_nowhere_else(put: Put, open_at: Open, root: Path) -> None:
    put("5/77/1-capture.jpg")
    elsewhere = root.parent / "elsewhere"
    (elsewhere / "77").mkdir(parents=True)
    (elsewhere / "77/2-capture.jpg").touch()
    (root / "Other").symlink_to(elsewhere)
    (root / "Gone").symlink_to("6")
    (root / "Self").symlink_to("Self")
    (root / "5/78").symlink_to(elsewhere / "77")
    (root / "5/79").symlink_to("77")
    (root / "5/up").symlink_to("..")
    for layout in ("auto", "plain", "shallow"):
        tree = open_at(layout)
        assert list(failures(tree)) == ["Other"]
        paths = [found[1] for found in tree.walk(Window()) if isinstance(found, tuple)]
        assert [capture.path for captures in paths for capture in captures] == [
            "5/77/1-capture.jpg"
        ]
        for path in ("5/78", "5/up", "Other/77"):
            assert walked_paths(tree, path) == []


def walked_paths(tree: EventTree, path: str) -> list[tuple[Capture, ...]]:
    found = list(tree.walk(Window(paths=(path,))))
    assert all(isinstance(item, Failure) for item in found)
    return [item[1] for item in found if isinstance(item, tuple)]


# -- paths ---------------------------------------------------------------------------------------


@pytest.fixture
def stocked(put: Put, root: Path) -> None:
    put("5/24/04/04/04/30/00/1-capture.jpg", "5/24/04/04/04/30/00/2-capture.jpg")
    put("5/24/04/05/04/30/00/1-capture.jpg", "6/24/04/04/04/30/00/1-capture.jpg")
    (root / "Door").symlink_to("5")


@pytest.mark.parametrize(
    ("paths", "count"),
    [
        (("5",), 3),
        (("Door",), 3),
        (("Door/24/04/04",), 2),
        (("5/24/04/04/04/30/00",), 2),
        (("5/24/04/04/04/30/00/2-capture.jpg",), 1),
        (("Door/24/04/04/04/30/00/2-capture.jpg", "5/24/04/04/04/30/00/2-capture.jpg"), 1),
        (("5/24/04/04/04/30/00/2-capture.jpg", "5/24/04/04"), 2),
        (("5", "5/24", "Door/24/04"), 3),
        (("5", "6"), 4),
        ((".",), 4),
        (("",), 4),
        (("{root}/6",), 1),
        (("{root}",), 4),
        (("{link}/6",), 1),
    ],
)
def test_paths_name_monitors_days_events_and_captures(
    paths: tuple[str, ...], count: int, stocked: None, open_at: Open, root: Path
) -> None:
    link = root.parent / "another way"
    link.symlink_to(root)
    found = walked(
        open_at(), Window(paths=tuple(path.format(root=root, link=link) for path in paths))
    )
    assert len(found) == len(set(found)) == count


def test_a_window_holds_for_paths_too(stocked: None, open_at: Open) -> None:
    tree, path = open_at(), "5/24/04/04/04/30/00/1-capture.jpg"
    assert walked(tree, Window(paths=(path,), monitors=("6",))) == []
    assert walked(tree, Window(paths=(path,), since=at(2024, 4, 5))) == []
    assert walked(tree, Window(paths=("5", path), since=at(2024, 4, 5))) == [
        "5/24/04/05/04/30/00/1-capture.jpg"
    ]


def test_paths_that_name_nothing_are_told(stocked: None, open_at: Open) -> None:
    wrong = ("9/24", "5/24/04/04/04/30/00/snapshot.jpg", "/etc/passwd", "../x", "5/\0")
    found = failures(open_at("deep"), Window(paths=wrong))
    assert list(found) == [*wrong[1:], "9/24"]
    assert found["9/24"].reason is Reason.VANISHED
    assert 'layout "deep"' in found["../x"].message


# -- what cannot be listed -----------------------------------------------------------------------


def test_a_directory_that_may_not_be_listed_is_told_and_the_walk_goes_on(
    put: Put, open_at: Open, root: Path
) -> None:
    put("5/24/04/05/04/30/00/1-capture.jpg", "5/24/04/04/04/30/00/1-capture.jpg")
    with refused(root / "5/24/04/05"):
        found = list(open_at().walk(Window()))
    failure, event = found
    assert isinstance(failure, Failure)
    assert (failure.path, failure.reason, failure.capture) == (
        "5/24/04/05",
        Reason.UNREADABLE,
        None,
    )
    assert "Permission denied" in failure.message
    assert "ls -ld" in failure.message
    assert isinstance(event, tuple)


def test_a_root_that_is_gone_or_may_not_be_listed_is_a_missing_store(
    open_at: Open, root: Path
) -> None:
    with refused(root), pytest.raises(StoreUnavailable, match="Permission denied"):
        list(open_at().walk(Window()))
    root.rmdir()
    with pytest.raises(StoreUnavailable, match="No such file"):
        list(open_at().walk(Window()))


def test_the_store_may_go_while_it_is_walked(put: Put, open_at: Open, root: Path) -> None:
    for event in EVENTS["medium"]:
        put(f"{event}/1-capture.jpg")
    walk = open_at().walk(Window())
    next(walk)
    root.rename(root.parent / "unmounted")
    with pytest.raises(StoreUnavailable):
        next(walk)


def test_events_may_be_deleted_while_they_are_walked(put: Put, open_at: Open, root: Path) -> None:
    for event in EVENTS["medium"]:
        put(f"{event}/1-capture.jpg")
    walk = open_at().walk(Window())
    next(walk)
    shutil.rmtree(root / "5/2024-12-31/10")
    assert [found[0].path for found in walk if isinstance(found, tuple)] == ["2024-12-31/9"]


def test_names_that_are_not_utf8_are_told_not_taken(open_at: Open, root: Path, jpeg: bytes) -> None:
    base = os.fsencode(root)
    for directory in (b"/caf\xe9", b"/cam", b"/cam/caf\xe9"):
        os.mkdir(base + directory)  # noqa: PTH102 - bytes
    for name in (b"/cam/caf\xe9.jpg", b"/cam/1.jpg", b"/cam/caf\xe9/2.jpg"):
        (root / os.fsdecode(name[1:])).write_bytes(jpeg)
    (root / os.fsdecode(b"f\xfcr")).symlink_to("cam")
    found = list(open_at("plain").walk(Window()))
    told = [item for item in found if isinstance(item, Failure)]
    assert sorted(item.path for item in told) == [
        r"caf\udce9",
        r"cam/caf\udce9",
        r"cam/caf\udce9.jpg",
    ]
    assert all("not UTF-8" in item.message for item in told)
    assert [item[1][0].path for item in found if isinstance(item, tuple)] == ["cam/1.jpg"]


def test_lost_and_found_is_no_monitor(open_at: Open, root: Path) -> None:
    (root / "lost+found").mkdir()
    with refused(root / "lost+found"):
        assert walked(open_at()) == []


def test_a_path_may_be_longer_than_the_system_takes_in_one_call(open_at: Open, root: Path) -> None:
    here = os.open(root, os.O_RDONLY)
    try:
        for _ in range(40):
            os.mkdir("d" * 200, dir_fd=here)
            below = os.open("d" * 200, os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = below
        Path(f"/proc/self/fd/{here}/1.jpg").touch()
    finally:
        os.close(here)
    (path,) = walked(open_at())
    assert len(path) > os.pathconf("/", "PC_PATH_MAX")
