"""What the pages need from the rest of the program; `annotator.app.browsing` puts it together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from annotator.domain import BoundingBox, Capture, Event, Sighting

if TYPE_CHECKING:
    from annotator.ports import SightingQueries


class Lookup(Protocol):
    """What is in the database, by name. Never touches the store."""

    def connect(self) -> Any:
        """A new sqlite3.Connection that can only read, and no embedding; for any one thread."""

    def capture(self, path: str) -> Capture | None:
        """The capture with this path below the store's root, if the database has met it."""

    def event(self, directory: str) -> Event | None:
        """The event with this directory below the store's root, if the database has met it."""

    def numbered_event(self, event_id: int) -> Event | None:
        """The event with this `event_id`."""

    def monitors(self) -> tuple[str, ...]: ...

    def labels(self) -> tuple[str, ...]: ...

    def names(self) -> tuple[str, ...]:
        """Everybody whom a face is said to be."""


class Pictures(Protocol):
    """Makes JPEGs of captures; safe to call from several threads, and never waits long."""

    def make(
        self,
        capture: Capture,
        seen: tuple[Sighting, ...],
        width_px: int | None,
        cut: BoundingBox | None,
    ) -> bytes:
        """The capture with what was seen drawn on it, at most `width_px` wide, or a square cut-out.

        Raises CaptureUnreadable, and StoreUnavailable where the store does not answer in time.
        """

    def close(self) -> None:
        """Whoever waits for a picture gets StoreUnavailable soon."""


@dataclass(frozen=True, slots=True)
class Material:
    """Everything that the pages are made of."""

    questions: SightingQueries
    lookup: Lookup
    pictures: Pictures
