"""One look into one directory: names that are expected are asked for, then it is listed.

Errands know nothing of each other and change nothing, so that several can run at once.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from annotator.domain import Capture
from annotator.nvr.layout import Branch, frame_name, is_text
from annotator.nvr.names import Ends, Names
from annotator.nvr.tree import Ask, EventTree

NEWEST_KEPT = 3
"""How many of the directories that are new in one place are brought back."""

FRAMES_AHEAD = 3
"""So many frame numbers in a row may be missing before the asking ends."""

FRAMES_AT_ONCE = 200
"""How many captures one directory is asked for in one go; the listing finds the rest."""

TIMES_KEPT = 100
"""In a directory that holds no more than so many (60 minutes, 31 days) times are compared."""


@dataclass(frozen=True, slots=True)
class AfterFrame:
    """Captures are expected after this frame, in names with so many digits; 0 before the first.

    `step` is how far the last two frames were apart.
    """

    frame: int
    digits: int
    step: int = 1


@dataclass(frozen=True, slots=True)
class Errand:
    """What to look for in one directory, of which `names` are known already.

    `expected` are directories to ask for. `is_listing` also lists it; `is_anew` then takes all it
    holds for new, except that known captures are not told. `times_ns` are the times that the
    directories in it had.
    """

    branch: Branch
    names: Names
    is_listing: bool
    is_anew: bool = False
    expected: tuple[str, ...] = ()
    after: AfterFrame | None = None
    times_ns: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Seen:
    """What an errand came back with; `error` says that it did not get through.

    `new` are the newest of the directories that were not known, `ends` of all that there are where
    all was taken for new. `changed` are known ones with another time than before. `hashes` are of
    all names taken for new. `listed` counts what is in the directory, if it was listed.
    """

    errand: Errand
    new: Ends
    ends: Ends
    captures: list[Capture] = field(default_factory=list)
    changed: list[Branch] = field(default_factory=list)
    hashes: list[int] = field(default_factory=list)
    times_ns: dict[str, int] = field(default_factory=dict)
    listed: int | None = None
    error: OSError | None = None


def run_errand(tree: EventTree, errand: Errand) -> Seen:
    """Raises nothing that the store may cause: that comes back as `error`."""
    newest_key = tree.layout.newest_key
    seen = Seen(errand, Ends(NEWEST_KEPT, newest_key), Ends(NEWEST_KEPT, newest_key))
    try:
        if errand.expected or errand.after:
            with tree.asking(errand.branch) as ask:
                _ask(ask, seen)
        if errand.is_listing:
            _list(tree, seen)
    except OSError as error:
        seen.error = error
    return seen


def _ask(ask: Ask, seen: Seen) -> None:
    for name in seen.errand.expected:
        _note(ask(name), name, seen)
    after = seen.errand.after
    if after is None:
        return
    # The next numbers, and one more where the recorder counts in steps.
    ahead = sorted({*range(1, FRAMES_AHEAD + 1), after.step})
    last, misses = after.frame, 0
    for _ in range(FRAMES_AT_ONCE):
        frame = last + ahead[misses]
        name = frame_name(frame, after.digits)
        if name in seen.errand.names or _note(ask(name), name, seen):
            last, misses = frame, 0
        else:
            misses += 1
        if misses == len(ahead):
            break


def _list(tree: EventTree, seen: Seen) -> None:
    errand = seen.errand
    names, asked = errand.names, set(seen.hashes)
    sort, count = tree.sort(errand.branch), 0
    has_times: bool | None = None  # as its first directory has: in one place all are alike
    with tree.entries(errand.branch) as (_, entries):
        for entry in entries:
            count += 1
            name = entry.name
            is_directory = entry.is_dir(follow_symlinks=False)
            is_known = name in names or hash(name) in asked
            if is_directory and has_times is None:
                has_times = _has_times(tree, sort(name, is_directory))
            is_changed = (
                is_directory and has_times and count <= TIMES_KEPT and _has_changed(entry, seen)
            )
            if is_known and not is_changed and not errand.is_anew:
                continue
            found = sort(name, is_directory)
            if not is_known:
                _note(found, name, seen)
            elif errand.is_anew and found:
                seen.hashes.append(hash(name))
            if isinstance(found, Branch) and is_text(name):
                if errand.is_anew:
                    seen.ends.add(found)
                if is_known and is_changed:
                    seen.changed.append(found)
    seen.listed = count
    if count > TIMES_KEPT:
        seen.times_ns, seen.changed = {}, []


def _has_times(tree: EventTree, found: Capture | Branch | None) -> bool:
    """Whether a directory's time is compared: that of a minute or a day, not of an event."""
    place = tree.layout.place(found) if isinstance(found, Branch) else None
    return place is not None and place.is_dated and place.leads


def _has_changed(entry: os.DirEntry[str], seen: Seen) -> bool:
    """Whether something was made in a directory since its time was kept; keeps the new one."""
    try:
        time_ns = entry.stat(follow_symlinks=False).st_mtime_ns
    except FileNotFoundError:
        return False
    seen.times_ns[entry.name] = time_ns
    return seen.errand.times_ns.get(entry.name, time_ns) != time_ns


def _note(found: Capture | Branch | None, name: str, seen: Seen) -> bool:
    """Keep what is new; whether it was anything."""
    if found is None or not is_text(name):
        return False
    seen.hashes.append(hash(name))
    if isinstance(found, Branch):
        seen.new.add(found)
    else:
        seen.captures.append(found)
    return True
