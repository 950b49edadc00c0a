"""Through the tree, newest event first, across all monitors at once.

A best-first search: of all directories known so far, the one that can hold the newest event is
listed next. So the events come in order, directories outside the window are never listed, and only
names wait in memory.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from annotator.domain import Capture, Event, Failure, Reason, Window
from annotator.nvr.layout import Branch, Layout, Monitor, NewestKey, printable
from annotator.nvr.listing import Listing, Roll

Found = tuple[Event, tuple[Capture, ...]] | Failure


@dataclass(frozen=True, slots=True)
class _Pending:
    """A directory still to be listed; of several, heapq serves the one with the highest key."""

    key: NewestKey
    branch: Branch

    def __lt__(self, other: _Pending) -> bool:
        return self.key > other.key


class Lister(Protocol):
    """The tree, as a walk needs it; see `annotator.nvr.tree.EventTree`."""

    root: Path
    layout: Layout
    pause: Callable[[], None]

    def monitors(self) -> Roll: ...

    def look(self, branch: Branch, since: datetime | None) -> Listing: ...

    def relative(self, path: str) -> str | None: ...

    def capture(self, path: str) -> Capture | None: ...

    def branch(self, path: str) -> Branch | None: ...

    def failure(self, branch: Branch, error: OSError) -> Failure: ...


def walk(tree: Lister, window: Window) -> Iterator[Found]:
    """See `annotator.nvr.tree.EventTree.walk`."""
    roll = tree.monitors()
    yield from _complaints(roll, window)
    starts, named = set[Branch](), defaultdict[Branch, set[Capture]](set)
    for path in window.paths or ("",):
        if tree.relative(path) == "":
            starts.update(Branch(monitor) for monitor in roll.monitors)
        elif (capture := tree.capture(path)) is not None:
            named[_branch_of(capture.event)].add(capture)
        elif (branch := tree.branch(path)) is not None:
            starts.add(branch)
        else:
            yield _not_in_layout(tree, path)
    starts = {branch for branch in starts if _is_wanted(branch.monitor, window)}
    starts = {branch for branch in starts if not _is_covered(branch, starts - {branch})}
    for branch, captures in named.items():
        if not _is_wanted(branch.monitor, window) or _is_covered(branch, starts):
            continue
        if tree.layout.may_start_in(branch, window.since, window.until):
            ordered = sorted(captures, key=lambda capture: (capture.frame, capture.file_name))
            yield ordered[0].event, tuple(ordered)
    yield from _search(tree, window, starts)


def _search(tree: Lister, window: Window, starts: set[Branch]) -> Iterator[Found]:
    pending = list[_Pending]()
    found: Iterable[Branch] = starts
    while True:
        for branch in found:
            if tree.layout.may_start_in(branch, window.since, window.until):
                heapq.heappush(pending, _Pending(tree.layout.newest_key(branch), branch))
        if not pending:
            return
        branch = heapq.heappop(pending).branch
        tree.pause()
        try:
            listing = tree.look(branch, window.since)
        except OSError as error:
            found = ()
            failure = tree.failure(branch, error)
            # An event may be deleted at any time; what somebody asked for by name may not.
            if failure.reason is not Reason.VANISHED or (window.paths and branch in starts):
                yield failure
            continue
        found = listing.branches
        yield from listing.failures
        if listing.captures:
            yield listing.event, listing.captures


def _branch_of(event: Event) -> Branch:
    monitor = Monitor(event.monitor, event.monitor_directory)
    return Branch(monitor, tuple(event.path.split("/")) if event.path else ())


def _is_wanted(monitor: Monitor, window: Window) -> bool:
    return not window.monitors or not {monitor.name, monitor.directory}.isdisjoint(window.monitors)


def _is_covered(branch: Branch, others: Iterable[Branch]) -> bool:
    return any(branch.is_within(other) for other in others)


def _complaints(roll: Roll, window: Window) -> Iterator[Failure]:
    """About the root's entries where all of it is asked for, and about monitors it has not."""
    if not window.monitors and not window.paths:
        yield from roll.failures
    names = [monitor.name for monitor in roll.monitors]
    known = {*names, *(monitor.directory for monitor in roll.monitors)}
    for name in window.monitors:
        if name not in known:
            yield Failure(
                printable(name),
                Reason.VANISHED,
                f"the store has no such monitor; it has {', '.join(names) or 'none'}",
            )


def _not_in_layout(tree: Lister, path: str) -> Failure:
    return Failure(
        printable(path),
        Reason.UNREADABLE,
        "it is neither a capture nor a directory of layout "
        f'"{tree.layout.name}" below {tree.root}; check the path and [store] layout',
    )
