"""What is measured while the daemon runs, for metrics: counters that any thread may read."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from annotator.domain import MountState, Origin, Reason, Station, Totals
from annotator.notices import Outcome, Undelivered

LATENCY_BOUNDS_S = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)


@dataclass(slots=True)
class Durations:
    """A histogram: how many were at most as long as each bound, and one place for all others."""

    bounds_s: tuple[float, ...] = LATENCY_BOUNDS_S
    counts: list[int] = field(default_factory=list)
    sum_s: float = 0.0

    def __post_init__(self) -> None:
        self.counts = self.counts or [0] * (len(self.bounds_s) + 1)

    def add(self, duration_s: float) -> None:
        self.counts[bisect_left(self.bounds_s, duration_s)] += 1
        self.sum_s += duration_s


class NoticeTally:
    """The port `Tally`."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, Outcome]] = Counter()
        self._lock = threading.Lock()

    def count(self, rule: str, outcome: Outcome, times: int = 1) -> None:
        with self._lock:
            self._counts[rule, outcome] += times

    def counts(self) -> Mapping[tuple[str, Outcome], int]:
        with self._lock:
            return dict(self._counts)


@dataclass(frozen=True, slots=True)
class Measures:
    """A look at everything that is measured.

    `annotated`, `failed`, `detections`, `latency`, `restarts` and `notices` count since the daemon
    has started. `totals` are the database's, None where it could not be asked; `database_bytes` is
    the file and its log. `stations` are what the workers run on now.
    """

    annotated: int
    detections: int
    failed: Mapping[Reason, int]
    latency: Durations
    restarts: int
    mount: MountState
    stations: tuple[Station, ...]
    stuck: bool
    waiting: Mapping[Origin, int]
    totals: Totals | None
    notices: Mapping[tuple[str, Outcome], int]
    undelivered: tuple[Undelivered, ...]
    database_bytes: int
