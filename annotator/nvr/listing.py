"""What is found in the tree, as values: its monitors, and what one directory holds."""

from __future__ import annotations

from dataclasses import dataclass

from annotator.domain import Capture, Event, Failure
from annotator.nvr.layout import Branch, Monitor


@dataclass(frozen=True, slots=True)
class Roll:
    """The monitors of a store, by name; `failures` are entries of the root that cannot be one."""

    monitors: tuple[Monitor, ...]
    failures: tuple[Failure, ...]


@dataclass(frozen=True, slots=True)
class Listing:
    """What one directory holds.

    `captures` are by frame, `branches` (directories that may hold more) in no order; `failures`
    are entries whose names cannot be used.
    """

    event: Event
    captures: tuple[Capture, ...]
    branches: tuple[Branch, ...]
    failures: tuple[Failure, ...]
