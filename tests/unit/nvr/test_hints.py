"""What a real inotify tells of real directories, and what it saves."""

from __future__ import annotations

import os
import resource
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from annotator.nvr.hints import MOST_COVERED, Hints
from annotator.nvr.layout import Branch, Monitor
from annotator.nvr.live import SELDOM_S, LiveEnds
from annotator.nvr.tree import EventTree
from tests.unit.nvr.trees import CountingTree

Put = Callable[..., None]
Open = Callable[..., EventTree]

PATIENCE_S = 10
EVENT = Branch(Monitor("5", "5"), ("2024-04-04", "77"))


@pytest.fixture
def hints(root: Path) -> Iterator[Hints]:
    hints = Hints(root)
    hints.start()
    yield hints
    hints.stop()


def test_what_appears_is_told_by_name(put: Put, hints: Hints, root: Path) -> None:
    put("5/2024-04-04/77/1-capture.jpg", "aside.jpg")
    assert hints.cover([EVENT]) == {EVENT}
    assert hints.cover([EVENT]) == set()
    assert not hints.woken.is_set()
    (root / "aside.jpg").rename(root / EVENT.path / "2-capture.jpg")
    assert hints.woken.wait(PATIENCE_S)
    assert hints.take() == {EVENT: {"2-capture.jpg"}}
    assert hints.take() == {}


def test_a_directory_that_is_gone_is_no_longer_covered_and_can_be_again(
    put: Put, hints: Hints, root: Path
) -> None:
    put("5/2024-04-04/77/1-capture.jpg")
    hints.cover([EVENT])
    shutil.rmtree(root / EVENT.path)
    assert hints.woken.wait(PATIENCE_S)
    tick = threading.Event()
    while hints.covers(EVENT):
        assert not tick.wait(0.01)
    assert hints.cover([EVENT]) == set()  # it is not there
    put("5/2024-04-04/77/2-capture.jpg")
    assert hints.cover([EVENT]) == {EVENT}
    assert hints.covers(EVENT)


def test_there_are_only_so_many(hints: Hints, root: Path) -> None:
    many = [Branch(Monitor("5", "5"), (str(number),)) for number in range(MOST_COVERED + 1)]
    for branch in many:
        (root / branch.path).mkdir(parents=True)
    assert hints.cover(many) == set(many[:-1])
    assert hints.cover(many[-1:]) == set(many[-1:])
    assert not hints.covers(many[0])


def test_without_inotify_nothing_is_covered(root: Path) -> None:
    hints = Hints(root)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    probe = os.dup(0)
    os.close(probe)
    resource.setrlimit(resource.RLIMIT_NOFILE, (probe, limits[1]))
    try:
        hints.start()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert hints.cover([EVENT]) == set()
    assert not hints.covers(EVENT)
    hints.stop()


@pytest.mark.parametrize("layout", ["deep", "auto"])
def test_what_is_quiet_is_not_looked_at(layout: str, put: Put, open_at: Open, hints: Hints) -> None:
    put("5/24/04/04/04/30/00/1-capture.jpg")
    tree = CountingTree(open_at(layout))
    ends = LiveEnds(tree, hints=hints)
    assert list(ends.look(0)) == []
    assert list(ends.look(1)) == []  # once more, now that all is covered
    tree.forget()
    assert list(ends.look(2)) == []
    assert (tree.listings, tree.asked) == (0, 0)
    put("5/24/04/04/04/30/00/9-capture.jpg")
    assert hints.woken.wait(PATIENCE_S)
    assert [capture.frame for capture in ends.look(3)] == [9]
    assert (tree.listings, tree.asked) == (0, 1)
    assert list(ends.look(3 + SELDOM_S)) == []
    assert tree.listings > 0
