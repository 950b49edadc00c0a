"""Puts together who is told of what is seen, and what is measured; for the daemon and `notify`."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from annotator.clock import SystemClock
from annotator.config import MQTT, Config, NotifyRule
from annotator.domain import (
    BoundingBox,
    Capture,
    Event,
    MountState,
    Sighting,
    Totals,
)
from annotator.errors import ConfigError, DatabaseError, DeliveryError, QueryError
from annotator.measures import Measures, NoticeTally
from annotator.notices import Deliverer, Notice, RuleRecord, Undelivered, Vitals

if TYPE_CHECKING:
    from collections.abc import Callable

    from annotator.daemon import Onlooker
    from annotator.health import Health
    from annotator.herald import Herald
    from annotator.supervisor import Supervisor
    from db.engine import Database
    from db.notices import SqlNoticeBook

PICTURE_PX = 480
PICTURE_S = 5.0
"""A notice does not wait longer for its picture."""
PICTURES_KEPT = 8

log = logging.getLogger(__name__)


class _Beholder:
    """The daemon's `Onlooker`: keeps how it was last, and wakes whoever tells of it."""

    def __init__(self) -> None:
        self.last: Health | None = None
        self.herald: Herald | None = None

    def recorded(self) -> None:
        if self.herald is not None:
            self.herald.wake()

    def health(self, health: Health) -> None:
        self.last = health
        if self.herald is not None:
            self.herald.wake_all()

    def vitals(self) -> Vitals | None:
        if self.last is None:
            return None
        return Vitals(
            str(self.last.mount.state),
            self.last.waiting,
            self.last.annotated_per_minute,
            self.last.stood_in_for,
        )


@contextmanager
def telling(config: Config, database: Database, supervisor: Supervisor) -> Iterator[Onlooker]:
    """Who is told by the daemon, whose database it is, until it ends; nothing runs where nothing is
    configured."""
    beholder, tally = _Beholder(), NoticeTally()
    with ExitStack() as stack:
        if config.notify or config.mqtt.host:
            beholder.herald = _herald(config, database, beholder.vitals, tally)
            beholder.herald.start()
            stack.callback(beholder.herald.close)
        if config.metrics.listen or config.metrics.textfile:
            stack.enter_context(_metrics(config, database, supervisor, beholder, tally))
        yield beholder


def _book(config: Config, database: Database) -> SqlNoticeBook:
    from db.notices import SqlNoticeBook

    targets = {rule.name: rule.to for rule in config.notify}
    waits_s = {rule.name: rule.told_after_s for rule in config.notify}
    return SqlNoticeBook(
        database, lambda rule: targets.get(rule, ()), lambda rule: waits_s.get(rule, 0.0)
    )


def _herald(
    config: Config, database: Database, vitals: Callable[[], Vitals | None], tally: NoticeTally
) -> Herald:
    from annotator.herald import Follower, Herald, Teller, second_look
    from db.queries import SqlQueries

    clock, book = SystemClock(), _book(config, database)
    given_up = book.give_up_others(targets(config))
    if given_up:
        log.warning("%d notices were for targets that are not configured any more", given_up)
    pictures, queries = _Pictures(config), SqlQueries(database)
    stands = second_look(config.notify, queries)
    follower = Follower(config.notify, queries, book, clock, tally)
    tellers = [
        Teller(name, _deliverer(config, name, vitals), book, clock, tally, pictures, stands)
        for name in targets(config)
    ]
    return Herald(follower, tellers)


def targets(config: Config) -> tuple[str, ...]:
    """Everybody who can be told."""
    return (*([MQTT] if config.mqtt.host else []), *config.webhooks, *config.commands)


def _deliverer(
    config: Config,
    name: str,
    vitals: Callable[[], Vitals | None] = lambda: None,
    *,
    announce: bool = True,
) -> Deliverer:
    if name == MQTT:
        from annotator.notify.mqtt import MqttDeliverer

        rules = [rule for rule in config.notify if MQTT in rule.to]
        return MqttDeliverer(config.mqtt, rules, vitals, announce=announce)
    if name in config.webhooks:
        from annotator.notify.webhook import WebhookDeliverer

        return WebhookDeliverer(name, config.webhooks[name])
    from annotator.notify.command import CommandDeliverer

    return CommandDeliverer(name, config.commands[name], config.store.root)


