"""Pictures over HTTP: what is answered, and how often the store is asked for it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from annotator.browse.desk import PictureDesk, Reply
from annotator.clock import SystemClock
from annotator.domain import (
    Annotation,
    BoundingBox,
    Capture,
    Detection,
    Event,
    Provenance,
    Reason,
    Sighting,
)
from annotator.errors import CaptureUnreadable, StoreUnavailable
from db.engine import Database, open_database
from db.lookup import SqlLookup
from db.queries import SqlQueries
from db.store import SqlStore
from tests.databases import Databases

CAPTURE = Capture(Event("Hall", "Hall", "17"), "00007-capture.jpg", 7)
BOX = BoundingBox(10, 20, 110, 120)
ANNOTATION = Annotation(
    CAPTURE,
    datetime(2024, 5, 1, tzinfo=UTC),
    640,
    480,
    (Detection("person", 0, 0.75, BOX),),
    Provenance("tiny@000000000000", "cpu"),
)


@dataclass
class Studio:
    """Pictures that say how they were asked for, or the trouble there is."""

    trouble: Exception | None = None
    asked: list[tuple[int | None, BoundingBox | None, int]] = field(default_factory=list)

    def make(
        self,
        capture: Capture,
        seen: tuple[Sighting, ...],
        width_px: int | None,
        cut: BoundingBox | None,
    ) -> bytes:
        if self.trouble is not None:
            raise self.trouble
        self.asked.append((width_px, cut, len(seen)))
        return f"{capture.path} {width_px} {cut} {len(seen)}".encode()

    def close(self) -> None:
        self.trouble = StoreUnavailable("closed")


@pytest.fixture(scope="module")
def path(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = databases.put(tmp_path_factory.mktemp("desk") / "annotator.sqlite")
    with open_database(made, forbidden_root=None) as database:
        SqlStore(database, SystemClock()).record([ANNOTATION], [])
    return made


@pytest.fixture
def database(databases: Databases, path: Path) -> Iterator[Database]:
    with databases.fresh(path) as opened:
        yield opened


@contextmanager
def desk_in(database: Database, studio: Studio) -> Iterator[PictureDesk]:
    desk = PictureDesk(SqlLookup(database), SqlQueries(database), studio)
    try:
        yield desk
    finally:
        desk.close()


def ask(desk: PictureDesk, path: str = CAPTURE.path, known_tags: str = "", **asked: str) -> Reply:
    return asyncio.run(desk.answer(path, asked, known_tags))


def test_a_picture_is_made_once_and_the_browser_may_keep_it(database: Database) -> None:
    studio = Studio()
    with desk_in(database, studio) as desk:
        first, second = ask(desk, w="300"), ask(desk, w="320")
        assert (first.status, first.content_type) == (200, "image/jpeg")
        assert first == second
        assert studio.asked == [(320, None, 1)]
        tag = dict(first.headers)["ETag"]
        assert dict(first.headers)["Cache-Control"].startswith("private")
        assert ask(desk, known_tags=f'"other", {tag}', w="320").status == 304


def test_each_way_to_show_it_is_another_picture(database: Database) -> None:
    studio = Studio()
    with desk_in(database, studio) as desk:
        answers = [
            ask(desk),
            ask(desk, boxes="0"),
            ask(desk, w="160"),
            ask(desk, w="160", cut="10,20,110,120"),
        ]
    assert len({dict(one.headers)["ETag"] for one in answers}) == 4
    assert studio.asked == [(None, None, 1), (None, None, 0), (160, None, 1), (160, BOX, 0)]


def test_a_picture_changes_with_what_is_seen_on_it(databases: Databases) -> None:
    studio = Studio()
    with databases.fresh() as database:
        store = SqlStore(database, SystemClock())
        store.record([ANNOTATION], [])
        with desk_in(database, studio) as desk:
            before = ask(desk)
            store.record([replace(ANNOTATION, detections=())], [])
            after = ask(desk, known_tags=dict(before.headers)["ETag"])
    assert (before.status, after.status) == (200, 200)
    assert studio.asked == [(None, None, 1), (None, None, 0)]


@pytest.mark.parametrize("raw", ["", "..", "Hall", "Hall/17/00008-capture.jpg", "%2Fetc%2Fpasswd"])
def test_what_the_database_does_not_know_is_never_read(database: Database, raw: str) -> None:
    studio = Studio()
    with desk_in(database, studio) as desk:
        assert ask(desk, raw).status == 404
    assert not studio.asked


def test_what_cannot_be_asked_is_said(database: Database) -> None:
    with desk_in(database, Studio()) as desk:
        assert ask(desk, w="wide").status == 400
        assert ask(desk, cut="1,2").status == 400


@pytest.mark.parametrize(
    ("trouble", "status", "words"),
    [
        (CaptureUnreadable(Reason.VANISHED, "gone"), 410, b"recorder has deleted"),
        (CaptureUnreadable(Reason.CORRUPT, "broken"), 422, b"cannot be shown: broken"),
        (StoreUnavailable("away"), 503, b"does not answer"),
    ],
)
def test_in_a_pictures_place_is_said_why(
    database: Database, trouble: Exception, status: int, words: bytes
) -> None:
    studio = Studio(trouble)
    with desk_in(database, studio) as desk:
        answer = ask(desk)
        assert (answer.status, answer.content_type) == (status, "image/svg+xml")
        assert words in answer.body
        assert dict(answer.headers)["Cache-Control"] == "no-store"
        studio.trouble = None
        assert ask(desk).status == 200
