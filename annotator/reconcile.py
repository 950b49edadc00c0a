"""Tree minus database: one mechanism for start-up, a lost mount, a missed event and backfill."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from annotator.domain import Capture, Failure, Origin, Window
from annotator.ports import AnnotationStore, Backlog, CaptureStore

# A transaction per event would wear an SD card; one per thousand captures keeps memory small.
BATCH_CAPTURES = 1000

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Reconciled:
    """What a walk has met so far; `added` are the captures that the database did not know."""

    events: int = 0
    captures: int = 0
    added: int = 0
    unreadable: int = 0


def reconcile(
    store: CaptureStore,
    backlog: Backlog,
    results: AnnotationStore,
    window: Window,
    origin: Origin,
    *,
    so_far: Reconciled | None = None,
    stopping: Callable[[], bool] = lambda: False,
) -> Reconciled:
    """Make every capture of the window wait that the database has never met.

    `so_far` is brought up to date as the walk goes on, for a progress bar in another thread;
    `stopping` is asked once per event. Raises StoreUnavailable.
    """
    met = so_far if so_far is not None else Reconciled()
    batch: list[Capture] = []

    def hand_over() -> None:
        met.added += backlog.add(batch, origin)
        results.clear_directory_failures({capture.event.directory for capture in batch})
        batch.clear()

    store.check()
    for found in store.walk(window):
        if stopping():
            break
        if isinstance(found, Failure):
            met.unreadable += 1
            log.warning("%s: %s", found.path, found.message)
            results.record((), (found,))
            continue
        _, captures = found
        met.events += 1
        met.captures += len(captures)
        batch.extend(captures)
        if len(batch) >= BATCH_CAPTURES:
            hand_over()
    hand_over()
    return met
