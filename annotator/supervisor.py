"""Workers: lease, dispatch, time out, restart, quarantine.

`turn` is one round and does everything; who calls it, how often and from where is the daemon's and
the backfill command's affair. The supervisor itself is small and pure Python: it never decodes,
never infers and never touches the store.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from multiprocessing.connection import Connection, wait
from socket import socket

from annotator.child import WorkerLost, WorkerProcess
from annotator.config import WatchSettings, WorkerSettings
from annotator.domain import Annotation, Failure, Lease, Origin, Reason
from annotator.errors import AnnotatorError, RuntimeUnavailable
from annotator.ports import AnnotationStore, Backlog, Clock
from annotator.wire import Answer, Broken, Done, NotReadable, Ready, Started, StoreGone, Task

FLUSH_RESULTS = 64
FLUSH_AFTER_S = 1.0
MAX_RESTART_DELAY_S = 60.0

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Progress:
    """What a supervisor has done since it was made."""

    annotated: int = 0
    failed: int = 0
    detections: int = 0
    restarts: int = 0
    reasons: dict[Reason, int] = field(default_factory=dict)


class Supervisor:
    """Feeds one worker from the backlog and writes down what it answers."""

    def __init__(
        self,
        backlog: Backlog,
        results: AnnotationStore,
        start_worker: Callable[[], WorkerProcess],
        worker: WorkerSettings,
        watch: WatchSettings,
        clock: Clock,
        *,
        store_pause_s: float = 5.0,
    ) -> None:
        self.progress = Progress()
        self._backlog = backlog
        self._results = results
        self._start_worker = start_worker
        self._settings = worker
        self._watch = watch
        self._clock = clock
        self._store_pause_s = store_pause_s
        self._worker: WorkerProcess | None = None
        self._ready = False
        self._deadline = 0.0
        self._deaths = 0
        self._not_before = 0.0
        self._in_flight: dict[int, Lease] = {}
        self._started: int | None = None
        self._annotations: list[Annotation] = []
        self._failures: list[Failure] = []
        self._unwritten_since = 0.0
        self._paused_until = 0.0
        self._store_gone = False

    @property
    def worker_pid(self) -> int | None:
        return self._worker.pid if self._worker else None

    @property
    def idle(self) -> bool:
        """Nothing is in hand and nothing is unwritten."""
        return not self._in_flight and not self._annotations and not self._failures

    def turn(self, timeout_s: float, wake: Sequence[socket] = ()) -> None:
        """One round; waits up to `timeout_s` for an answer or for one of `wake` to be readable.

        Raises AnnotatorError where no worker can ever be started, or nothing can be written.
        """
        self._ensure_worker()
        try:
            self._dispatch()
            self._collect(self._patience(timeout_s), wake)
            self._check_deadline()
        except WorkerLost as lost:
            self._bury(f"the worker {lost}", Reason.CRASHED)
        self._flush(force=not self._in_flight)

    def close(self) -> None:
        """Write what is known, put back what is in hand, end the worker."""
        try:
            self._flush(force=True)
            self._put_back(tuple(self._in_flight.values()), attempted=False)
            self._in_flight.clear()
        finally:
            if self._worker:
                self._worker.stop()
                self._worker = None

    # one round, step by step

    def _ensure_worker(self) -> None:
        now = self._clock.monotonic()
        if self._worker is None and now >= self._not_before:
            self._worker = self._start_worker()
            self._ready = False
            self._deadline = now + self._settings.start_timeout_s

    def _dispatch(self) -> None:
        room = 2 * self._settings.batch - len(self._in_flight)
        if not self._ready or self._worker is None or room < self._settings.batch:
            return
        if self._clock.monotonic() < self._paused_until:
            return
        # After an outage one capture goes first and finds out whether the store is back.
        leases = self._backlog.lease(1 if self._store_gone else self._settings.batch)
        if not leases:
            return
        if not self._in_flight:
            self._extend_deadline()
        self._in_flight.update((lease.id, lease) for lease in leases)
        self._worker.send(tuple(Task(lease.id, lease.capture) for lease in leases))

    def _patience(self, timeout_s: float) -> float:
        now = self._clock.monotonic()
        if self._worker is None:
            return max(0.0, min(timeout_s, self._not_before - now))
        if self._in_flight or not self._ready:
            return max(0.0, min(timeout_s, self._deadline - now))
        return timeout_s

    def _collect(self, timeout_s: float, wake: Sequence[socket]) -> None:
        sources: list[socket | Connection] = [*wake]
        if self._worker:
            sources.append(self._worker.connection)
        if not sources:
            self._clock.sleep(timeout_s)
            return
        wait(sources, timeout_s)
        if self._worker:
            for answer in self._worker.answers():
                self._take(answer)

    def _check_deadline(self) -> None:
        if self._worker is None or self._clock.monotonic() < self._deadline:
            return
        if not self._ready:
            self._bury("the worker did not get ready in time", Reason.TIMED_OUT)
        elif self._in_flight:
            limit_s = self._settings.capture_timeout_s
            self._bury(f"a capture took longer than {limit_s:g} s", Reason.TIMED_OUT)

    def _take(self, answer: Answer) -> None:
        self._extend_deadline()
        match answer:
            case Ready():
                self._ready = True
            case Broken():
                self._worker_is_useless(answer)
            case Started():
                self._started = answer.id
                return
            case StoreGone():
                self._store_is_gone(answer)
            case Done():
                self._in_flight.pop(answer.id, None)
                self._deaths = 0
                self._store_is_back()
                self._keep(annotation=answer.annotation)
            case NotReadable():
                lease = self._in_flight.pop(answer.id, None)
                self._store_is_back()
                if lease is not None:
                    self._not_readable(lease, answer)
        self._started = None

    def _flush(self, *, force: bool) -> None:
        unwritten = len(self._annotations) + len(self._failures)
        waited_s = self._clock.monotonic() - self._unwritten_since
        if not unwritten or not (force or unwritten >= FLUSH_RESULTS or waited_s >= FLUSH_AFTER_S):
            return
        self._results.record(self._annotations, self._failures)
        self.progress.annotated += len(self._annotations)
        self.progress.failed += len(self._failures)
        self.progress.detections += sum(len(one.detections) for one in self._annotations)
        for failure in self._failures:
            reasons = self.progress.reasons
            reasons[failure.reason] = reasons.get(failure.reason, 0) + 1
        self._annotations, self._failures = [], []

    # what may happen

    def _keep(
        self, *, annotation: Annotation | None = None, failure: Failure | None = None
    ) -> None:
        if not self._annotations and not self._failures:
            self._unwritten_since = self._clock.monotonic()
        if annotation:
            self._annotations.append(annotation)
        if failure:
            self._failures.append(failure)

    def _not_readable(self, lease: Lease, answer: NotReadable) -> None:
        if not answer.final and self._may_be_unfinished(lease, answer.age_s):
            self._put_back((lease,), attempted=False, delay_s=self._watch.settle_s)
            return
        self._fail(lease, answer.reason, answer.message)

    def _may_be_unfinished(self, lease: Lease, age_s: float | None) -> bool:
        waited_s = (self._clock.now() - lease.added_at).total_seconds()
        if lease.origin is Origin.LIVE or age_s is None:
            return waited_s < self._watch.incomplete_timeout_s
        # An old file of the archive is as finished as it will ever be.
        return max(waited_s, age_s) < self._watch.incomplete_timeout_s

    def _fail(self, lease: Lease, reason: Reason, message: str) -> None:
        log.warning("%s: %s", lease.capture.path, message)
        self._keep(
            failure=Failure(lease.capture.path, reason, message, lease.capture, lease.attempts)
        )

    def _store_is_gone(self, answer: StoreGone) -> None:
        lease = self._in_flight.pop(answer.id, None)
        if lease is not None:
            self._put_back((lease,), attempted=False)
        self._pause(answer.message)

    def _pause(self, why: str) -> None:
        if not self._store_gone:
            log.warning("the store cannot be reached, captures wait: %s", why)
        self._store_gone = True
        self._paused_until = self._clock.monotonic() + self._store_pause_s

    def _store_is_back(self) -> None:
        if self._store_gone:
            log.info("the store is back")
        self._store_gone = False

    def _worker_is_useless(self, answer: Broken) -> None:
        error = AnnotatorError(answer.message, answer.next_step)
        error.exit_code = answer.exit_code
        raise error

    def _bury(self, what: str, reason: Reason) -> None:
        """End the worker; blame the capture it had in hand, if it had begun with it."""
        assert self._worker is not None
        log.warning("%s; starting another", what)
        self._worker.kill()
        self._worker = None
        self.progress.restarts += 1
        self._deaths += 1
        if not self._ready and self._deaths > self._settings.max_attempts:
            raise RuntimeUnavailable(
                f"no worker can be started: {what}",
                "look at the messages above, then try `annotator detect` on one picture",
            )
        blamed = self._in_flight.pop(self._started, None) if self._started is not None else None
        if self._ready and self._started is None and reason is Reason.TIMED_OUT:
            self._pause("reading from it hangs")
        self._started = None
        if blamed is not None:
            if blamed.attempts >= self._settings.max_attempts:
                self._fail(blamed, reason, f"{what}, {blamed.attempts} times")
            else:
                self._put_back((blamed,), attempted=True)
        self._put_back(tuple(self._in_flight.values()), attempted=False)
        self._in_flight.clear()
        # At once after the first death, then ever slower: no restart storm.
        delay_s = min(MAX_RESTART_DELAY_S, 2.0 ** (self._deaths - 2)) if self._deaths > 1 else 0.0
        self._not_before = self._clock.monotonic() + delay_s

    def _put_back(self, leases: Sequence[Lease], *, attempted: bool, delay_s: float = 0.0) -> None:
        if leases:
            not_before = self._clock.now() + timedelta(seconds=delay_s) if delay_s else None
            self._backlog.give_back(leases, not_before=not_before, attempted=attempted)

    def _extend_deadline(self) -> None:
        self._deadline = self._clock.monotonic() + self._settings.capture_timeout_s
