"""A face and its mirror image are embedded alike, and nearly as the face alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from annotator.domain import BoundingBox
from annotator.inference.embedder import Embedder
from annotator.inference.mirrored import MirroredEmbedder, redrawn

FACE = BoundingBox(180, 139, 368, 327)
"""Where dlib's detector finds it in the picture, which is 517 x 606."""


def test_a_mirrored_picture_gives_nearly_the_same_embedding(shared: Path) -> None:
    with Image.open(shared / "data" / "coral" / "grace_hopper.bmp") as picture:
        pixels = np.asarray(picture.convert("RGB"))
    width = pixels.shape[1]
    there = BoundingBox(width - FACE.xmax, FACE.ymin, width - FACE.xmin, FACE.ymax)
    mirror = np.ascontiguousarray(pixels[:, ::-1])
    alone = Embedder()
    both = MirroredEmbedder(alone)
    assert both.provenance == alone.provenance.replace("@", "_mirrored@")

    def embedded(pixels: np.ndarray, face: BoundingBox, by: Embedder | MirroredEmbedder):  # type: ignore[no-untyped-def]
        return np.frombuffer(by.embed(pixels, by.align(pixels, face)), "<f4")

    sides = [embedded(pixels, FACE, alone), embedded(mirror, there, alone)]
    together = [embedded(pixels, FACE, both), embedded(mirror, there, both)]
    assert np.linalg.norm(together[0] - together[1]) < np.linalg.norm(sides[0] - sides[1]) / 2
    assert np.linalg.norm(together[0] - sides[0]) < 0.3


def test_a_box_that_is_off_is_drawn_back_to_the_face(shared: Path) -> None:
    with Image.open(shared / "data" / "coral" / "grace_hopper.bmp") as picture:
        pixels = np.asarray(picture.convert("RGB"))
    height, width = pixels.shape[:2]
    embedder = Embedder()
    for x, y in ((-20, 0), (20, 0), (0, -15), (0, 15)):
        off = BoundingBox(FACE.xmin + x, FACE.ymin + y, FACE.xmax + x, FACE.ymax + y)
        drawn = redrawn(embedder.align(pixels, off), width, height)
        assert drawn.iou(FACE) > off.iou(FACE)
