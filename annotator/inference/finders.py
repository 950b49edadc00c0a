"""Where faces are: networks and dlib's HOG on a region of the picture, behind one seam.

Every finder's box is brought to the box that dlib's own detector would draw, because dlib's
alignment was trained on those (a box a quarter too low moves the embedding by 0.69, more than the
distance between two people). So a face box means the same whoever found it: about from the brows
to the chin.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from annotator.domain import BoundingBox, clipped_box
from annotator.inference.embedder import load_dlib

if TYPE_CHECKING:
    from annotator.inference.heads import Head
    from annotator.inference.image import Picture
    from annotator.inference.runtime import Graph

SAME_FACE_IOU = 0.4
"""Two people's regions overlap and give the same face twice; two real faces hardly overlap so."""

MAX_ENLARGED_PX = 800
"""HOG finds faces from 80 px on, in a picture twice as large from 40 px on, at four times the cost;
in a person larger than this, a face is."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """From a finder's box to dlib's: a square `side` times as large, moved down by `down`.

    Both are in units of the square root of the finder's box's area.
    """

    down: float
    side: float

    def apply(self, box: BoundingBox, width: int, height: int) -> BoundingBox | None:
        """The square, cut at a picture of `width` x `height`."""
        size = math.sqrt(box.area)
        x, y = box.centre
        y += self.down * size
        half = self.side * size / 2
        return clipped_box(x - half, y - half, x + half, y + half, width, height)


CALIBRATION = {
    # Medians over 182 and 179 portraits in which HOG finds one face. Over 720 and 703 pictures
    # embeddings then differ from those of the HOG box by 0.059 and 0.048 on average, by 0.045 and
    # 0.043 in the median.
    "blazeface-short": Calibration(down=-0.043, side=0.973),
    "blazeface-full": Calibration(down=0.0, side=0.925),
    # Draws the whole head. From one picture: the box that Coral's own test expects in its
    # grace_hopper.bmp, (125, 40, 402, 363), against HOG's (180, 139, 367, 326).
    "ssd": Calibration(down=0.104, side=0.625),
}
"""By the head's name."""


@dataclass(frozen=True, slots=True)
class FoundFace:
    """A face before anything is known about it; the box is dlib's, in pixels of the capture."""

    box: BoundingBox
    score: float


class FaceFinder(Protocol):
    @property
    def provenance(self) -> str: ...

    def find(
        self, picture: Picture, region: BoundingBox, min_score: float
    ) -> Sequence[FoundFace]: ...


class GraphFinder:
    """A face network on a region of the picture."""

    def __init__(self, graph: Graph, head: Head, calibration: Calibration, provenance: str):
        self._graph = graph
        self._head = head
        self._calibration = calibration
        self.provenance = provenance

    def find(self, picture: Picture, region: BoundingBox, min_score: float) -> list[FoundFace]:
        fed = picture.fitted(self._graph.width, self._graph.height, self._head.fit, region)
        raw = self._head.decode(self._graph.invoke(fed.pixels), min_score)
        faces = []
        for box, score in zip(raw.boxes.tolist(), raw.scores.tolist(), strict=True):
            drawn = fed.resize.to_capture(*box)
            square = drawn and self._calibration.apply(drawn, picture.width, picture.height)
            if square:
                faces.append(FoundFace(square, min(score, 1.0)))
        return faces


CLOSE_UP = 0.3
"""A face that fills so much of the region's longer side. Nearly all the faces that BlazeFace's full
range misses are so large, and short range takes backs of heads for faces, which are smaller."""


class CloseUpFinder:
    """A finder, and where it sees nothing another one for a face that fills the region."""

    def __init__(self, usual: FaceFinder, close_up: FaceFinder):
        self._usual, self._close_up = usual, close_up
        self.provenance = f"{usual.provenance} + {close_up.provenance}"

    def find(self, picture: Picture, region: BoundingBox, min_score: float) -> Sequence[FoundFace]:
        found = self._usual.find(picture, region, min_score)
        if found:
            return found
        least_px = CLOSE_UP * max(region.width, region.height)
        return [
            face
            for face in self._close_up.find(picture, region, min_score)
            if face.box.width >= least_px
        ]


class HogFinder:
    """dlib's HOG detector: needs no model file; slower, and blind below 40 px."""

    def __init__(self) -> None:
        self._detector = load_dlib().get_frontal_face_detector()
        self.provenance = f"hog@dlib-{load_dlib().__version__}"

    def find(self, picture: Picture, region: BoundingBox, min_score: float) -> list[FoundFace]:
        pixels = picture.pixels()[region.ymin : region.ymax, region.xmin : region.xmax]
        enlarge = 1 if max(region.width, region.height) <= MAX_ENLARGED_PX else 0
        boxes, margins, _ = self._detector.run(pixels.copy(), enlarge, 0.0)
        faces = []
        for box, margin in zip(boxes, margins, strict=True):
            # A margin above 0 is a face to dlib; squeezed into (0, 1) so that 0 becomes 0.62,
            # just above the default min_score. Not a probability.
            score = 1 / (1 + math.exp(-margin - 0.5))
            place = clipped_box(
                region.xmin + box.left(),
                region.ymin + box.top(),
                region.xmin + box.right() + 1,
                region.ymin + box.bottom() + 1,
                picture.width,
                picture.height,
            )
            if place and score >= min_score:
                faces.append(FoundFace(place, score))
        return faces


def distinct(found: Sequence[FoundFace]) -> list[FoundFace]:
    """The faces without repetitions, best score first."""
    kept: list[FoundFace] = []
    for face in sorted(found, key=lambda face: -face.score):
        if all(face.box.iou(other.box) < SAME_FACE_IOU for other in kept):
            kept.append(face)
    return kept
