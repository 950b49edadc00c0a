"""Pictures for a server: as the darkroom makes them, but for whoever comes, and without an end.

A child that does not answer is given up; until a pause is over nobody else waits for the store.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass

from annotator.app.darkroom import Answer, Print, Spoilt, Wanted, encode_wanted
from annotator.child import Child, ChildLost, Graveyard
from annotator.domain import BoundingBox, Capture, Reason, Sighting
from annotator.errors import CaptureUnreadable, StoreUnavailable
from annotator.ports import Clock

BENCHES = 2
MAX_HUNG = 4
"""So many children may hang in a dead mount; more would learn nothing."""
PAUSE_S = 5.0
_LOOK_UP_S = 0.2
"""How soon a wait notices that all ends."""


@dataclass(slots=True)
class _Bench:
    """A place for one child, which is started when it is needed."""

    child: Child[Answer] | None = None


class Benches:
    """Fits `annotator.browse.needs.Pictures`. A picture has `patience_s`, its child's start
    included."""

    def __init__(
        self,
        start: Callable[[Graveyard], Child[Answer]],
        clock: Clock,
        *,
        patience_s: float,
        benches: int = BENCHES,
        pause_s: float = PAUSE_S,
    ) -> None:
        self._start = start
        self._clock = clock
        self._patience_s = patience_s
        self._pause_s = pause_s
        self._graveyard = Graveyard()
        self._count = benches
        self._free: queue.SimpleQueue[_Bench] = queue.SimpleQueue()
        for _ in range(benches):
            self._free.put(_Bench())
        self._closing = threading.Event()
        self._not_before_s = 0.0

    def make(
        self,
        capture: Capture,
        seen: tuple[Sighting, ...],
        width_px: int | None,
        cut: BoundingBox | None,
    ) -> bytes:
        wanted = Wanted(capture, seen, (Print(width_px, cut),))
        until_s = self._clock.monotonic() + self._patience_s
        try:
            bench = self._free.get(timeout=self._patience_s)
        except queue.Empty:
            raise self._silent() from None
        try:
            if self._closing.is_set() or self._clock.monotonic() < self._not_before_s:
                raise self._silent()
            return self._made(bench, wanted, until_s)
        finally:
            self._free.put(bench)

    def close(self) -> None:
        """End the children, without waiting for one that is stuck; a second time does nothing."""
        if self._closing.is_set():
            return
        self._closing.set()
        benches = [self._free.get() for _ in range(self._count)]  # soon: who has one looks up
        for bench in benches:
            self._give_up(bench)
            self._free.put(bench)  # for who waits for one, to see that all has ended

    def _made(self, bench: _Bench, wanted: Wanted, until_s: float) -> bytes:
        if bench.child is None:
            if len(self._graveyard) >= MAX_HUNG:
                raise self._silent()
            bench.child = self._start(self._graveyard)
        try:
            bench.child.send(encode_wanted(wanted))
            answer = self._answer(bench.child, until_s)
        except ChildLost as lost:
            self._give_up(bench)
            raise CaptureUnreadable(Reason.CRASHED, f"what draws it {lost}") from lost
        if answer is None:
            self._give_up(bench)
            self._not_before_s = self._clock.monotonic() + self._pause_s
            raise self._silent()
        if isinstance(answer, Spoilt):
            if answer.whole_store:
                self._not_before_s = self._clock.monotonic() + self._pause_s
                raise StoreUnavailable(answer.message)
            raise CaptureUnreadable(answer.reason, answer.message)
        return answer

    def _answer(self, child: Child[Answer], until_s: float) -> Answer | None:
        """None where there is none in time. Raises ChildLost."""
        while not self._closing.is_set():
            left_s = until_s - self._clock.monotonic()
            if child.connection.poll(max(0.0, min(left_s, _LOOK_UP_S))):
                return child.messages(1)[0]
            if left_s <= 0:
                break
        return None

    def _give_up(self, bench: _Bench) -> None:
        if bench.child is not None:
            bench.child.kill()
            bench.child = None

    def _silent(self) -> StoreUnavailable:
        return StoreUnavailable(
            f"the store did not answer within {self._patience_s:g} s", "is it mounted?"
        )
