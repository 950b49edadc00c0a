"""What was unlike the days before: plain comparisons of counts, said in sentences.

Nothing is learned or guessed. A count is unusual where it lies outside what most of the periods
before had, and by more than a visit or two; every sentence says what it was compared with.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

MIN_PERIODS = 3
"""With less to compare with, nothing is called unusual."""
MIN_DIFFERENCE = 3
MOST_APART = 0.1
"""So large a share of the periods, at each end, does not tell what is usual."""
NEARLY_ALWAYS = 0.8


@dataclass(frozen=True, slots=True)
class Usual:
    """A count, such as `words` "events with a person": now, and in each period before."""

    words: str
    now: int
    before: tuple[int, ...]


def remarks(counts: Sequence[Usual], periods: str) -> Iterator[str]:
    """A sentence for each count that is unusual; `periods` is such as "days"."""
    for one in counts:
        if len(one.before) < MIN_PERIODS:
            continue
        low, high, middle = _usual(one.before)
        if low <= one.now <= high or abs(one.now - middle) < MIN_DIFFERENCE:
            continue
        usually = f"{low}" if low == high else f"{low} to {high}"
        number = "no" if one.now == 0 else str(one.now)
        yield f"{number} {one.words}; usually {usually} (the {len(one.before)} {periods} before)"


def newcomers(
    now: Mapping[str, int], before: Sequence[Mapping[str, int]], periods: str
) -> Iterator[str]:
    """Who came and had not come before, and who always came and did not now."""
    if len(before) < MIN_PERIODS:
        return
    came = {name: sum(name in one for one in before) for one in before for name in one}
    for name in now:
        if name not in came:
            yield f"{name} was seen, and not in the {len(before)} {periods} before"
    for name, times in came.items():
        if name not in now and times >= NEARLY_ALWAYS * len(before):
            yield f"{name} was not seen, but in {times} of the {len(before)} {periods} before"


def odd_hours(now: Mapping[int, int], before: Sequence[Mapping[int, int]]) -> Iterator[str]:
    """Hours of a day at which something was seen, and never before."""
    if len(before) < MIN_PERIODS:
        return
    quiet = [hour for hour in sorted(now) if not any(hour in one for one in before)]
    if quiet:
        hours = ", ".join(f"{hour:02d}:00 to {hour + 1:02d}:00" for hour in quiet)
        before_it = f"the {len(before)} days before"
        yield f"something was seen from {hours}; nothing at that time in {before_it}"


def _usual(before: Sequence[int]) -> tuple[int, int, float]:
    """Between which counts most are, and the middle."""
    ordered = sorted(before)
    cut = int(MOST_APART * len(ordered))
    return ordered[cut], ordered[-1 - cut], median(ordered)
