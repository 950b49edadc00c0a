"""Through the tree, newest event first, across all monitors at once.

A best-first search: of all directories known so far, the one that can hold the newest event is
listed next. So the events come in order, directories outside the window are never listed, and only
names wait in memory.
"""

from __future__ import annotations

import heapq
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from annotator.domain import Capture, Event, Failure, Reason, Window
from annotator.nvr.layout import Branch, Monitor, NewestKey, printable

if TYPE_CHECKING:
    from annotator.nvr.tree import EventTree, Roll

Found = tuple[Event, tuple[Capture, ...]] | Failure


@dataclass(frozen=True, slots=True)
class _Pending:
    """A directory still to be listed; of several, heapq serves the one with the highest key."""

    key: NewestKey
    branch: Branch

    def __lt__(self, other: _Pending) -> bool:
        return self.key > other.key


class Throttle:
    """Called before each listing, it waits so that there are at most so many per second.

    After a quiet while it does not make up for lost time: a recorder should not notice a walk.
    """

    def __init__(
        self,
        listings_per_s: float,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._interval_s = 1 / listings_per_s
        self._monotonic = monotonic
        self._sleep = sleep
        self._due_s = 0.0

    def __call__(self) -> None:
        early_s = self._due_s - self._monotonic()
        if early_s > 0:
            self._sleep(early_s)
        self._due_s = self._monotonic() + self._interval_s


def walk(tree: EventTree, window: Window) -> Iterator[Found]:
    """See EventTree.walk."""
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


def _search(tree: EventTree, window: Window, starts: set[Branch]) -> Iterator[Found]:
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


def _not_in_layout(tree: EventTree, path: str) -> Failure:
    return Failure(
        printable(path),
        Reason.UNREADABLE,
        "it is neither a capture nor a directory of layout "
        f'"{tree.layout.name}" below {tree.root}; check the path and [store] layout',
    )
