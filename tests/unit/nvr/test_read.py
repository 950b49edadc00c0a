"""Reading captures: whole ones, broken ones, and what only pretends to be a file."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from annotator.config import StoreSettings
from annotator.domain import Capture, Event, FileStamp, Reason
from annotator.errors import CaptureUnreadable, ConfigError, StoreUnavailable
from annotator.nvr.tree import EventTree, open_tree
from tests.unit.nvr.conftest import MAX_BYTES
from tests.unit.nvr.trees import refused

Put = Callable[..., None]
Open = Callable[..., EventTree]

PATH = "5/24/04/04/04/30/00/00001-capture.jpg"


def refusal(tree: EventTree, path: str = PATH) -> tuple[Reason, bool]:
    capture = tree.capture(path)
    assert capture is not None
    with pytest.raises(CaptureUnreadable) as caught:
        tree.read(capture)
    return caught.value.reason, caught.value.final


def test_a_whole_capture_and_when_it_was_written(
    put: Put, open_at: Open, root: Path, jpeg: bytes
) -> None:
    put(PATH, content=jpeg + b"a camera's trailer")
    os.utime(root / PATH, (1712205000.25, 1712205000.25))
    capture = open_at().capture(PATH)
    assert capture is not None
    content = open_at().read(capture)
    assert content.jpeg == jpeg + b"a camera's trailer"
    assert content.modified_at == datetime(2024, 4, 4, 4, 30, 0, 250_000, tzinfo=UTC)


@pytest.mark.parametrize("modified_s", [-(2**40), 2**42])
def test_an_absurd_time_is_no_error(modified_s: int, put: Put, open_at: Open, root: Path) -> None:
    put(PATH)
    os.utime(root / PATH, (modified_s, modified_s))
    capture = open_at().capture(PATH)
    assert capture is not None
    assert 1970 <= open_at().read(capture).modified_at.year <= 9998


def test_bytes_that_are_not_a_whole_picture(put: Put, open_at: Open, jpeg: bytes) -> None:
    put(PATH, content=b"")
    assert refusal(open_at()) == (Reason.EMPTY, False)
    put(PATH, content=jpeg[: len(jpeg) // 2])
    assert refusal(open_at()) == (Reason.TRUNCATED, False)
    put(PATH, content=b"<html>")
    assert refusal(open_at()) == (Reason.NOT_JPEG, True)


def test_an_unfinished_capture_tells_how_old_it_is(put: Put, open_at: Open, root: Path) -> None:
    put(PATH, content=b"\xff\xd8")
    os.utime(root / PATH, (1712205000, 1712205000))
    capture = open_at().capture(PATH)
    assert capture is not None
    with pytest.raises(CaptureUnreadable) as caught:
        open_at().read(capture)
    stamp = FileStamp(2, datetime(2024, 4, 4, 4, 30, tzinfo=UTC))
    assert caught.value.stamp == stamp
    assert open_at().stamp(capture) == stamp
    put(PATH)
    changed = open_at().stamp(capture)
    assert changed is not None
    assert changed != stamp


def test_the_stamp_of_a_capture_that_is_gone(put: Put, open_at: Open, root: Path) -> None:
    put(PATH)
    tree = open_at()
    capture = tree.capture(PATH)
    assert capture is not None
    with refused(root / "5/24"), pytest.raises(CaptureUnreadable):
        tree.stamp(capture)
    (root / PATH).unlink()
    assert tree.stamp(capture) is None
    (root / PATH).parent.rmdir()
    assert tree.stamp(capture) is None
    root.rename(root.parent / "unmounted")
    with pytest.raises(StoreUnavailable):
        tree.stamp(capture)


def test_a_huge_file_is_not_read_to_its_end(put: Put, open_at: Open, root: Path) -> None:
    put(PATH)
    os.truncate(root / PATH, 1 << 40)
    assert refusal(open_at()) == (Reason.TOO_LARGE, True)


def test_the_limit_itself_is_allowed(put: Put, open_at: Open, jpeg: bytes) -> None:
    put(PATH, content=jpeg.ljust(MAX_BYTES, b"\0"))
    capture = open_at().capture(PATH)
    assert capture is not None
    assert len(open_at().read(capture).jpeg) == MAX_BYTES
    put(PATH, content=jpeg.ljust(MAX_BYTES + 1, b"\0"))
    assert refusal(open_at()) == (Reason.TOO_LARGE, True)


def test_a_capture_that_is_deleted_meanwhile(put: Put, open_at: Open, root: Path) -> None:
    put(PATH)
    (root / PATH).unlink()
    assert refusal(open_at()) == (Reason.VANISHED, True)
    (root / PATH).parent.rmdir()
    assert refusal(open_at()) == (Reason.VANISHED, True)


def test_a_store_that_is_gone_says_nothing_about_its_captures(
    put: Put, open_at: Open, root: Path
) -> None:
    put(PATH)
    tree = open_at()
    capture = tree.capture(PATH)
    assert capture is not None
    root.rename(root.parent / "unmounted")
    with pytest.raises(StoreUnavailable) as caught:
        tree.read(capture)
    assert caught.value.next_step


def test_a_capture_that_may_not_be_read(put: Put, open_at: Open, root: Path) -> None:
    put(PATH)
    with refused(root / PATH):
        assert refusal(open_at()) == (Reason.UNREADABLE, True)
    with refused(root / "5/24"):
        assert refusal(open_at()) == (Reason.UNREADABLE, True)


def make_fifo(path: Path) -> None:
    os.mkfifo(path)


def make_directory(path: Path) -> None:
    path.mkdir()


def make_link(path: Path) -> None:
    path.with_name("2-capture.jpg").write_bytes(b"")
    path.symlink_to("2-capture.jpg")


def make_loop(path: Path) -> None:
    path.symlink_to(path.name)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


@pytest.mark.parametrize("make", [make_fifo, make_socket, make_directory, make_link, make_loop])
def test_what_is_not_a_regular_file_is_refused_at_once(
    make: Callable[[Path], None], open_at: Open, root: Path
) -> None:
    (root / PATH).parent.mkdir(parents=True)
    make(root / PATH)
    assert refusal(open_at()) == (Reason.UNREADABLE, True)


def test_no_directory_on_the_way_may_be_a_link(put: Put, open_at: Open, root: Path) -> None:
    put(PATH)
    (root / "5/25").symlink_to("24")
    assert refusal(open_at(), PATH.replace("5/24", "5/25")) == (Reason.UNREADABLE, True)


@pytest.mark.parametrize(
    "path", ["../x.jpg", "a/../../x.jpg", "/etc/x.jpg", "a//x.jpg", "a\0.jpg", "\udcff.jpg"]
)
def test_a_path_that_leaves_the_root_is_refused(path: str, open_at: Open) -> None:
    capture = Capture(Event("a", "", ""), path, 1)
    with pytest.raises(CaptureUnreadable, match="not a path inside"):
        open_at().absolute(capture)
    with pytest.raises(CaptureUnreadable, match="not a path inside"):
        open_at().read(capture)


def test_where_a_capture_is(put: Put, open_at: Open, root: Path) -> None:
    put(PATH)
    (root / "Door").symlink_to("5")
    for path in (PATH, f"Door{PATH[1:]}", root / PATH, str(root / f"Door{PATH[1:]}")):
        capture = open_at().capture(path)
        assert capture is not None
        assert capture.monitor == "Door"
        assert open_at().absolute(capture) == root / PATH
    assert open_at().capture(root.parent / "x.jpg") is None
    assert open_at().capture("5/\0.jpg") is None


def test_the_settings_open_the_store(root: Path, put: Put) -> None:
    put("5/24/07/01/12/00/00/1-capture.jpg")
    tree = open_tree(StoreSettings(root=root, timezone="America/New_York", max_capture_mb=0.5))
    assert (tree.root, tree.max_capture_bytes) == (root, 500_000)
    capture = tree.capture("5/24/07/01/12/00/00/1-capture.jpg")
    assert capture is not None
    assert capture.event.started_at == datetime(2024, 7, 1, 16, tzinfo=UTC)
    with pytest.raises(ConfigError, match="no event store"):
        open_tree(StoreSettings())
