"""What a worker's place does when its Edge TPU fails, without blind hours.

The worker itself loads the device anew first. If that does not help it is replaced once; after
that, or where the device is not even there, the CPU stands in. The device is tried again from time
to time by a probe, at growing pauses, while the CPU goes on; when it works, its worker returns.
"""

from __future__ import annotations

from annotator.domain import Station

FALLBACK = Station(fallback=True)
REPLACEMENTS = 1
"""So many new workers in a row may try a device before the CPU takes over."""
MAX_RETRY_S = 600.0
SOUND_AFTER = 100
"""A device that has done so many captures since it returned is trusted as if it never failed."""


class Ladder:
    """The station of one place, which belongs at `home`. Times are a monotonic clock's seconds."""

    def __init__(self, home: Station, retry_s: float):
        self.station = home
        self._home = home
        self._first_retry_s = retry_s
        self._retry_s = retry_s
        self._falls = 0
        self._done = 0
        self._probe_due_s = 0.0

    @property
    def home(self) -> Station:
        return self._home

    @property
    def in_trouble(self) -> bool:
        """A device is to be used that failed not long ago."""
        return self._falls > 0 and self.station is self._home

    def lost(self, now_s: float, *, missing: bool = False) -> bool:
        """The device failed; `missing` where it could not even be opened. True if the CPU now
        stands in for it."""
        if self.station is not self._home:
            return False
        self._falls += 1
        self._done = 0
        if self._falls <= REPLACEMENTS and not missing:
            return False
        self.station = FALLBACK
        self._rest(now_s)
        return True

    def worked(self) -> None:
        """A capture was looked at here."""
        if self.station is self._home:
            self._done += 1
            if self._done == SOUND_AFTER:
                self._falls, self._retry_s = 0, self._first_retry_s

    def is_due(self, now_s: float) -> bool:
        """Whether the device is to be tried now."""
        return self.station is not self._home and now_s >= self._probe_due_s

    def failed_again(self, now_s: float) -> None:
        """The probe got no answer from the device."""
        self._rest(now_s)

    def return_home(self) -> None:
        """The device answers, or nothing can stand in for it. One failure and the CPU is back."""
        self.station = self._home
        self._falls = REPLACEMENTS
        self._done = 0

    def _rest(self, now_s: float) -> None:
        self._probe_due_s = now_s + self._retry_s
        self._retry_s = min(MAX_RETRY_S, 2 * self._retry_s)
