"""What the recorder has deleted is marked, and a store that is not whole marks nothing."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from annotator.app.gone import Gone, mark_gone
from annotator.domain import Capture, Origin
from annotator.errors import StoreUnavailable
from annotator.nvr.presence import Presence, presences
from db.backlog import SqlBacklog
from db.engine import Database
from db.gone import SqlEventRoll
from db.queries import SqlQueries
from db.store import SqlStore
from tests.contracts.backlog import annotation, captures, detection, event
from tests.databases import Databases
from tests.fakes.clock import ManualClock


class NearCensus:
    """A census of a directory at hand; what `before` does comes before each question."""

    def __init__(self, root: Path, before: Callable[[int], None] = lambda count: None) -> None:
        self.closed = False
        self._root = root
        self._before = before
        self._asked = 0

    def presences(
        self, directories: Iterable[str], stopped: Callable[[], bool]
    ) -> Iterator[Presence]:
        for directory in directories:
            if stopped():
                return
            self._asked += 1
            self._before(self._asked)
            yield from presences(self._root, [directory])

    def close(self) -> None:
        self.closed = True


class Place:
    """A store with ten events of the door and four of the hall, all of them annotated."""

    def __init__(self, folder: Path, database: Database) -> None:
        self.root = folder / "events"
        self.clock = ManualClock()
        self.roll = SqlEventRoll(database, self.clock)
        self.backlog = SqlBacklog(database, self.clock)
        self.queries = SqlQueries(database)
        self.store = SqlStore(database, self.clock)
        for monitor, count in (("Door", 10), ("Hall", 4)):
            for minute in range(count):
                (one,) = captures(event(minute, monitor), 1)
                self.directory(one).mkdir(parents=True)
                self.store.record([annotation(one, detection())], [])

    def directory(self, one: Capture) -> Path:
        return self.root / one.event.directory

    def delete(self, monitor: str, *minutes: int) -> None:
        for minute in minutes:
            shutil.rmtree(self.directory(captures(event(minute, monitor), 1)[0]))

    def mark(
        self,
        *,
        census: NearCensus | None = None,
        yes: bool = False,
        dry_run: bool = False,
        stopped: Callable[[], bool] = lambda: False,
    ) -> dict[str, Gone]:
        census = census or NearCensus(self.root)
        found = mark_gone(
            self.roll,
            census,  # type: ignore[arg-type]
            dry_run=dry_run,
            yes=yes,
            stopped=stopped,
            tell=lambda done, total: None,
        )
        assert census.closed
        return {one.monitor: one for one in found}

    @property
    def gone(self) -> set[str]:
        return {one.event.directory for one in self.roll.events() if one.gone}


@pytest.fixture
def place(databases: Databases, tmp_path: Path) -> Iterator[Place]:
    with databases.fresh() as database:
        yield Place(tmp_path, database)


def test_nothing_is_gone_that_is_there(place: Place) -> None:
    assert place.mark() == {
        "Door": Gone("Door", 10, 0, 0, 0, refused=False),
        "Hall": Gone("Hall", 4, 0, 0, 0, refused=False),
    }
    assert place.gone == set()


def test_what_the_recorder_deleted_is_marked_and_not_lost(place: Place) -> None:
    place.delete("Door", 0, 3)
    assert place.mark(dry_run=True)["Door"].missing == 2
    assert place.gone == set()
    assert place.mark()["Door"] == Gone("Door", 10, 2, 0, 0, refused=False)
    assert place.gone == {event(minute).directory for minute in (0, 3)}
    assert len(place.queries.seen_in(*captures(event(0), 1)) or ()) == 1
    assert place.mark()["Door"] == Gone("Door", 8, 0, 0, 0, refused=False)


def test_what_is_there_again_is_not_gone(place: Place) -> None:
    place.delete("Door", 0, 3)
    place.mark()
    for minute in (0, 3):
        place.directory(*captures(event(minute), 1)).mkdir(parents=True)
    assert place.mark()["Door"] == Gone("Door", 8, 0, 2, 0, refused=False)
    assert place.gone == set()


def test_captures_that_are_met_say_that_their_event_is_there(place: Place) -> None:
    place.delete("Door", 0, 3)
    place.mark()
    place.backlog.add(captures(event(0), 2), Origin.RECONCILE)
    place.store.record([annotation(*captures(event(3), 2))], [])
    assert place.gone == set()


def test_more_than_half_of_a_monitor_is_not_believed(place: Place) -> None:
    place.delete("Hall", 0, 1, 2)
    place.delete("Door", 0)
    found = place.mark()
    assert found["Hall"] == Gone("Hall", 4, 3, 0, 0, refused=True)
    assert not found["Door"].refused
    assert place.gone == {event(0).directory}, "the others are judged by themselves"
    assert place.mark(yes=True)["Hall"].missing == 3
    assert len(place.gone) == 4


def test_an_empty_store_makes_nothing_gone(place: Place) -> None:
    for monitor in ("Door", "Hall"):
        shutil.rmtree(place.root / monitor)
    assert all(one.refused for one in place.mark().values())
    assert place.gone == set()


def test_a_store_that_goes_away_meanwhile_makes_nothing_gone(place: Place) -> None:
    """Even where only the question after the last one tells so."""

    def before(asked: int) -> None:
        if asked == 14 + 2:
            raise StoreUnavailable("it was mounted anew meanwhile")

    place.delete("Door", 0, 3)
    with pytest.raises(StoreUnavailable):
        place.mark(census=NearCensus(place.root, before))
    assert place.gone == set()


def test_what_is_missing_once_is_asked_for_again(place: Place) -> None:
    """As where a mount was away for a moment."""
    away = place.root.with_name("away")

    def before(asked: int) -> None:
        if asked == 3:
            (place.root / "Door").rename(away)
        if asked == 6:
            away.rename(place.root / "Door")

    found = place.mark(census=NearCensus(place.root, before))
    assert found["Door"] == Gone("Door", 10, 0, 0, 0, refused=False)
    assert place.gone == set()


def test_stopped_early_nothing_is_marked(place: Place) -> None:
    place.delete("Door", 0)
    asked: list[int] = []
    census = NearCensus(place.root, asked.append)
    assert place.mark(census=census, stopped=lambda: len(asked) > 3) == {}
    assert place.gone == set()


def test_what_could_not_be_looked_at_is_not_gone(place: Place) -> None:
    place.delete("Door", 0)
    place.directory(*captures(event(0), 1)).touch()
    assert place.mark()["Door"] == Gone("Door", 10, 0, 0, 1, refused=False)
