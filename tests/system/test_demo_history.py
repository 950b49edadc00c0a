"""The demo's history: whatever is said to be on a capture is composed into it."""

from __future__ import annotations

import io
from datetime import datetime
from pathlib import Path

from PIL import Image

from annotator.app.opening import questions
from annotator.config import load_config
from annotator.domain import UNKNOWN_NAME, CaptureQuery
from demo.history import SIZE, UNTIL, write_history
from demo.screenshots import MAX_BYTES, as_jpeg, as_png


def test_a_morning(tmp_path: Path) -> None:
    written = write_history(tmp_path / "a", until=datetime(2026, 5, 21, 11), days=0)  # noqa: DTZ001
    config = load_config(written.config)
    with questions(config) as queries:
        events = list(queries.events(CaptureQuery()))
        people = {one.name for one in queries.people(CaptureQuery())}
        frames = [frame for one in events for frame in queries.frames(one.event)]
    assert people == {"Mira", UNKNOWN_NAME}
    assert {one.event.monitor for one in events} == {"FrontDoor", "PlayroomDoor", "Garden"}
    assert written.events >= len(events)
    for frame in frames:
        with Image.open(written.store / frame.capture.path) as picture:
            assert picture.size == SIZE == (frame.width, frame.height)
        for one in frame.seen:
            assert one.box.xmax <= frame.width and one.box.ymax <= frame.height
            if one.face_box is not None:
                assert one.face_box.share_inside(one.box) > 0.9


def test_it_is_the_same_each_time(tmp_path: Path) -> None:
    early = datetime(2026, 5, 21, 2)  # noqa: DTZ001
    stores = [write_history(tmp_path / name, until=early, days=0).store for name in "ab"]
    first, second = (
        {path.relative_to(store): path.read_bytes() for path in store.rglob("*.jpg")}
        for store in stores
    )
    assert first == second != {}
    assert UNTIL.tzinfo is None


def test_screenshots_are_small() -> None:
    out = io.BytesIO()
    Image.effect_noise((1360, 860), 15).save(out, "PNG")
    assert len(as_jpeg(out.getvalue())) <= MAX_BYTES
    with Image.open(io.BytesIO(as_png(out.getvalue()))) as drawing:
        assert (drawing.format, drawing.mode, drawing.size) == ("PNG", "P", (1360, 860))
