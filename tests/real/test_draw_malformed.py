"""Drawing on broken, odd and hostile JPEGs: a picture of the same size, or a reason."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from annotator.domain import BoundingBox, Detection
from annotator.errors import CaptureUnreadable
from annotator.view.draw import draw

pytestmark = pytest.mark.shared


def test_every_malformed_picture_is_drawn_or_refused(shared: Path) -> None:
    person = Detection("person", 0, 0.75, BoundingBox(5, 5, 60, 80))
    drawn, refused = 0, 0
    for path in sorted((shared / "data" / "malformed").iterdir()):
        if path.suffix == ".json" or not path.is_file():
            continue
        try:
            result = draw(path.read_bytes(), [person])
        except CaptureUnreadable:
            refused += 1
            continue
        drawn += 1
        with Image.open(path) as before, Image.open(io.BytesIO(result)) as after:
            assert after.size == before.size, path.name
    assert drawn and refused
