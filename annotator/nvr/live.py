"""Which captures have appeared, found by looking only where captures can still appear.

A tree grows at its ends. Of each monitor these are looked at:

    * at each look, what changes often: the event, minute and hour (or day of events) of the newest
      chain, and of the chain that last grew, which is another where a clock was wrong;
    * every `SELDOM_S`, the long ones above them: days, months, years, the root;
    * every `ASIDE_S`, in each of these the next newest and its chain, so that a directory of the
      year 2099 does not hide today's for ever;
    * for `LINGER_S`, at each look, whatever was one of the first two or has grown.

In all of them the names that a recorder gives next are asked for at each look: on a network mount
a listing may be 20 s old, but that a name is not there is not remembered. On a local disk the
operating system tells which names to ask for, and what is quiet is listed seldom.

Directories are compared by name with each other and by time with themselves, never with this
computer's clock.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial

from annotator.domain import Capture, Reason
from annotator.nvr.errand import NEWEST_KEPT, AfterFrame, Errand, Seen, run_errand
from annotator.nvr.hints import Hints
from annotator.nvr.layout import DEFAULT_DIGITS, Branch, frame_digits
from annotator.nvr.names import Ends, Names
from annotator.nvr.tree import EventTree

log = logging.getLogger(__name__)

LINGER_S = 60.0
"""How long a directory is still looked at once it is no longer an end or has stopped growing.

Several times the 20 s for which sshfs, by default, may show an old listing.
"""

SELDOM_S = 10.0
ASIDE_S = 60.0

NAMES_PER_S = 2000.0
"""No directory is listed more often than that makes: one of 100,000 events every 50 s."""

FOLLOWED_AT_ONCE = NEWEST_KEPT
"""How many of the directories that appear in one place between two looks are followed.

Bounds what an archive costs that is moved in; the rest of it is reconcile's.
"""

LOOKED_AT_ONCE = 256
"""How many directories one look visits; the others' turn comes with the next."""

_LARGEST_STEP = 1000

Run = Callable[[Callable[[Errand], Seen], Iterable[Errand]], Iterable[Seen]]
"""Runs errands as the builtin map does; perhaps several at once."""


@dataclass(slots=True)
class _Watched:
    """A directory that is looked at, what was met in it, and when it last was live.

    `ends` are its two newest directories, `grown` the one that last grew; `last` is the capture of
    its highest frame, `step` how far that was from the one before. `is_doubtful` where one of its
    directories has vanished, so that the newest must be found anew.
    """

    ends: Ends
    live_at_s: float = -math.inf
    names: Names = field(default_factory=Names)
    times_ns: dict[str, int] = field(default_factory=dict)
    looked_at_s: float = -math.inf
    listed_at_s: float = -math.inf
    listed: int = 0
    is_doubtful: bool = False
    grown: Branch | None = None
    last: Capture | None = None
    step: int = 1

    @property
    def first(self) -> set[Branch]:
        """Where it goes on growing, as far as can be told."""
        return {*self.ends.newest, self.grown} - {None}  # type: ignore[return-value]


