"""Which captures have appeared, found by listing only where captures can still appear."""

from __future__ import annotations

import heapq
import logging
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from annotator.domain import Capture, Reason
from annotator.nvr.layout import Branch
from annotator.nvr.tree import EventTree, Listing

log = logging.getLogger(__name__)

LINGER_S = 60.0
"""How long a directory is still listed once it is no longer the newest or has stopped growing.

Several times the 20 s for which sshfs, by default, may show an old listing.
"""

FOLLOWED_AT_ONCE = 3
"""How many of the directories that appear in one place between two looks are followed.

Bounds what an archive costs that is moved in; the rest of it is reconcile's.
"""


@dataclass(slots=True)
class _Watched:
    """A directory that is listed at each look: what was met in it, and when it last was live.

    `newest` holds the newest directory in it that has a date, and the newest without: a store may
    have changed its layout.
    """

    live_at_s: float
    names: set[str] = field(default_factory=set)
    newest: dict[bool, Branch] = field(default_factory=dict)


class LiveEnds:
    """The newest ends of a tree.

    Looked at are each monitor's newest chain of directories (year, day, hour … event), those that
    have appeared since the last look, and both for `LINGER_S` more. What is there at the first
    look is not told: it is reconcile's. A capture may be told twice, when its directory was lost
    sight of; one that appears where it is looked for is not left out.
    """

    def __init__(self, tree: EventTree) -> None:
        self._tree = tree
        self._monitors: set[Branch] | None = None
        self._watched: dict[Branch, _Watched] = {}
        self._unreadable: set[Branch] = set()

    def look(self, now_s: float) -> Iterator[Capture]:
        """The captures that are new; to be used up. `now_s` is a monotonic time.

        Raises StoreUnavailable; whatever was not told by then is told by a later look.
        """
        monitors = {Branch(monitor) for monitor in self._tree.monitors().monitors}
        if self._monitors is not None:
            self._watch(monitors - self._monitors, now_s)
        live = set(monitors)
        pending, visited = deque([*monitors, *self._watched]), set[Branch]()
        while pending:
            branch = pending.popleft()
            if branch in visited:
                continue
            visited.add(branch)
            listing = self._list(branch)
            if listing is None:
                continue
            is_known = branch in self._watched
            watched = self._watched.setdefault(branch, _Watched(now_s))
            captures = [item for item in listing.captures if item.file_name not in watched.names]
            below = [item for item in listing.branches if item.parts[-1] not in watched.names]
            if self._monitors is not None:
                yield from captures
            watched.names.update(item.file_name for item in captures)
            watched.names.update(item.parts[-1] for item in below)
            if is_known and (captures or below):
                live.add(branch)
            self._keep_newest(watched.newest, below)
            followed = set(watched.newest.values())
            if is_known:
                arrivals = heapq.nlargest(FOLLOWED_AT_ONCE, below, self._tree.layout.newest_key)
                self._watch(arrivals, now_s)
                followed.update(arrivals)
            live.update(followed)
            pending.extend(followed)
        self._monitors = monitors | (self._monitors or set())
        self._retire(live, now_s)

    def _watch(self, arrivals: Iterable[Branch], now_s: float) -> None:
        """Watch what has appeared; being watched from here on, all in it counts as new."""
        for branch in arrivals:
            self._watched.setdefault(branch, _Watched(now_s))

    def _keep_newest(self, newest: dict[bool, Branch], branches: Iterable[Branch]) -> None:
        newest_key = self._tree.layout.newest_key
        for branch in branches:
            key = newest_key(branch)
            best = newest.get(key.is_undated)
            if best is None or newest_key(best) < key:
                newest[key.is_undated] = branch

    def _retire(self, live: set[Branch], now_s: float) -> None:
        """Stop watching what has not been live for a while."""
        for branch in live & self._watched.keys():
            self._watched[branch].live_at_s = now_s
        self._watched = {
            branch: watched
            for branch, watched in self._watched.items()
            if now_s - watched.live_at_s <= LINGER_S
        }

    def _list(self, branch: Branch) -> Listing | None:
        try:
            listing = self._tree.look(branch)
        except OSError as error:
            failure = self._tree.failure(branch, error)
            if failure.reason is not Reason.VANISHED and branch not in self._unreadable:
                log.warning("%s: %s", failure.path, failure.message)
                self._unreadable.add(branch)
            return None
        self._unreadable.discard(branch)
        return listing
