"""A store with captures and a database that has seen them; the faces are made of numbers."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from PIL import Image

from annotator.clock import SystemClock
from annotator.config import Config, DatabaseSettings, FaceSettings, StoreSettings
from annotator.domain import (
    Annotation,
    BoundingBox,
    Capture,
    Detection,
    Face,
    FaceEvidence,
    FaceQuestion,
    Gate,
    Identification,
    Identity,
    Provenance,
    StoredFace,
)
from annotator.nvr.tree import EventTree, open_tree
from db.engine import Database
from db.face_book import SqlFaceBook
from db.queries import SqlQueries
from db.store import SqlStore
from tests.databases import Databases

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
FACE_BOX = BoundingBox(100, 60, 160, 120)
PERSON_BOX = BoundingBox(80, 40, 200, 230)
UNKNOWN = Identification(Identity.UNKNOWN, probability=0.1, distance=0.8)


def jpeg(colour: tuple[int, int, int] = (90, 120, 150)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (320, 240), colour).save(out, "JPEG")
    return out.getvalue()


@dataclass
class House:
    folder: Path
    tree: EventTree
    database: Database
    seen: int = 0

    def __post_init__(self) -> None:
        self.queries = SqlQueries(self.database)
        self.book = SqlFaceBook(self.database, SystemClock())

    @property
    def config(self) -> Config:
        return Config(
            store=StoreSettings(root=self.folder / "store", layout="medium"),
            database=DatabaseSettings(path=self.database.path),
            faces=FaceSettings(gallery=self.folder / "gallery"),
        )

    def see(
        self,
        event: int,
        *faces: FaceEvidence,
        monitor: str = "Gate",
        who: Identification = UNKNOWN,
    ) -> Capture:
        """One more capture of an event, with these faces in it side by side."""
        self.seen += 1
        path = f"{monitor}/2024-05-01/{event}/{self.seen:05d}-capture.jpg"
        file = self.tree.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(jpeg())
        capture = self.tree.capture(path)
        assert capture is not None
        found = tuple(
            Face(
                FACE_BOX.translate(10 * at, 0),
                0.9,
                one.sharpness,
                Gate.USABLE,
                one.embedding,
                who,
            )
            for at, one in enumerate(faces)
        )
        captured_at = NOON + timedelta(minutes=event, seconds=self.seen)
        detection = Detection("person", 0, 0.8, PERSON_BOX, found)
        made_by = Provenance("detector", "cpu")
        annotation = Annotation(capture, captured_at, 320, 240, (detection,), made_by)
        SqlStore(self.database, SystemClock()).record([annotation], [])
        return capture

    def faces(self) -> list[StoredFace]:
        return list(self.queries.stored_faces(FaceQuestion()))


@pytest.fixture
def house(databases: Databases, tmp_path: Path) -> Iterator[House]:
    (tmp_path / "store").mkdir()
    tree = open_tree(StoreSettings(root=tmp_path / "store", layout="medium"))
    with databases.fresh() as database:
        yield House(tmp_path, tree, database)
