"""Tree minus database: one mechanism for start-up, a lost mount, a missed event and backfill."""

from __future__ import annotations

import logging
from multiprocessing.connection import Connection

from annotator.admission import admit
from annotator.config import Config
from annotator.domain import Capture, Failure, Origin
from annotator.outposts import Walk
from annotator.ports import AnnotationStore, Backlog
from annotator.wire import StoreLost

log = logging.getLogger(__name__)


class Reconciliation:
    """One walk whose captures become the backlog's; `turn` takes in a little and never blocks."""

    def __init__(
        self, walk: Walk, backlog: Backlog, results: AnnotationStore, origin: Origin, config: Config
    ) -> None:
        self.added = 0
        self._walk = walk
        self._backlog = backlog
        self._results = results
        self._origin = origin
        self._config = config

    @property
    def running(self) -> bool:
        return self._walk.running

    @property
    def lost(self) -> StoreLost | None:
        """Why the walk did not come to its end."""
        return self._walk.lost

    @property
    def captures(self) -> int:
        return self._walk.progress.captures

    @property
    def events(self) -> int:
        return self._walk.progress.events

    @property
    def unlistable(self) -> int:
        return self._walk.progress.unlistable

    @property
    def connection(self) -> Connection | None:
        return self._walk.connection

    def turn(self) -> None:
        self._walk.turn(self._met, self._changed, self._unlistable)

    def stop(self) -> None:
        self._walk.stop()

    def _met(self, captures: tuple[Capture, ...]) -> None:
        self.added += admit(captures, self._origin, self._backlog, self._config)
        self._results.clear_directory_failures({one.event.directory for one in captures})

    def _changed(self, captures: tuple[Capture, ...]) -> None:
        self.added += self._backlog.take_up_again(captures)

    def _unlistable(self, failure: Failure) -> None:
        log.warning("%s: %s", failure.path, failure.message)
        self._results.record((), (failure,))
