"""What is told, and what telling needs of the world: a book to keep it in, and who carries it out.

A notice is what one rule has to say of one event (and one person); a delivery is one notice on its
way to one target.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, Protocol

from annotator.domain import Sighting


class Key(NamedTuple):
    """What rings once: a rule, an event's directory, and a person, "" where it is about none."""

    rule: str
    event: str
    person: str


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to tell.

    `sighting.path` is relative to the store's root. `person` is "" where the rule is not about
    names. `id` is the same for every target and every try, 0 before it is in the book. A `test` is
    made up.
    """

    rule: str
    person: str
    sighting: Sighting
    raised_at: datetime
    id: int = 0
    test: bool = False

    @property
    def key(self) -> Key:
        return Key(self.rule, self.sighting.path.rpartition("/")[0], self.person)


@dataclass(frozen=True, slots=True)
class Delivery:
    """A notice on its way; `attempts` were made, and it is not tried before `due_at`."""

    notice: Notice
    target: str
    attempts: int
    due_at: datetime


@dataclass(frozen=True, slots=True)
class RuleRecord:
    """What became of one rule's notices, as far back as the book goes; `last` is the newest."""

    rule: str
    notices: int
    last: Notice
    waiting: int
    failed: int


@dataclass(frozen=True, slots=True)
class Undelivered:
    """What waits for one target, or was given up; `why` the newest try failed."""

    target: str
    waiting: int
    failed: int
    why: str = ""


class NoticeBook(Protocol):
    """What was told and what is still to tell; survives a power cut."""

    def mark(self) -> int | None:
        """How far sightings were looked at (see `SightingQueries.sightings_since`); None before
        the first time."""

    def file(self, notices: Sequence[Notice], mark: int) -> tuple[Notice, ...]:
        """Keep notices to be delivered, each when its rule has waited, and the mark, in one
        transaction.

        The notices that are new, with their ids; one whose key is known already is left out.
        """

    def known(self, keys: Sequence[Key]) -> frozenset[Key]:
        """Those that have rung."""

    def last_rung(self) -> Mapping[tuple[str, str], datetime]:
        """By rule and person, when the newest sighting was taken that they rang for."""

    def next_for(self, target: str) -> Delivery | None:
        """Of what waits for a target, what is due first."""

    def delivered(self, delivery: Delivery) -> None: ...

    def put_off(self, delivery: Delivery, until: datetime, why: str) -> None:
        """It was tried in vain and is tried again then."""

    def give_up(self, delivery: Delivery, why: str) -> None: ...

    def withdraw(self, delivery: Delivery) -> None:
        """It is not told; where nobody was told at all, it never rang and may ring again."""

    def give_up_others(self, targets: Sequence[str]) -> int:
        """Give up what waits for any other target: nobody delivers to it any more. How many."""

    def forget(self, before: datetime) -> int:
        """Forget notices raised before then of which nothing waits; how many."""

    def rules(self) -> tuple[RuleRecord, ...]:
        """Of every rule that ever rang, by name."""

    def undelivered(self) -> tuple[Undelivered, ...]:
        """Of every target for which something waits or was given up, by name."""


class Deliverer(Protocol):
    """Carries notices to one target. Called from one thread."""

    def deliver(self, notice: Notice, picture: bytes | None) -> None:
        """Returns once the target has it. Takes a bounded time. `picture` is a JPEG.

        Raises DeliveryError.
        """

    def tend(self) -> None:
        """Called every half a minute or so, to keep up a connection. Raises DeliveryError."""

    def close(self) -> None:
        """Returns soon, also while another thread waits in `deliver`."""


@dataclass(frozen=True, slots=True)
class Vitals:
    """How the daemon is, for whoever shows that beside the notices. `store` is a MountState."""

    store: str
    waiting: int
    annotated_per_minute: float
    stood_in_for: tuple[str, ...] = ()


Pictures = Callable[[Notice], bytes | None]
"""A notice's picture as a JPEG; None where it cannot be had in a few seconds."""


class Outcome(StrEnum):
    """What happens to notices, as it is counted."""

    RAISED = "raised"
    DELIVERED = "delivered"
    WITHDRAWN = "withdrawn"
    """Before it was told, later captures said that it was somebody else."""
    FAILED = "failed"
    """A try that is made again."""
    GIVEN_UP = "given up"
    TOO_OLD = "too old"


class Tally(Protocol):
    """Counts what happens to notices. Called from any thread."""

    def count(self, rule: str, outcome: Outcome, times: int = 1) -> None: ...