class _Pictures:
    """For rules that send one: small, with the box. From a child, since reading may hang.

    The last ones are kept, for all targets and further tries.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._wanted = {rule.name for rule in config.notify if rule.picture}
        self._made: dict[int, bytes | None] = {}
        self._lock = threading.Lock()

    def __call__(self, notice: Notice) -> bytes | None:
        if notice.rule not in self._wanted:
            return None
        with self._lock:
            if notice.id not in self._made:
                self._made[notice.id] = self._make(notice)
                while len(self._made) > PICTURES_KEPT:
                    del self._made[next(iter(self._made))]
            return self._made[notice.id]

    def _make(self, notice: Notice) -> bytes | None:
        from annotator.app.children import start_pictures
        from annotator.app.darkroom import Darkroom, Print, Wanted
        from annotator.child import Graveyard

        seen, graveyard = notice.sighting, Graveyard()
        directory, _, file_name = seen.path.rpartition("/")
        capture = Capture(Event(seen.monitor, "", directory), file_name, seen.frame)
        room = Darkroom(
            lambda: start_pictures(self._config, graveyard),
            SystemClock(),
            children=1,
            patience_s=PICTURE_S,
        )
        try:
            (made,) = room.make([Wanted(capture, (seen,), (Print(PICTURE_PX),))])
        except OSError as error:  # no child can be started
            log.warning("%s is told without its picture: %s", notice.rule, error)
            return None
        finally:
            room.close()
        if made.spoilt:
            log.info("%s is told without its picture: %s", notice.rule, made.spoilt.message)
            return None
        return made.pictures[0]


@contextmanager
def _metrics(
    config: Config,
    database: Database,
    supervisor: Supervisor,
    beholder: _Beholder,
    tally: NoticeTally,
) -> Iterator[None]:
    from annotator.metrics.exposition import CONTENT_TYPE, exposition
    from annotator.metrics.server import MetricsServer
    from annotator.metrics.textfile import MetricsFile

    settings, book = config.metrics, _book(config, database)

    def page() -> bytes:
        return exposition(lambda: _measures(supervisor, database, book, beholder, tally))

    with ExitStack() as stack:
        if settings.listen:
            try:
                stack.callback(MetricsServer(settings.listen, page, CONTENT_TYPE).close)
            except ConfigError as error:  # no reason to look at no captures
                log.warning("%s: %s", error, error.next_step)
        if settings.textfile:
            file = MetricsFile(settings.textfile, page, settings.textfile_every_s)
            stack.callback(file.close)
        yield


def _measures(
    supervisor: Supervisor,
    database: Database,
    book: SqlNoticeBook,
    beholder: _Beholder,
    tally: NoticeTally,
) -> Measures:
    """A look from another thread than the supervisor's: only what may be read meanwhile."""
    from db.queries import SqlQueries

    progress, health = supervisor.progress, beholder.last
    totals: Totals | None = None
    undelivered: tuple[Undelivered, ...] = ()
    with suppress(DatabaseError):
        totals, undelivered = SqlQueries(database).totals(), book.undelivered()
    return Measures(
        annotated=progress.annotated,
        detections=progress.detections,
        failed=dict(progress.reasons),
        latency=progress.latency,
        restarts=progress.restarts,
        mount=health.mount.state if health else MountState.OFFLINE,
        stations=supervisor.stations_now,
        stuck=supervisor.stuck,
        waiting=totals.waiting if totals else {},
        totals=totals,
        notices=tally.counts(),
        undelivered=undelivered,
        database_bytes=_size_of(database.path),
    )


def _size_of(database: Path) -> int:
    size = 0
    for path in (database, Path(f"{database}-wal")):
        with suppress(FileNotFoundError):
            size += path.stat().st_size
    return size


# `annotator notify`


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of a made-up notice at one target; `error` is None where it went through."""

    target: str
    error: DeliveryError | None = None


@dataclass(frozen=True, slots=True)
class RuleState:
    """A rule of the configuration, and what it has told; `record` is None where it never rang."""

    rule: NotifyRule
    record: RuleRecord | None


@dataclass(frozen=True, slots=True)
class Telling:
    """How things stand with all rules and targets."""

    rules: tuple[RuleState, ...]
    undelivered: tuple[Undelivered, ...]


def try_rule(config: Config, name: str) -> Iterator[Tried]:
    """Send a made-up notice to a rule's targets, now. Raises QueryError for an unknown rule."""
    rule = _rule(config, name)
    notice = _made_up(rule)
    for target in rule.to:
        settings = config.mqtt.model_copy(update={"client_id": f"{config.mqtt.client_id}-test"})
        deliverer = _deliverer(config.model_copy(update={"mqtt": settings}), target, announce=False)
        try:
            deliverer.deliver(notice, None)
            yield Tried(target)
        except DeliveryError as error:
            yield Tried(target, error)
        finally:
            deliverer.close()


def state_of_rules(config: Config) -> Telling:
    """What the configuration's rules have told. Raises DatabaseError."""
    from annotator.app.opening import notice_book

    with notice_book(config) as book:
        records = {record.rule: record for record in book.rules()}
        states = tuple(RuleState(rule, records.get(rule.name)) for rule in config.notify)
        return Telling(states, book.undelivered())


def broker_answers(config: Config) -> None:
    """Raises DeliveryError unless the broker lets this configuration in."""
    settings = config.mqtt.model_copy(update={"client_id": f"{config.mqtt.client_id}-doctor"})
    deliverer = _deliverer(config.model_copy(update={"mqtt": settings}), MQTT, announce=False)
    try:
        deliverer.tend()
    finally:
        deliverer.close()


def _rule(config: Config, name: str) -> NotifyRule:
    found = [rule for rule in config.notify if rule.name == name]
    if not found:
        import difflib

        names = [rule.name for rule in config.notify]
        near = difflib.get_close_matches(name, names, n=1)
        known = f"there is: {', '.join(map(repr, names))}" if names else "see docs/notify.md"
        raise QueryError(
            f"there is no rule {name!r}", f"did you mean {near[0]!r}?" if near else known
        )
    return found[0]


def _made_up(rule: NotifyRule) -> Notice:
    now = SystemClock().now()
    monitor = rule.monitors[0] if rule.monitors else "Test"
    event = f"{now.astimezone():%y/%m/%d/%H/%M/%S}"
    return Notice(
        rule=rule.name,
        person=rule.names[0] if rule.names else "",
        sighting=Sighting(
            captured_at=now,
            monitor=monitor,
            event=event,
            frame=1,
            label=rule.labels[0] if rule.labels else "person",
            class_id=0,
            score=1.0,
            box=BoundingBox(100, 100, 300, 500),
            path=f"{monitor}/{event}/00001-capture.jpg",
        ),
        raised_at=now,
        test=True,
    )
