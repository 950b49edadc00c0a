"""Real trees of real files."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from PIL import Image

from annotator.nvr.layout import layout_named
from annotator.nvr.tree import EventTree

MAX_BYTES = 200_000


@pytest.fixture(scope="session")
def jpeg() -> bytes:
    """A small, real JPEG."""
    stream = io.BytesIO()
    Image.new("RGB", (32, 24), "grey").save(stream, "JPEG")
    return stream.getvalue()


@pytest.fixture
def root() -> Iterator[Path]:
    """An empty store, in memory where there is room, for hundreds of small trees are made.

    Not in pytest's own directory, which nobody but its owner may enter.
    """
    in_memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with TemporaryDirectory(dir=in_memory) as place:
        Path(place).chmod(0o755)
        path = Path(place) / "events"
        path.mkdir()
        yield path


@pytest.fixture
def put(root: Path, jpeg: bytes) -> Callable[..., None]:
    """put("5/77/1-capture.jpg", …) makes files below the root."""

    def make(*paths: str, content: bytes = jpeg) -> None:
        for path in paths:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(content)

    return make


@pytest.fixture
def open_at(root: Path) -> Callable[..., EventTree]:
    """open_at("deep") is a tree of that layout at the root, its times in UTC."""

    def make(layout: str = "auto", where: Path = root) -> EventTree:
        return EventTree(where, layout_named(layout, "UTC"), max_capture_bytes=MAX_BYTES)

    return make
