"""The child processes that look at the store for the daemon, which never touches it itself.

One watches and beats, others walk through the tree once. Each may block in a dead mount for as
long as the kernel likes; its parent notices that it has fallen silent and starts another.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable
from multiprocessing.connection import Connection

from annotator.domain import Capture, Failure, FileStamp
from annotator.errors import StoreUnavailable
from annotator.ports import CaptureStore, Watch
from annotator.wire import (
    Appeared,
    Beat,
    Changed,
    Met,
    Report,
    StoreLost,
    Unlistable,
    Walked,
    Walking,
    Watching,
    encode_report,
)

BEAT_S = 1.0
MET_CAPTURES = 500
"""A walk's captures come in batches of about so many, which keeps messages and memory small."""


class OtherStore(StoreUnavailable):
    """Something answers, but it is not the store that captures were taken from."""


Probe = Callable[[str | None], str]
"""Asks the store a question that no cache can answer and compares it with the identity expected.

Gives the identity found. May block. Raises StoreUnavailable, OtherStore.
"""


def watch_for(
    connection: Connection, order: Watching, probe: Probe, make_watch: Callable[[], Watch]
) -> None:
    """Tell of new captures until the parent hangs up, the store is lost or the watch dies."""
    say = _speaker(connection)
    arrived: queue.SimpleQueue[Capture] = queue.SimpleQueue()
    try:
        identity = probe(order.expected_identity)
        watch = make_watch()
        watch.start(arrived.put)
        say(Beat(identity))
        beat_due_s = time.monotonic() + BEAT_S
        while watch.alive() and not _hung_up(connection):
            captures = _arrivals(arrived, beat_due_s - time.monotonic())
            if captures:
                say(Appeared(captures))
            if time.monotonic() >= beat_due_s:
                say(Beat(probe(identity)))
                beat_due_s = time.monotonic() + BEAT_S
    except StoreUnavailable as error:
        say(_lost(error))


def walk_for(
    connection: Connection,
    order: Walking,
    probe: Probe,
    store: CaptureStore,
    stamp: Callable[[Capture], FileStamp | None],
) -> None:
    """Tell of everything in the order's window, then Walked; or that the store is lost."""
    say = _speaker(connection)
    batch: list[Capture] = []
    events = 0

    def tell() -> None:
        nonlocal events
        say(Met(tuple(batch), events))
        batch.clear()
        events = 0

    try:
        probe(order.expected_identity)
        changed = [one.capture for one in order.unfinished if one.capture and _changed(one, stamp)]
        if changed:
            say(Changed(tuple(changed)))
        for found in store.walk(order.window):
            if isinstance(found, Failure):
                say(Unlistable(found))
                continue
            batch.extend(found[1])
            events += 1
            if len(batch) >= MET_CAPTURES:
                tell()
        tell()
        say(Walked())
    except StoreUnavailable as error:
        say(_lost(error))


def _changed(failure: Failure, stamp: Callable[[Capture], FileStamp | None]) -> bool:
    assert failure.capture is not None
    now = stamp(failure.capture)
    return now is not None and now != failure.stamp


def _arrivals(arrived: queue.SimpleQueue[Capture], patience_s: float) -> tuple[Capture, ...]:
    """What has come, once something has or the time is up."""
    captures = []
    try:
        captures.append(arrived.get(timeout=max(0.0, patience_s)))
        while len(captures) < MET_CAPTURES:
            captures.append(arrived.get_nowait())
    except queue.Empty:
        pass
    return tuple(captures)


def _hung_up(connection: Connection) -> bool:
    """A parent says nothing after its greeting, so whatever there is to read is the end."""
    return connection.poll(0)


def _speaker(connection: Connection) -> Callable[[Report], None]:
    return lambda report: connection.send_bytes(encode_report(report))


def _lost(error: StoreUnavailable) -> StoreLost:
    return StoreLost(str(error), error.next_step, is_other=isinstance(error, OtherStore))
