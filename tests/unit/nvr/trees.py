"""Asking a tree, and taking a directory away from it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from annotator.domain import Failure, Window
from annotator.nvr.layout import Branch
from annotator.nvr.tree import Ask, EventTree

NOBODY = 65534


def walked(tree: EventTree, window: Window | None = None) -> list[str]:
    """The paths of all captures as they come; a walk in which nothing may go wrong."""
    paths = []
    for found in tree.walk(window or Window()):
        assert not isinstance(found, Failure), found
        event, captures = found
        assert all(capture.event == event for capture in captures)
        paths += [capture.path for capture in captures]
    return paths


def failures(tree: EventTree, window: Window | None = None) -> dict[str, Failure]:
    """What a walk could not look at, by path."""
    found = [item for item in tree.walk(window or Window()) if isinstance(item, Failure)]
    return {failure.path: failure for failure in found}


@contextmanager
def refused(path: Path) -> Iterator[None]:
    """Nobody may list or read `path`: its mode says so, and root's privilege is put aside."""
    mode, user = path.stat().st_mode, os.geteuid()
    path.chmod(0)
    if user == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(user)
        path.chmod(mode)


class CountingTree(EventTree):
    """Counts what it lists, and the entries it meets and the directories it asks in doing so."""

    def __init__(self, like: EventTree) -> None:
        super().__init__(like.root, like.layout, max_capture_bytes=like.max_capture_bytes)
        self.forget()

    def forget(self) -> None:
        self.listings = self.met = self.asked = 0

    @contextmanager
    def entries(self, branch: Branch) -> Iterator[tuple[int, Iterator[os.DirEntry[str]]]]:
        self.listings += 1
        with super().entries(branch) as (descriptor, entries):
            yield descriptor, (self._meet(entry) for entry in entries)

    @contextmanager
    def asking(self, branch: Branch) -> Iterator[Ask]:
        self.asked += 1
        with super().asking(branch) as ask:
            yield ask

    def _meet(self, entry: os.DirEntry[str]) -> os.DirEntry[str]:
        self.met += 1
        return entry
