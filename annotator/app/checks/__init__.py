"""What `annotator doctor` checks; a module per part of the house."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from annotator.config import Config
from annotator.errors import EXIT_OK, AnnotatorError, DatabaseError

if TYPE_CHECKING:
    from annotator.app.stations import Inventory
    from annotator.child import Graveyard
    from annotator.inference.nodes import Node
    from db.lock import LockHolder


class State(StrEnum):
    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at, how it is, what was found and what to do.

    `exit_code` is that of the error which a problem would be elsewhere (see `annotator.errors`).
    """

    name: str
    state: State
    found: str
    next_step: str = ""
    exit_code: int = EXIT_OK


def ok(name: str, found: str) -> Check:
    return Check(name, State.OK, found)


def skipped(name: str, why: str) -> Check:
    return Check(name, State.SKIPPED, why)


def warning(name: str, found: str, next_step: str) -> Check:
    return Check(name, State.WARNING, found, next_step)


def problem(name: str, error: AnnotatorError) -> Check:
    return Check(name, State.PROBLEM, str(error), error.next_step, error.exit_code)


class Patient:
    """The installation that is looked at; what several checks need is asked for once.

    `source` is the file that the configuration was read from.
    """

    def __init__(self, config: Config, source: Path | None = None) -> None:
        from annotator.child import Graveyard

        self.config = config
        self.source = source
        self.graveyard: Graveyard = Graveyard()

    @cached_property
    def inventory(self) -> Inventory:
        from annotator.app.stations import take_inventory

        return take_inventory(self.config.inference.edgetpu_library, self.graveyard)

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        from annotator.inference.nodes import nodes

        return nodes()

    @cached_property
    def running(self) -> LockHolder | None:
        """The annotator that works on the configured database, if one does."""
        from db.lock import holder

        try:
            return holder(self.config.database_path)
        except DatabaseError:  # told by the check of the database
            return None


Checker = Callable[[Patient], Iterator[Check]]
"""Looks at one thing. May raise: an AnnotatorError is the problem that it found."""
