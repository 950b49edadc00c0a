"""Which events of the database the recorder still has, asked in a child process.

Whoever asks a dead mount may block for ever, and an unmounted one says that nothing is there. So a
child asks, which is given up once it falls silent, and whatever it found counts only if the store
was the right one, on the very same mount, before and after.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

from annotator.app.patience import Busy, Patience
from annotator.child import Child
from annotator.errors import StoreUnavailable
from annotator.nvr.presence import Presence
from annotator.wire import MAX_MESSAGE_BYTES, StoreLost

if TYPE_CHECKING:
    from pydantic import TypeAdapter

    from annotator.ports import Clock

ASKED_AT_ONCE = 100
"""Directories; each costs a network mount a round trip or several."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CensusOrder:
    """Down, first: the configuration as JSON, and which store is the right one."""

    config: str
    expected_identity: str


@dataclass(frozen=True, slots=True)
class Question:
    """Down: are these directories there?"""

    directories: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """Up: of each directory of the question what the store says."""

    presences: tuple[Presence, ...]
    kind: Literal["found"] = "found"


Reply = Found | Busy | StoreLost


def count_for(
    connection: Connection,
    identify: Callable[[], str],
    look: Callable[[Sequence[str]], Iterable[Presence]],
) -> None:
    """Answer questions until the parent hangs up or the store is lost; the child's side.

    `identify` raises StoreUnavailable for any but the right store, and its answer changes whenever
    the store is mounted anew.
    """
    try:
        while True:
            question = _questions().validate_json(connection.recv_bytes(MAX_MESSAGE_BYTES))
            before = identify()
            found = tuple(look(question.directories))
            if identify() != before:
                raise StoreUnavailable("the store was mounted anew meanwhile", "try again")
            connection.send_bytes(_replies().dump_json(Found(found)))
    except StoreUnavailable as error:
        lost = StoreLost(str(error), error.next_step, is_other=False)
        connection.send_bytes(_replies().dump_json(lost))


class Census:
    """The parent's side: asks one child, and gives it up when it is silent for `stall_s`."""

    def __init__(self, child: Child[Reply], clock: Clock, stall_s: float) -> None:
        self._patience: Patience[Found] = Patience(child, clock, stall_s)

    def presences(
        self, directories: Iterable[str], stopped: Callable[[], bool]
    ) -> Iterator[Presence]:
        """Of each directory what the store says; ends early where `stopped`.

        Raises StoreUnavailable where the store is lost, is another one, or does not answer.
        """
        for some in _chunks(directories, ASKED_AT_ONCE):
            question = _questions().dump_json(Question(tuple(some)))
            reply = self._patience.ask(question, stopped)
            if reply is None:
                return
            if len(reply.presences) != len(some):
                raise StoreUnavailable("the store's answer is not one to the question", "try again")
            yield from reply.presences

    def close(self) -> None:
        self._patience.close()


def encode_order(order: CensusOrder) -> bytes:
    return _orders().dump_json(order)


def decode_order(message: bytes) -> CensusOrder:
    return _orders().validate_json(message)


def decode_reply(message: bytes) -> Reply:
    """Raises ValueError where the message is not one of ours."""
    return _replies().validate_json(message)


def _chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some


@cache
def _orders() -> TypeAdapter[CensusOrder]:
    from pydantic import TypeAdapter

    return TypeAdapter(CensusOrder)


@cache
def _questions() -> TypeAdapter[Question]:
    from pydantic import TypeAdapter

    return TypeAdapter(Question)


@cache
def _replies() -> TypeAdapter[Reply]:
    from pydantic import Field, TypeAdapter

    return TypeAdapter(Annotated[Reply, Field(discriminator="kind")])
