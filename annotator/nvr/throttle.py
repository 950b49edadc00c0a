"""So much per second and no more, for the recorder's sake."""

from __future__ import annotations

import time
from collections.abc import Callable


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
