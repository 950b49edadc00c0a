"""Captures of which no row is kept, as runs of frames; pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

MOST_FRAMES = 100_000
"""Of one run; the database's own limit, so that no view has to make more at once."""


@dataclass(frozen=True, slots=True)
class Run:
    """The frames `first`, `first + step` ... `last` of an event, exactly these.

    What they have in common: the picture's size in pixels and what looked at them. Taken from
    `first_ms` to `last_ms`, milliseconds since 1970.
    """

    first: int
    last: int
    step: int
    first_ms: int
    last_ms: int
    width: int
    height: int
    provenance_id: int

    @property
    def captures(self) -> int:
        return (self.last - self.first) // self.step + 1

    def between(self, lowest: int, highest: int) -> Iterator[int]:
        """Its frames from `lowest` to `highest`, both included."""
        skipped = max(0, -(-(lowest - self.first) // self.step))
        return iter(range(self.first + skipped * self.step, min(self.last, highest) + 1, self.step))

    def without(self, frames: Iterable[int]) -> Iterator[Run]:
        """What is left of it without some of its frames."""
        first = self.first
        for frame in sorted(frames):
            if frame > first:
                yield replace(self, first=first, last=frame - self.step)
            first = frame + self.step
        if first <= self.last:
            yield replace(self, first=first)


def single(frame: int, taken_ms: int, width: int, height: int, provenance_id: int) -> Run:
    """The run that is one capture."""
    return Run(frame, frame, 1, taken_ms, taken_ms, width, height, provenance_id)


def joined(runs: Iterable[Run]) -> list[Run]:
    """The same frames in fewer runs, where neighbours fit together; `runs` are by first frame."""
    found: list[Run] = []
    for run in runs:
        both = _both(found[-1], run) if found else None
        if both is None:
            found.append(run)
        else:
            found[-1] = both
    return found


def _both(one: Run, other: Run) -> Run | None:
    gap = other.first - one.last
    for run in (one, other):
        if run.captures > 1 and run.step != gap:
            return None
    alike = (one.width, one.height, one.provenance_id) == (
        *(other.width, other.height, other.provenance_id),
    )
    if gap <= 0 or not alike or one.captures + other.captures > MOST_FRAMES:
        return None
    return replace(
        one,
        last=other.last,
        step=gap,
        first_ms=min(one.first_ms, other.first_ms),
        last_ms=max(one.last_ms, other.last_ms),
    )
