"""Marking the events that the recorder has deleted, and those that are there again."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import tee
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from annotator.app.census import Census
    from db.gone import SqlEventRoll

MOST_GONE_AT_ONCE = 0.5
"""Share of a monitor's events. What looks like more is more often a store that is not whole."""


@dataclass(frozen=True, slots=True)
class Gone:
    """What the recorder has deleted of one monitor.

    Of `events` that it was thought to have `missing` are gone; `unlistable` could not be looked at.
    `back` were gone and are there again. `refused`: none was marked as gone, since so many at once
    look like a store that is not whole.
    """

    monitor: str
    events: int
    missing: int
    back: int
    unlistable: int
    refused: bool


@dataclass(slots=True)
class _Answers:
    """What the store said of one monitor's events, by their ids: there may be very many."""

    events: int = 0
    missing: array[int] = field(default_factory=lambda: array("q"))
    back: array[int] = field(default_factory=lambda: array("q"))
    unlistable: int = 0

    @property
    def too_many(self) -> bool:
        return len(self.missing) > MOST_GONE_AT_ONCE * self.events


def mark_gone(
    roll: SqlEventRoll,
    census: Census,
    *,
    dry_run: bool,
    yes: bool,
    stopped: Callable[[], bool],
    tell: Callable[[int, int], None],
) -> tuple[Gone, ...]:
    """Ask the store for every event and mark what has changed; with `yes`, however much that is.

    Ends the census. Raises StoreUnavailable where the store is away, hangs, is another one, or was
    for a moment: then nothing is marked.
    """
    try:
        answers = _ask(roll, census, stopped, tell)
        believed = [one for one in answers.values() if yes or not one.too_many]
        _ask_again(roll, census, stopped, believed)
    finally:
        census.close()
    return tuple(
        _mark(roll, monitor, found, dry_run=dry_run, refused=found.too_many and not yes)
        for monitor, found in answers.items()
        if not stopped()
    )


def _mark(
    roll: SqlEventRoll, monitor: str, found: _Answers, *, dry_run: bool, refused: bool
) -> Gone:
    if not dry_run:
        roll.mark(() if refused else found.missing, gone=True)
        roll.mark(found.back, gone=False)
    return Gone(
        monitor,
        found.events,
        len(found.missing),
        len(found.back),
        found.unlistable,
        refused,
    )


def _ask(
    roll: SqlEventRoll,
    census: Census,
    stopped: Callable[[], bool],
    tell: Callable[[int, int], None],
) -> dict[str, _Answers]:
    """What the store says of all events, by monitor."""
    from annotator.nvr.presence import Presence

    answers: dict[str, _Answers] = defaultdict(_Answers)
    total = roll.count()
    asked, answered = tee(roll.events())
    found = census.presences((one.event.directory for one in asked), stopped)
    for done, (presence, known) in enumerate(zip(found, answered, strict=False), 1):
        tell(done, total)
        of_monitor = answers[known.event.monitor]
        of_monitor.events += not known.gone
        match presence:
            case Presence.UNKNOWN:
                of_monitor.unlistable += 1
            case Presence.THERE if known.gone:
                of_monitor.back.append(known.id)
            case Presence.MISSING if not known.gone:
                of_monitor.missing.append(known.id)
    return answers


def _ask_again(
    roll: SqlEventRoll,
    census: Census,
    stopped: Callable[[], bool],
    answers: Sequence[_Answers],
) -> None:
    """Missing is only what is missing twice: a mount may have been away for a moment."""
    from annotator.nvr.presence import Presence

    doubtful = {event_id: one for one in answers for event_id in one.missing}
    for one in answers:
        one.missing = array("q")
    asked, answered = tee(one for one in roll.events() if one.id in doubtful)
    found = census.presences((one.event.directory for one in asked), stopped)
    for presence, known in zip(found, answered, strict=False):
        if presence is Presence.MISSING:
            doubtful[known.id].missing.append(known.id)
