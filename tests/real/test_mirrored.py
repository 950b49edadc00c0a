"""A face and its mirror image are embedded alike, and nearly as the face alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from annotator.domain import BoundingBox, FaceEvidence
from annotator.inference.embedder import Embedder
from annotator.inference.identify import embeddings_of
from annotator.inference.mirrored import embed_mirrored, redrawn

FACE = BoundingBox(180, 139, 368, 327)
"""Where dlib's detector finds it in the picture, which is 517 x 606."""


def test_with_its_mirror_image_a_face_is_the_same_either_way_round(shared: Path) -> None:
    with Image.open(shared / "data" / "coral" / "grace_hopper.bmp") as picture:
        pixels = np.asarray(picture.convert("RGB"))
    width = pixels.shape[1]
    there = BoundingBox(width - FACE.xmax, FACE.ymin, width - FACE.xmin, FACE.ymax)
    embedder = Embedder()

    def evidence(pixels: np.ndarray, face: BoundingBox) -> FaceEvidence:  # type: ignore[type-arg]
        alignment = embedder.align(pixels, face)
        return FaceEvidence(
            embedder.embed(pixels, alignment),
            188,
            500.0,
            embed_mirrored(embedder, pixels, alignment),
        )

    this, other = evidence(pixels, FACE), evidence(np.ascontiguousarray(pixels[:, ::-1]), there)
    alone = embeddings_of([replace(one, mirrored=None) for one in (this, other)])
    together = embeddings_of([this, other])
    assert np.linalg.norm(together[0] - together[1]) < np.linalg.norm(alone[0] - alone[1]) / 2
    assert np.linalg.norm(together[0] - alone[0]) < 0.3


def test_a_box_that_is_off_is_drawn_back_to_the_face(shared: Path) -> None:
    with Image.open(shared / "data" / "coral" / "grace_hopper.bmp") as picture:
        pixels = np.asarray(picture.convert("RGB"))
    height, width = pixels.shape[:2]
    embedder = Embedder()
    for x, y in ((-20, 0), (20, 0), (0, -15), (0, 15)):
        off = BoundingBox(FACE.xmin + x, FACE.ymin + y, FACE.xmax + x, FACE.ymax + y)
        drawn = redrawn(embedder.align(pixels, off), width, height)
        assert drawn.iou(FACE) > off.iou(FACE)
