"""Small questions of commands about the store, answered by a child process."""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

from annotator.app.patience import Busy, Patience
from annotator.child import Graveyard
from annotator.clock import SystemClock
from annotator.config import Config
from annotator.domain import Event, Window
from annotator.errors import StoreError, StoreUnavailable
from annotator.wire import MAX_MESSAGE_BYTES, StoreLost

if TYPE_CHECKING:
    from pydantic import TypeAdapter

    from annotator.nvr.tree import EventTree
    from annotator.scout import Probe

BUSY_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class WhichNumbers:
    """Down: what are the recorder's own numbers of these events of the store with this identity?"""

    events: tuple[Event, ...]
    expected_identity: str | None
    kind: Literal["which numbers"] = "which numbers"


@dataclass(frozen=True, slots=True)
class IsThere:
    """Down: does the store have these monitors, and these paths as a person types them (from here
    or from the root)?"""

    monitors: tuple[str, ...]
    paths: tuple[str, ...]
    kind: Literal["is there"] = "is there"


@dataclass(frozen=True, slots=True)
class WhichStore:
    """Down: which store is mounted?"""

    kind: Literal["which store"] = "which store"


@dataclass(frozen=True, slots=True)
class Numbers:
    """Up: of each event its number; None where nothing tells it."""

    numbers: tuple[str | None, ...]
    kind: Literal["numbers"] = "numbers"


@dataclass(frozen=True, slots=True)
class There:
    """Up: all is there; the paths, relative to the root."""

    paths: tuple[str, ...]
    kind: Literal["there"] = "there"


@dataclass(frozen=True, slots=True)
class NotThere:
    """Up: what is missing, and what to do."""

    message: str
    next_step: str
    kind: Literal["not there"] = "not there"


@dataclass(frozen=True, slots=True)
class Identity:
    """Up: what tells this store from others."""

    identity: str
    kind: Literal["identity"] = "identity"


Question = WhichNumbers | IsThere | WhichStore
Answer = Numbers | There | NotThere | Identity
Said = Answer | Busy | StoreLost
Expected = TypeVar("Expected", Numbers, There, Identity)


class Clerk:
    """The parent's side. Every question raises StoreUnavailable where the store cannot be asked,
    or does not answer."""

    def __init__(self, patience: Patience[Answer]) -> None:
        self._patience = patience

    def numbers(self, events: Sequence[Event], identity: str | None) -> tuple[str | None, ...]:
        """The recorder's number of each event; None where neither name nor store tells.

        Raises StoreUnavailable also for another store than that with this identity, if there is
        one: one that is not mounted knows no event.
        """
        return self._ask(WhichNumbers(tuple(events), identity), Numbers).numbers

    def on_the_spot(self, window: Window, paths: Sequence[Path]) -> Window:
        """The window with `paths` in it, as a person types them, relative to the root.

        Raises StoreError for a path or a monitor that the store does not have.
        """
        asked = IsThere(window.monitors, tuple(map(str, paths)))
        return replace(window, paths=self._ask(asked, There).paths)

    def identity(self) -> str:
        """What tells this store from others."""
        return self._ask(WhichStore(), Identity).identity

    def _ask(self, question: Question, expected: type[Expected]) -> Expected:
        answer = self._patience.ask(_questions().dump_json(question))
        if isinstance(answer, NotThere):
            raise StoreError(answer.message, answer.next_step)
        if not isinstance(answer, expected):
            raise StoreUnavailable("the store's answer is not one to the question", "try again")
        return answer


@contextmanager
def open_clerk(config: Config) -> Iterator[Clerk]:
    """For one command; its child ends with it."""
    from annotator.app.children import start_clerk

    child = start_clerk(config, Graveyard())
    patience: Patience[Answer] = Patience(child, SystemClock(), config.mount.stall_s)
    try:
        yield Clerk(patience)
    finally:
        patience.close()


def serve(connection: Connection, config: Config, probe: Probe) -> None:
    """The child's life: until the parent hangs up (EOFError), or the store is lost."""
    from annotator.nvr.numbers import EventNumbers
    from annotator.nvr.tree import open_tree

    def say(said: Said) -> None:
        connection.send_bytes(_answers().dump_json(said))

    tree = open_tree(config.store)
    numbers = EventNumbers(tree.root, _at_most_every(BUSY_EVERY_S, lambda: say(Busy())))
    try:
        while True:
            question = _questions().validate_json(connection.recv_bytes(MAX_MESSAGE_BYTES))
            match question:
                case WhichNumbers():
                    probe(question.expected_identity)
                    say(Numbers(tuple(map(numbers.of, question.events))))
                case IsThere():
                    say(_look(tree, question))
                case WhichStore():
                    say(Identity(probe(None)))
    except StoreUnavailable as error:
        say(StoreLost(str(error), error.next_step, is_other=False))


def _look(tree: EventTree, asked: IsThere) -> There | NotThere:
    """Raises StoreUnavailable."""
    tree.check()
    paths = []
    for typed in map(Path, asked.paths):
        path = tree.relative(typed.resolve() if typed.exists() else typed)
        if path is None or not (tree.root / path).exists():
            where = f"is not below the store {tree.root}" if path is None else "does not exist"
            return NotThere(
                f"{typed} {where}", "name a path inside the store, or another store with --store"
            )
        paths.append(path)
    known = [monitor.name for monitor in tree.monitors().monitors] if asked.monitors else []
    for name in asked.monitors:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there is: {', '.join(sorted(known))}"
            return NotThere(f"the store has no monitor {name!r}", hint)
    return There(tuple(paths))


def _at_most_every(seconds: float, act: Callable[[], None]) -> Callable[[], None]:
    due_s = time.monotonic() + seconds

    def now_and_then() -> None:
        nonlocal due_s
        if time.monotonic() >= due_s:
            due_s = time.monotonic() + seconds
            act()

    return now_and_then


def decode_said(message: bytes) -> Said:
    """Raises ValueError where the message is not one of ours."""
    return _answers().validate_json(message)


@cache
def _questions() -> TypeAdapter[Question]:
    from pydantic import Field, TypeAdapter

    return TypeAdapter(Annotated[Question, Field(discriminator="kind")])


@cache
def _answers() -> TypeAdapter[Said]:
    from pydantic import Field, TypeAdapter

    return TypeAdapter(Annotated[Said, Field(discriminator="kind")])
