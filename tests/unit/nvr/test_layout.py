"""What names in a tree mean, for every layout; pure."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.nvr.layout import (
    Branch,
    Layout,
    Monitor,
    frame_digits,
    frame_name,
    layout_named,
    natural_key,
)

NAMES = ("auto", "deep", "medium", "shallow", "plain")
DOOR = Monitor("Door", "5")

words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1)
directories = words.filter(lambda name: not name.startswith(".") and len(name) < 60)
numbers = st.integers(0, 2**63 - 1)
moments = st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31, 23, 59, 59))  # noqa: DTZ001
frames = st.builds(
    lambda number, width: f"{number:0{width}}-capture.jpg", numbers, st.integers(1, 12)
)


@st.composite
def paths(draw: st.DrawFn) -> tuple[str, str]:
    """A layout and a capture's path in it."""
    layout = draw(st.sampled_from(("deep", "medium", "shallow", "plain")))
    monitor, when, number = draw(directories), draw(moments), draw(numbers)
    if layout == "plain":
        parts = draw(st.lists(directories, max_size=4))
        file_name = draw(directories) + draw(st.sampled_from((".jpg", ".jpeg", ".JPG", ".Jpeg")))
        return layout, "/".join([*parts, file_name])
    event = {
        "deep": when.strftime("%y/%m/%d/%H/%M/%S"),
        "medium": f"{when:%Y-%m-%d}/{number}",
        "shallow": str(number),
    }[layout]
    return layout, f"{monitor}/{event}/{draw(frames)}"


@given(paths())
def test_a_path_becomes_a_capture_and_the_same_path_again(case: tuple[str, str]) -> None:
    name, path = case
    for layout in (layout_named(name, "Europe/Berlin"), layout_named("auto", "Europe/Berlin")):
        capture = layout.parse(path)
        if capture is None:  # only "auto" may refuse, and only what ZoneMinder puts beside
            assert layout.name == "auto"
            assert name == "plain"
            continue
        assert capture.path == path
        assert capture.monitor == (path.split("/")[0] if "/" in path else ".")
        assert layout.parse(capture.path) == capture


@given(st.sampled_from(NAMES), st.text(max_size=80) | st.binary(max_size=80).map(os.fsdecode))
def test_junk_is_never_an_error_and_never_leaves_the_root(name: str, path: str) -> None:
    for candidate in (path, path + ".jpg", path + "/00001-capture.jpg", "5/" + path):
        capture = layout_named(name, "America/New_York").parse(candidate)
        if capture is not None:
            assert capture.path == candidate
            capture.path.encode()
            assert not {"", ".", ".."} & set(capture.path.split("/"))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/5/24/04/04/04/30/00/00001-capture.jpg",
        "../5/77/00001-capture.jpg",
        "5/../77/00001-capture.jpg",
        "5/./77/00001-capture.jpg",
        "5//77/00001-capture.jpg",
        "5/77/.00001-capture.jpg",
        "5/.77/00001-capture.jpg",
        "5/77/00001-capture.jpg\0",
        "5/77/00001-capture.jpg/",
        os.fsdecode(b"\xff/77/00001-capture.jpg"),
        os.fsdecode(b"5/77/\xff.jpg"),
        "5/77/00001-capture.png",
        "5/24/04/04/04/30/00/00001-analyse.jpg/x",
    ],
)
def test_what_no_layout_takes(name: str, path: str) -> None:
    assert layout_named(name).parse(path) is None


@pytest.mark.parametrize(
    ("file_name", "frame"),
    [
        ("00506-capture.jpg", 506),
        ("1-capture.jpg", 1),
        ("000000123456-capture.jpg", 123456),
        ("99999999999999999999-capture.jpg", None),  # no database holds that number
        ("00506-analyse.jpg", None),
        ("snapshot.jpg", None),
        ("alarm.jpg", None),
        ("objdetect.jpg", None),
        ("00506-capture.jpg.part", None),
        ("a00506-capture.jpg", None),
        ("\u0661-capture.jpg", None),  # digits, but not ZoneMinder's
        (".77", None),
        ("77-video.mp4", None),
    ],
)
@pytest.mark.parametrize(
    ("layout", "directory"),
    [("deep", "5/24/04/04/04/30/00"), ("medium", "5/2024-04-04/77"), ("shallow", "5/777")],
)
def test_what_is_a_capture_in_zoneminders_layouts(
    layout: str, directory: str, file_name: str, frame: int | None
) -> None:
    capture = layout_named(layout).parse(f"{directory}/{file_name}")
    assert (capture.frame if capture else None) == frame


