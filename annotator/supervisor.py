"""Workers: lease, dispatch, time out, restart, quarantine.

`turn` is one round and does everything; who calls it, how often and from where is the daemon's and
the backfill command's affair. The supervisor itself is small and pure Python: it never decodes,
never infers and never touches the store.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from multiprocessing.connection import Connection, wait
from socket import socket

from annotator.child import Child, ChildLost
from annotator.config import WatchSettings, WorkerSettings
from annotator.domain import Annotation, Failure, Lease, Origin, Reason, Station
from annotator.errors import DatabaseUnwritable, RuntimeUnavailable
from annotator.ladder import Ladder
from annotator.measures import Durations
from annotator.ports import AnnotationStore, Backlog, Clock
from annotator.wire import (
    Answer,
    Broken,
    Done,
    FacesLost,
    NotReadable,
    Ready,
    Started,
    StoreGone,
    Task,
    Unplugged,
    encode_tasks,
)

FLUSH_RESULTS = 64
FLUSH_AFTER_S = 1.0
RETRY_WRITE_S = 5.0
VANISHED_FOR_S = 5.0
"""A capture counts as vanished when it is still not there after so long with the store online all
along: a store that is swapped or unmounted shows within a beat or two."""
MAX_RESTART_DELAY_S = 60.0

log = logging.getLogger(__name__)

StartWorker = Callable[[Station], Child[Answer]]
"""Starts a worker, or a probe, at a station."""


@dataclass(slots=True)
class Progress:
    """What a supervisor has done since it was made.

    `latency` is of live captures: from when they were taken until their annotation was written.
    """

    annotated: int = 0
    failed: int = 0
    detections: int = 0
    restarts: int = 0
    latency: Durations = field(default_factory=Durations)
    reasons: dict[Reason, int] = field(default_factory=dict)
    delegates: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Post:
    """One worker's place: who works there, what is in hand, and when the next may start.

    `held` is leased and not handed over yet; of `in_flight`, `started` has been read and not
    answered, oldest first. `probe` tries the device that the CPU stands in for.
    """

    ladder: Ladder
    worker: Child[Answer] | None = None
    probe: Child[Answer] | None = None
    ready: bool = False
    deadline_s: float = 0.0
    probe_deadline_s: float = 0.0
    deaths: int = 0
    start_due_s: float = 0.0
    held: deque[Lease] = field(default_factory=deque)
    in_flight: dict[int, Lease] = field(default_factory=dict)
    started: list[int] = field(default_factory=list)
    leaving: bool = False

    @property
    def leases(self) -> tuple[Lease, ...]:
        return (*self.in_flight.values(), *self.held)


@dataclass(frozen=True, slots=True)
class _Return:
    """Captures on their way back to the backlog."""

    leases: tuple[Lease, ...]
    attempted: bool
    not_before: datetime | None


class Supervisor:
    """Feeds a worker at each station from the backlog and writes down what they answer.

    An Edge TPU that fails has its place taken by the CPU until it is back; see `annotator.ladder`.
    """

    def __init__(
        self,
        backlog: Backlog,
        results: AnnotationStore,
        start_worker: StartWorker,
        start_probe: StartWorker,
        worker: WorkerSettings,
        watch: WatchSettings,
        clock: Clock,
        *,
        stations: Sequence[Station] = (Station(),),
        device_retry_s: float = 30.0,
        store_pause_s: float = 5.0,
        vanished_for_s: float = VANISHED_FOR_S,
    ) -> None:
        self.progress = Progress()
        self._backlog = backlog
        self._results = results
        self._start_worker = start_worker
        self._start_probe = start_probe
        self._settings = worker
        self._watch = watch
        self._clock = clock
        self._store_pause_s = store_pause_s
        self._vanished_for_s = vanished_for_s
        self._posts = [_Post(Ladder(station, device_retry_s)) for station in stations]
        self._annotations: list[Annotation] = []
        self._live_at: list[datetime] = []
        self._failures: list[Failure] = []
        self._returns: list[_Return] = []
        self._unwritten_since_s = 0.0
        self._write_due_s = 0.0
        self._paused_until_s = 0.0
        self._store_gone = False
        self._store_online = True
        self._missed_at_s: dict[str, float] = {}

    @property
    def worker_pids(self) -> tuple[int, ...]:
        return tuple(post.worker.pid for post in self._posts if post.worker)

    @property
    def stations(self) -> tuple[Station, ...]:
        """Where the workers belong, whoever stands in for them now."""
        return tuple(post.ladder.home for post in self._posts)

    @property
    def stations_now(self) -> tuple[Station, ...]:
        """Where they work now."""
        return tuple(post.ladder.station for post in self._posts)

    @property
    def stood_in_for(self) -> tuple[str, ...]:
        """The devices that are away, and whose work the CPU does."""
        return tuple(str(post.ladder.home) for post in self._posts if post.ladder.station.fallback)

    @property
    def idle(self) -> bool:
        """Nothing is in hand and nothing is unwritten."""
        in_hand = self._returns or any(post.leases for post in self._posts)
        return not in_hand and not self._annotations and not self._failures

    @property
    def stuck(self) -> bool:
        """Results wait to be written and cannot be: the disk is full, or the like."""
        return self._write_due_s > 0

    def turn(
        self,
        timeout_s: float,
        wake: Sequence[socket | Connection] = (),
        *,
        store_online: bool = True,
    ) -> None:
        """One round; waits up to `timeout_s` for an answer or for one of `wake` to be readable.

        While the store is not online nothing new is handed out, and nobody is blamed for waiting
        for its bytes. Raises AnnotatorError where no worker can ever be started.
        """
        self._store_online = store_online
        if not store_online:
            self._missed_at_s.clear()
        for post in self._posts:
            self._look_home(post)
            self._staff(post)
            self._guarded(post, self._dispatch)
        self._wait(timeout_s, wake)
        for post in self._posts:
            self._guarded(post, self._collect)
            self._check_deadline(post)
        self._flush(force=not any(post.in_flight for post in self._posts))

    def close(self) -> None:
        """Write what is known, put back what is in hand, end the workers."""
        try:
            for post in self._posts:
                self._clear(post)
            self._flush(force=True)
        finally:
            for post in self._posts:
                self._end_probe(post)
                if post.worker:
                    post.worker.stop()
                    post.worker = None

    # one round, step by step

    def _staff(self, post: _Post) -> None:
        now_s = self._clock.monotonic()
        if post.worker is None and now_s >= post.start_due_s:
            post.worker = self._start_worker(post.ladder.station)
            post.ready = False
            # A device that hung may hang again; by now everything else is in the page cache.
            patient = not post.ladder.in_trouble
            settings = self._settings
            post.deadline_s = now_s + (
                settings.start_timeout_s if patient else settings.capture_timeout_s
            )

    def _look_home(self, post: _Post) -> None:
        """Try the device that the CPU stands in for; go back to it once nothing is in hand."""
        ladder, now_s = post.ladder, self._clock.monotonic()
        if post.probe is None and not post.leaving and ladder.is_due(now_s):
            post.probe = self._start_probe(ladder.home)
            post.probe_deadline_s = now_s + self._settings.capture_timeout_s
        if post.probe is not None:
            try:
                answers = post.probe.messages(most=1)
            except ChildLost as lost:
                answers = [Unplugged(str(lost), "")]
            if answers and isinstance(answers[0], Ready):
                self._end_probe(post)
                post.leaving = True
            elif answers or now_s >= post.probe_deadline_s:
                self._end_probe(post)
                ladder.failed_again(now_s)
        if post.leaving and not post.in_flight:
            post.leaving = False
            log.info("the %s answers again and takes over from the CPU", ladder.home)
            ladder.return_home()
            self._dismiss(post)

    def _end_probe(self, post: _Post) -> None:
        if post.probe is not None:
            post.probe.kill()
            post.probe = None

    def _dispatch(self, post: _Post, worker: Child[Answer]) -> None:
        if not post.ready or post.leaving or self.stuck:
            return
        if not self._store_online or self._clock.monotonic() < self._paused_until_s:
            return
        if not post.held and len(post.in_flight) <= self._settings.batch:
            # After an outage one capture goes first and finds out whether the store is back.
            try:
                post.held += self._backlog.lease(1 if self._store_gone else self._settings.batch)
            except DatabaseUnwritable as error:
                self._cannot_write(error)
                return
        leases = self._next_of(post)
        if not leases:
            return
        if not post.in_flight:
            self._extend_deadline(post)
        post.in_flight.update((lease.id, lease) for lease in leases)
        # Two batches are all that is ever unanswered, so the socket never fills.
        worker.send(encode_tasks(tuple(Task(lease.id, lease.capture) for lease in leases)))

    def _next_of(self, post: _Post) -> list[Lease]:
        """What may be handed over now. A capture that may have taken down a worker goes alone, so
        that the next time it is plain which one it was."""
        leases: list[Lease] = []
        if any(lease.attempts > 1 for lease in post.in_flight.values()):
            return leases
        while post.held:
            if post.held[0].attempts > 1:
                if not leases and not post.in_flight:
                    leases.append(post.held.popleft())
                break
            leases.append(post.held.popleft())
        return leases

    def _wait(self, timeout_s: float, wake: Sequence[socket | Connection]) -> None:
        now_s = self._clock.monotonic()
        sources: list[socket | Connection] = list(wake)
        for post in self._posts:
            if post.worker is None:
                timeout_s = min(timeout_s, post.start_due_s - now_s)
                continue
            sources.append(post.worker.connection)
            if post.probe is not None:
                sources.append(post.probe.connection)
            if post.in_flight or not post.ready:
                timeout_s = min(timeout_s, post.deadline_s - now_s)
        if sources:
            wait(sources, max(0.0, timeout_s))
        else:
            self._clock.sleep(max(0.0, timeout_s))

    def _collect(self, post: _Post, worker: Child[Answer]) -> None:
        for answer in worker.messages():
            self._take(post, answer)

    def _check_deadline(self, post: _Post) -> None:
        if post.worker is None or self._clock.monotonic() < post.deadline_s:
            return
        if not post.ready:
            self._bury(post, "the worker did not get ready in time", Reason.TIMED_OUT)
        elif post.in_flight:
            if not post.started and not self._store_online:
                self._extend_deadline(post)  # its bytes do not come: not its fault
                return
            limit_s = self._settings.capture_timeout_s
            self._bury(post, f"a capture took longer than {limit_s:g} s", Reason.TIMED_OUT)

    def _take(self, post: _Post, answer: Answer) -> None:
        self._extend_deadline(post)
        match answer:
            case Ready():
                post.ready = True
            case Broken():
                self._broken(post, answer)
            case Unplugged():
                self._unplugged(post, answer)
            case Started():
                post.started.append(answer.id)
            case StoreGone():
                lease = self._answered(post, answer.id)
                if lease is not None:
                    self._put_back((lease,), attempted=False)
                self._pause(answer.message)
            case FacesLost():
                lease = self._answered(post, answer.id)
                self.progress.restarts += 1
                if lease is not None:
                    self._blame(lease, answer.reason, answer.message)
            case Done():
                lease = self._answered(post, answer.id)
                post.deaths = 0
                post.ladder.worked()
                self._store_is_back()
                self._keep(annotation=answer.annotation)
                if lease is not None and lease.origin is Origin.LIVE:
                    self._live_at.append(answer.annotation.captured_at)
            case NotReadable():
                lease = self._answered(post, answer.id)
                self._store_is_back()
                if lease is not None:
                    self._not_readable(lease, answer)

    def _answered(self, post: _Post, lease_id: int) -> Lease | None:
        if lease_id in post.started:
            post.started.remove(lease_id)
        return post.in_flight.pop(lease_id, None)

    def _flush(self, *, force: bool) -> None:
        unwritten = len(self._annotations) + len(self._failures)
        now_s = self._clock.monotonic()
        due = force or unwritten >= FLUSH_RESULTS
        due = due or now_s - self._unwritten_since_s >= FLUSH_AFTER_S
        if now_s < self._write_due_s or not (self._returns or (unwritten and due)):
            return
        try:
            while self._returns:
                back = self._returns[0]
                self._backlog.give_back(
                    back.leases, not_before=back.not_before, attempted=back.attempted
                )
                self._returns.pop(0)
            if unwritten and due:
                self._results.record(self._annotations, self._failures)
                self._count()
                self._annotations, self._failures, self._live_at = [], [], []
        except DatabaseUnwritable as error:
            self._cannot_write(error)
            return
        if self.stuck:
            log.info("the database can be written again")
        self._write_due_s = 0.0

    # what may happen

    def _guarded(self, post: _Post, step: Callable[[_Post, Child[Answer]], None]) -> None:
        if post.worker is None:
            return
        try:
            step(post, post.worker)
        except ChildLost as lost:
            self._bury(post, f"the worker {lost}", Reason.CRASHED)

    def _cannot_write(self, error: DatabaseUnwritable) -> None:
        if not self.stuck:
            log.warning("%s; work waits: %s", error, error.next_step)
        self._write_due_s = self._clock.monotonic() + RETRY_WRITE_S

    def _count(self) -> None:
        progress = self.progress
        progress.annotated += len(self._annotations)
        progress.failed += len(self._failures)
        progress.detections += sum(len(one.detections) for one in self._annotations)
        now = self._clock.now()
        for captured_at in self._live_at:
            progress.latency.add(max(0.0, (now - captured_at).total_seconds()))
        progress.delegates = {one.provenance.delegate for one in self._annotations} or (
            progress.delegates
        )
        for failure in self._failures:
            progress.reasons[failure.reason] = progress.reasons.get(failure.reason, 0) + 1

    def _keep(
        self, *, annotation: Annotation | None = None, failure: Failure | None = None
    ) -> None:
        if not self._annotations and not self._failures:
            self._unwritten_since_s = self._clock.monotonic()
        if annotation:
            self._annotations.append(annotation)
        if failure:
            self._failures.append(failure)

    def _not_readable(self, lease: Lease, answer: NotReadable) -> None:
        written_at = answer.stamp.modified_at if answer.stamp else None
        if not answer.final and self._may_be_unfinished(lease, written_at):
            self._put_back((lease,), attempted=False, delay_s=self._watch.settle_s)
            return
        if answer.reason is Reason.VANISHED and not self._has_vanished(lease.capture.path):
            self._put_back((lease,), attempted=False, delay_s=self._vanished_for_s)
            return
        log.debug("%s: %s", lease.capture.path, answer.message)
        self._fail(lease, answer)

    def _has_vanished(self, path: str) -> bool:
        """Whether it was missed before, long enough ago, and the store was online ever since."""
        now_s = self._clock.monotonic()
        missed_at_s = self._missed_at_s.setdefault(path, now_s)
        if not self._store_online or now_s - missed_at_s < self._vanished_for_s:
            return False
        del self._missed_at_s[path]
        return True

    def _may_be_unfinished(self, lease: Lease, written_at: datetime | None) -> bool:
        now = self._clock.now()
        ages_s = [(now - lease.added_at).total_seconds()]
        if lease.origin is not Origin.LIVE and written_at is not None:
            # An old file of the archive is as finished as it will ever be.
            ages_s.append((now - written_at).total_seconds())
        return max(ages_s) < self._watch.incomplete_timeout_s

    def _fail(self, lease: Lease, answer: NotReadable) -> None:
        capture = lease.capture
        self._keep(
            failure=Failure(
                capture.path,
                answer.reason,
                answer.message,
                capture,
                lease.attempts,
                answer.stamp,
            )
        )

    def _pause(self, why: str) -> None:
        if not self._store_gone:
            log.warning("the store cannot be reached, captures wait: %s", why)
        self._store_gone = True
        self._paused_until_s = self._clock.monotonic() + self._store_pause_s

    def _store_is_back(self) -> None:
        if self._store_gone:
            log.info("captures can be read again")
        self._store_gone = False

    def _broken(self, post: _Post, answer: Broken) -> None:
        """No worker can ever work here: the end, unless it only stands in for a device."""
        if not post.ladder.station.fallback:
            raise answer.error()
        home = post.ladder.home
        log.warning("the CPU cannot stand in for the %s: %s", home, answer.message)
        post.ladder.return_home()
        post.deaths += 1
        self._dismiss(post)
        self._slow_down(post)

    def _unplugged(self, post: _Post, answer: Unplugged) -> None:
        """Its device failed, although it was loaded anew; nothing in hand is to blame."""
        log.warning("the %s failed: %s", post.ladder.station, answer.message)
        self._climb(post, missing=not post.ready)
        self._dismiss(post)

    def _climb(self, post: _Post, *, missing: bool) -> None:
        post.deaths += 1
        self.progress.restarts += 1
        self._slow_down(post)
        now_s = self._clock.monotonic()
        if post.ladder.lost(now_s, missing=missing):
            log.warning("the CPU stands in for the %s, which is tried again", post.ladder.home)
            post.start_due_s = now_s

    def _bury(self, post: _Post, what: str, reason: Reason) -> None:
        """End the worker; blame the capture it had in hand, if it had begun with it."""
        assert post.worker is not None
        log.warning("%s; starting another", what)
        suspects = [post.in_flight[one] for one in post.started if one in post.in_flight]
        if reason is Reason.TIMED_OUT:
            if post.ready and not suspects:
                self._pause("reading from it hangs")
            del suspects[1:]  # answers come in order, so it is the oldest that hangs
        if post.ladder.station.delegate == "edgetpu" and (suspects or not post.ready):
            # A device in trouble aborts or hangs its process. Whoever takes the CPU down too is
            # to blame.
            self._climb(post, missing=not post.ready)
            self._dismiss(post)
            return
        self.progress.restarts += 1
        post.deaths += 1
        if not post.ready and post.deaths > self._settings.max_attempts:
            raise RuntimeUnavailable(
                f"no worker can be started: {what}",
                "look at the messages above, then try `annotator detect` on one picture",
            )
        for suspect in suspects:
            del post.in_flight[suspect.id]
        if len(suspects) == 1:
            if self._blame(suspects[0], reason, what):
                post.deaths = 0
        else:
            self._put_back(tuple(suspects), attempted=True)
        self._dismiss(post)
        self._slow_down(post)

    def _slow_down(self, post: _Post) -> None:
        """At once after the first death, then ever slower: no restart storm."""
        delay_s = min(MAX_RESTART_DELAY_S, 2.0 ** (post.deaths - 2)) if post.deaths > 1 else 0.0
        post.start_due_s = self._clock.monotonic() + delay_s

    def _dismiss(self, post: _Post) -> None:
        """End the worker; what it had is anyone's again."""
        if post.worker is not None:
            post.worker.kill()
            post.worker = None
        self._clear(post)

    def _clear(self, post: _Post) -> None:
        self._put_back(post.leases, attempted=False)
        post.held.clear()
        post.in_flight.clear()
        post.started.clear()

    def _blame(self, lease: Lease, reason: Reason, what: str) -> bool:
        """A capture that took down a process is tried again, but not for ever; True at the end."""
        if lease.attempts < self._settings.max_attempts:
            self._put_back((lease,), attempted=True)
            return False
        message = f"{what}, {lease.attempts} times"
        log.warning("%s: given up: %s", lease.capture.path, message)
        self._fail(lease, NotReadable(lease.id, reason, message, final=True))
        return True

    def _put_back(self, leases: Sequence[Lease], *, attempted: bool, delay_s: float = 0.0) -> None:
        if leases:
            not_before = self._clock.now() + timedelta(seconds=delay_s) if delay_s else None
            self._returns.append(_Return(tuple(leases), attempted, not_before))

    def _extend_deadline(self, post: _Post) -> None:
        post.deadline_s = self._clock.monotonic() + self._settings.capture_timeout_s