class LiveEnds:
    """The ends of a tree. `look` from one thread; its errands run where `run` lets them.

    What is there at the first look is not told: it is reconcile's. A capture may be told twice,
    when its directory was lost sight of; one that appears where it is looked for is not left out.
    """

    def __init__(self, tree: EventTree, run: Run = map, hints: Hints | None = None) -> None:
        self._tree = tree
        self._layout = tree.layout
        self._run = run
        self._hints = hints
        self._told: dict[Branch, set[str]] = {}
        self._tidied_at_s = -math.inf
        self._is_blank = True
        self._monitors: set[Branch] = set()
        self._met_monitors: set[Branch] = set()
        self._monitors_at_s = -math.inf
        self._watched: dict[Branch, _Watched] = {}
        self._ends_now: dict[Branch, bool] | None = None
        self._unreadable: set[Branch] = set()
        self._last_id = 0
        self._digits = DEFAULT_DIGITS

    def look(self, now_s: float) -> Iterator[Capture]:
        """The captures that are new; to be used up. `now_s` is a monotonic time.

        Raises StoreUnavailable; whatever was not told by then is told by a later look.
        """
        self._tree.recognise()
        is_empty = not any(branch.monitor.directory for branch in self._monitors)
        if is_empty or now_s - self._monitors_at_s >= SELDOM_S:
            self._list_monitors(now_s)
        self._take_hints()
        visited = set[Branch]()
        while errands := self._errands(visited, now_s):
            visited.update(errand.branch for errand in errands)
            for seen in self._run(partial(run_errand, self._tree), errands):
                if seen.error is not None:
                    self._not_seen(seen.errand.branch, seen.error)
                    continue
                if not self._is_blank:
                    yield from sorted(seen.captures, key=lambda capture: capture.frame)
                self._take_in(seen, now_s)
        self._is_blank = False
        self._retire(now_s)
        self._cover(now_s)

    # where to look

    def _list_monitors(self, now_s: float) -> None:
        self._monitors = {Branch(monitor) for monitor in self._tree.monitors().monitors}
        self._ends_now = None
        if not self._is_blank:
            self._follow(self._monitors - self._met_monitors, now_s)
        self._met_monitors |= self._monitors
        self._monitors_at_s = now_s

    def _ends(self) -> dict[Branch, bool]:
        """The directories that are ends now; False for those aside."""
        if self._ends_now is not None:
            return self._ends_now
        ends = dict[Branch, bool]()
        ahead = [(monitor, True) for monitor in self._monitors]
        while ahead:
            branch, is_main = ahead.pop()
            if ends.get(branch) or (branch in ends and not is_main):
                continue
            ends[branch] = is_main
            if watched := self._watched.get(branch):
                first = watched.first
                ahead += [(below, is_main) for below in first]
                if is_main:
                    others = (below for below in watched.ends if below not in first)
                    ahead += [(below, False) for below in others if self._is_long(below)]
        self._ends_now = ends
        return ends

    def _errands(self, visited: set[Branch], now_s: float) -> list[Errand]:
        """What is due: what is aside last, else what has waited longest first."""
        main = {branch for branch, is_main in self._ends().items() if is_main}
        main.update(self._lingering(now_s))
        wanted = main if now_s - self._tidied_at_s < ASIDE_S else main | self._ends().keys()

        def rank(branch: Branch) -> tuple[bool, float]:
            watched = self._watched.get(branch)
            return branch not in main, watched.looked_at_s if watched else -math.inf

        waiting = sorted(wanted - visited, key=rank)
        due = (self._errand(branch, branch in main, now_s) for branch in waiting)
        errands = [errand for errand in due if errand]
        return errands if self._is_blank else errands[: LOOKED_AT_ONCE - len(visited)]

    def _lingering(self, now_s: float) -> list[Branch]:
        """What is live or was so a short while ago."""
        return [
            branch
            for branch, watched in self._watched.items()
            if now_s - watched.live_at_s <= LINGER_S
        ]

    def _errand(self, branch: Branch, is_main: bool, now_s: float) -> Errand | None:
        watched = self._watched.get(branch)
        if watched is None:
            return Errand(branch, Names(), is_listing=True)
        every_s = ASIDE_S
        if is_main:
            every_s = 0.0 if self._changes_often(watched) else SELDOM_S
        expected, after = tuple[str, ...](), None
        if self._is_covered(branch):
            every_s = max(every_s, SELDOM_S)
            expected = tuple(sorted(self._told.get(branch, ())))
        elif is_main:
            expected, after = self._expected(watched), self._after(branch, watched)
        every_s = max(every_s, watched.listed / NAMES_PER_S)
        errand = Errand(
            branch,
            watched.names,
            is_listing=now_s - watched.listed_at_s >= every_s,
            # Also where most of what is known is gone, lest memory grow with what is deleted.
            is_anew=watched.is_doubtful or len(watched.names) > 2 * watched.listed + 1000,
            expected=tuple(name for name in expected if name not in watched.names),
            after=after,
            times_ns=watched.times_ns,
        )
        return errand if errand.is_listing or errand.expected or errand.after else None

    def _changes_often(self, watched: _Watched) -> bool:
        """False where it only leads to long ones, of which few are made."""
        below = watched.first
        return watched.last is not None or not below or not all(map(self._is_long, below))

    def _is_long(self, branch: Branch) -> bool:
        place = self._layout.place(branch)
        return place is not None and place.is_long

    def _expected(self, watched: _Watched) -> tuple[str, ...]:
        """The names of the directories that a recorder makes next."""
        names = {
            following.parts[-1]
            for below in watched.first
            for following in self._layout.successors(below, self._last_id)
        }
        return tuple(sorted(names))

    def _after(self, branch: Branch, watched: _Watched) -> AfterFrame | None:
        """Which captures come next, where they go by ZoneMinder's numbers."""
        if watched.last is not None:
            digits = frame_digits(watched.last.file_name)
            return AfterFrame(watched.last.frame, digits, watched.step) if digits else None
        return AfterFrame(0, self._digits) if self._layout.is_event(branch) else None

    # what was seen there

    def _take_in(self, seen: Seen, now_s: float) -> None:
        errand = seen.errand
        is_known = errand.branch in self._watched
        watched = self._watched.setdefault(errand.branch, self._unmet())
        watched.looked_at_s = now_s
        if seen.listed is not None:
            watched.listed_at_s, watched.listed = now_s, seen.listed
            watched.times_ns = seen.times_ns
        if errand.is_anew and seen.listed is not None:
            watched.names, watched.ends, watched.is_doubtful = Names(), self._unmet().ends, False
            self._ends_now = None
        if seen.hashes:
            watched.names = watched.names.with_more(seen.hashes)
        for branch in (*seen.ends, *seen.new):
            self._ends_now = None
            watched.ends.add(branch)
            if self._layout.is_event_id(branch):
                self._last_id = max(self._last_id, int(branch.parts[-1]))
        self._note_frames(watched, seen.captures)
        if is_known and not self._is_blank:
            arrivals = tuple(seen.new)[:FOLLOWED_AT_ONCE]
            self._follow((*arrivals, *seen.changed[:FOLLOWED_AT_ONCE]), now_s)
            if arrivals:
                watched.grown = arrivals[0]
            if arrivals or seen.captures:
                self._has_grown(errand.branch, now_s)

    def _note_frames(self, watched: _Watched, captures: Iterable[Capture]) -> None:
        for capture in sorted(captures, key=lambda capture: capture.frame):
            last = watched.last
            if last is None or capture.frame > last.frame:
                watched.step = min(capture.frame - last.frame, _LARGEST_STEP) if last else 1
                watched.last = capture
        if watched.last is not None:
            self._digits = frame_digits(watched.last.file_name) or self._digits

    # hints

    def _take_hints(self) -> None:
        """What a look that fails has not got round to is taken up by the next."""
        for branch, names in (self._hints.take() if self._hints else {}).items():
            self._told.setdefault(branch, set()).update(names)

    def _is_covered(self, branch: Branch) -> bool:
        # A network mount may have come over what was a local disk.
        return self._hints is not None and self._tree.is_local and self._hints.covers(branch)

    def _cover(self, now_s: float) -> None:
        """Have what is live covered, first of all what changes often."""
        self._told.clear()
        if self._hints is None or not self._tree.is_local:
            return

        def rank(branch: Branch) -> tuple[bool, bool]:
            watched = self._watched[branch]
            return watched.live_at_s < now_s, not self._changes_often(watched)

        for branch in self._hints.cover(sorted(self._lingering(now_s), key=rank)):
            self._watched[branch].listed_at_s = -math.inf  # what came before it was covered

    # keeping

    def _has_grown(self, branch: Branch, now_s: float) -> None:
        """It is live, and whatever leads to it leads to where the tree grows."""
        self._watched[branch].live_at_s = now_s
        while branch.parts and (above := self._watched.get(branch.above)):
            above.live_at_s = now_s
            if above.grown != branch:
                above.grown, self._ends_now = branch, None
            branch = branch.above

    def _follow(self, arrivals: Iterable[Branch], now_s: float) -> None:
        """Watch what has appeared; being watched from here on, all in it counts as new."""
        for branch in arrivals:
            self._watched.setdefault(branch, self._unmet()).live_at_s = now_s

    def _unmet(self) -> _Watched:
        return _Watched(Ends(2, self._layout.newest_key))

    def _not_seen(self, branch: Branch, error: OSError) -> None:
        """May raise StoreUnavailable."""
        failure = self._tree.failure(branch, error)
        if failure.reason is Reason.VANISHED:
            self._forget(branch)
        elif branch not in self._unreadable:
            log.warning("%s: %s", failure.path, failure.message)
            self._unreadable.add(branch)

    def _forget(self, branch: Branch) -> None:
        """It was deleted or moved away, and something else is the newest where it was."""
        self._watched.pop(branch, None)
        self._ends_now = None
        if not branch.parts:
            self._monitors_at_s = -math.inf
        elif above := self._watched.get(branch.above):
            above.ends.drop(branch)
            above.grown = None if above.grown == branch else above.grown
            above.is_doubtful, above.listed_at_s = True, -math.inf

    def _retire(self, now_s: float) -> None:
        """Ends are live; from time to time what has not been live for a while is put aside."""
        ends = self._ends()
        for branch, is_main in ends.items():
            if is_main and branch in self._watched:
                self._watched[branch].live_at_s = now_s
        if now_s - self._tidied_at_s >= ASIDE_S:
            self._tidied_at_s = now_s
            kept = {*ends, *self._lingering(now_s)}
            self._watched = {branch: one for branch, one in self._watched.items() if branch in kept}
            self._unreadable &= kept