def test_auto_keeps_to_zoneminders_captures_where_the_names_are_dated() -> None:
    auto = layout_named("auto")
    for directory in ("5/24/04/04/04/30/00", "5/2024-04-04/77"):
        assert auto.parse(f"{directory}/00001-capture.jpg")
        assert auto.parse(f"{directory}/other.jpg") is None
    for by_product in ("00001-analyse.jpg", "snapshot.jpg", "alarm.jpg", "objdetect.jpg"):
        assert auto.parse(f"5/777/{by_product}") is None
        assert auto.parse(by_product) is None
        assert layout_named("plain").parse(f"5/777/{by_product}")
    assert auto.parse("holiday/2019/IMG_0042.JPG")


@pytest.mark.parametrize(
    ("path", "monitor", "event", "frame"),
    [
        ("IMG_0042.jpg", "pictures", "", 42),
        ("cam/20240404T0430.jpeg", "cam", "", 430),
        ("cam/a/b/still.jpg", "cam", "a/b", 0),
        ("cam/00506-capture.jpg", "cam", "", 506),
        (f"cam/{'9' * 40}.jpg", "cam", "", 0),
    ],
)
def test_plain_takes_the_first_directory_for_the_monitor(
    path: str, monitor: str, event: str, frame: int
) -> None:
    capture = layout_named("plain").parse(path, {"": Monitor("pictures", "")})
    assert capture is not None
    assert (capture.monitor, capture.event.path, capture.frame) == (monitor, event, frame)
    assert capture.event.started_at is None


def test_a_monitor_is_shown_by_name_and_found_by_directory() -> None:
    monitors = {"5": DOOR, "Door": DOOR}
    for top in monitors:
        capture = layout_named("auto").parse(f"{top}/2024-04-04/77/00001-capture.jpg", monitors)
        assert capture is not None
        assert capture.monitor == "Door"
        assert capture.path == "5/2024-04-04/77/00001-capture.jpg"


# -- times ---------------------------------------------------------------------------------------


def started_at(zone: str, event: str) -> datetime | None:
    capture = layout_named("auto", zone).parse(f"5/{event}/00001-capture.jpg")
    return capture.event.started_at if capture else None


@pytest.mark.parametrize(
    ("zone", "event", "utc"),
    [
        ("UTC", "24/04/04/04/30/00", datetime(2024, 4, 4, 4, 30, tzinfo=UTC)),
        ("Europe/Berlin", "24/04/04/04/30/00", datetime(2024, 4, 4, 2, 30, tzinfo=UTC)),
        ("America/New_York", "2024-12-31/9", datetime(2024, 12, 31, 5, 0, tzinfo=UTC)),
        # An hour that comes twice: the earlier one.
        ("Europe/Berlin", "24/10/27/02/30/00", datetime(2024, 10, 27, 0, 30, tzinfo=UTC)),
        # An hour that never was: no error.
        ("Europe/Berlin", "24/03/31/02/30/00", datetime(2024, 3, 31, 1, 30, tzinfo=UTC)),
        # A day without its midnight: still that day.
        ("America/Sao_Paulo", "2018-11-04/9", datetime(2018, 11, 4, 3, 0, tzinfo=UTC)),
    ],
)
def test_an_events_start_is_the_recorders_local_time(zone: str, event: str, utc: datetime) -> None:
    assert started_at(zone, event) == utc


@pytest.mark.parametrize("layout", ["deep", "medium"])
@pytest.mark.parametrize(
    "event",
    [
        "24/13/01/00/00/00",
        "24/02/30/00/00/00",
        "24/00/01/00/00/00",
        "24/01/01/24/00/00",
        "24/01/01/00/60/00",
        "2024-13-01/9",
        "2023-02-29/9",
        "0000-01-01/9",
        "9999-12-31/9",
    ],
)
def test_an_impossible_date_is_no_event(layout: str, event: str) -> None:
    assert layout_named(layout).parse(f"5/{event}/00001-capture.jpg") is None


