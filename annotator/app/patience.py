"""Questions about the store to a child, which is given up once it is silent for too long.

Whoever asks a dead mount may block for ever; here it is the child.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import Generic, Literal, TypeVar

from annotator.child import Child, ChildLost
from annotator.errors import StoreUnavailable
from annotator.ports import Clock
from annotator.wire import StoreLost

LOOK_S = 0.5

Reply = TypeVar("Reply")


@dataclass(frozen=True, slots=True)
class Busy:
    """Up, at any time: the child goes on with what was asked."""

    kind: Literal["busy"] = "busy"


class Patience(Generic[Reply]):
    """The parent's side: each question has one reply."""

    def __init__(
        self, child: Child[Reply | Busy | StoreLost], clock: Clock, stall_s: float
    ) -> None:
        self._child = child
        self._clock = clock
        self._stall_s = stall_s

    def ask(self, question: bytes, stopped: Callable[[], bool] = lambda: False) -> Reply | None:
        """The reply; None where `stopped` before there was one.

        Raises StoreUnavailable where the store is lost or does not answer.
        """
        try:
            self._child.send(question)
            return self._reply(stopped)
        except ChildLost as lost:
            raise StoreUnavailable(
                f"the process that looks at the store {lost}", "try again"
            ) from lost

    def close(self) -> None:
        """End the child, without waiting for one that is stuck."""
        self._child.kill()

    def _reply(self, stopped: Callable[[], bool]) -> Reply | None:
        heard_at_s = self._clock.monotonic()
        while not stopped():
            if wait([self._child.connection], LOOK_S):
                for said in self._child.messages(most=1):
                    if isinstance(said, StoreLost):
                        raise StoreUnavailable(said.message, said.next_step)
                    if not isinstance(said, Busy):
                        return said
                    heard_at_s = self._clock.monotonic()
            if self._clock.monotonic() - heard_at_s >= self._stall_s:
                raise StoreUnavailable(
                    f"the store has not answered for {self._stall_s:g} s",
                    "see `annotator status`, and try again once it is back",
                )
        return None