@pytest.fixture
def new_york(local_zone: Callable[[str], None]) -> None:
    local_zone("America/New_York")


def test_local_is_this_computers_zone(new_york: None) -> None:
    assert started_at("local", "24/07/01/12/00/00") == datetime(2024, 7, 1, 16, 0, tzinfo=UTC)


@given(moments, st.sampled_from(("UTC", "Europe/Berlin", "America/Sao_Paulo", "Asia/Kathmandu")))
def test_every_directory_above_an_event_covers_its_start(when: datetime, zone: str) -> None:
    layout = Layout("auto", ZoneInfo(zone))
    for parts in (tuple(when.strftime("%y %m %d %H %M %S").split()), (f"{when:%Y-%m-%d}", "9")):
        start = layout.event(Branch(DOOR, parts)).started_at
        assert start is not None
        just_after = start + timedelta(microseconds=1)
        for depth in range(len(parts) + 1):
            above = Branch(DOOR, parts[:depth])
            assert layout.may_start_in(above, start, just_after)
            assert layout.newest_key(Branch(DOOR, parts)) <= layout.newest_key(above) or depth


def test_the_newest_sorts_highest_whatever_its_depth_or_layout() -> None:
    layout = layout_named("auto", "UTC")
    ordered = [
        ("19", "12", "31"),
        ("2020-01-01", "99"),
        ("2020-01-01", "100"),
        ("20", "01"),
        ("20",),
        ("2021-01-01",),
        ("999",),
        ("1000",),
    ]
    branches = [Branch(DOOR, parts) for parts in ordered]
    branches.reverse()
    assert sorted(branches, key=layout.newest_key) == branches[::-1]


@given(st.lists(words, max_size=6))
def test_any_names_can_be_sorted(names: list[str]) -> None:
    assert len(sorted(names, key=natural_key)) == len(names)
    assert sorted(["10", "9", "a10", "a9"], key=natural_key) == ["a9", "a10", "9", "10"]


# -- what comes next -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layout", "parts", "last_id", "following"),
    [
        ("deep", "24", 0, ["25"]),
        ("deep", "99", 0, []),
        ("deep", "24/12", 0, []),
        ("deep", "24/09", 0, ["10"]),
        ("deep", "24/02/28", 0, ["29"]),
        ("deep", "23/02/28", 0, []),
        ("deep", "24/02/28/23", 0, []),
        ("deep", "24/02/28/00/00", 0, ["01"]),
        ("deep", "24/02/28/00/00/07", 0, []),
        ("medium", "2024-02-28", 0, ["2024-02-29"]),
        ("medium", "2024-12-31", 0, ["2025-01-01"]),
        ("medium", "9999-12-31", 0, []),
        ("medium", "2024-02-28/9", 9, ["10", "11", "12"]),
        ("medium", "2024-02-28/9", 20, ["10", "21", "22", "23"]),
        ("shallow", "99", 99, ["100", "101", "102"]),
        ("auto", "4711", 0, ["1", "2", "3", "4712"]),
        ("auto", "24", 0, ["25"]),
        ("auto", "holiday", 0, []),
        ("auto", "9" * 40, 0, []),
        ("auto", "", 0, []),
    ],
)
def test_the_next_directories(layout: str, parts: str, last_id: int, following: list[str]) -> None:
    branch = Branch(DOOR, tuple(parts.split("/")) if parts else ())
    found = layout_named(layout, "UTC").successors(branch, last_id)
    assert [one.parts[-1] for one in found] == following
    assert all(one.above == branch.above for one in found)


@given(directories, directories | numbers.map(str), st.integers(0, 2**40))
def test_the_next_of_anything_is_no_error(first: str, second: str, last_id: int) -> None:
    branch = Branch(DOOR, (first, second))
    for layout in NAMES:
        layout_named(layout, "UTC").successors(branch, last_id)


@given(st.integers(0, 10**9), st.integers(1, 8))
def test_a_frames_name_has_as_many_digits_as_are_set(frame: int, digits: int) -> None:
    name = frame_name(frame, digits)
    capture = layout_named("shallow").parse(f"5/77/{name}")
    assert capture is not None
    assert capture.frame == frame
    assert frame_digits(name) == max(digits, len(str(frame)))
    assert frame_digits(name.replace("capture", "analyse")) is None
