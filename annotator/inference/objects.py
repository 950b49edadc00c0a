"""Objects of a picture, in pixels of the capture."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from annotator.config import DetectionSettings
from annotator.domain import BoundingBox, Detection
from annotator.inference.image import Fit
from annotator.inference.labels import Labels
from annotator.inference.tiles import Candidate, is_cut, merged, tiling

if TYPE_CHECKING:
    from collections.abc import Iterator

    from annotator.inference.heads import Head
    from annotator.inference.image import Need, Picture
    from annotator.inference.runtime import Graph


class ObjectDetector:
    """One network with its head; the labels, the tiles and the fit may differ per monitor."""

    def __init__(self, graph: Graph, head: Head, provenance: str):
        self._graph = graph
        self._head = head
        self.provenance = provenance
        self.delegate = graph.delegate
        self.classes = head.classes
        self.width, self.height = graph.width, graph.height

    def need(self, settings: DetectionSettings) -> Need:
        """How finely a capture must be decoded for `detect` with these settings."""

        def least(width: int, height: int) -> tuple[int, int]:
            tiles = self._tiles(width, height, settings)
            part = tiles[0] if tiles else BoundingBox(0, 0, width, height)
            fed_width, fed_height = self.width, self.height
            if self._fit(settings) is Fit.LETTERBOX:
                scale = min(self.width / part.width, self.height / part.height)
                fed_width = math.ceil(part.width * scale)
                fed_height = math.ceil(part.height * scale)
            return (
                min(width, math.ceil(fed_width * width / part.width)),
                min(height, math.ceil(fed_height * height / part.height)),
            )

        return least

    def close(self) -> None:
        """Let go of the network, and of what runs it."""
        self._graph.close()

    def detect(
        self, picture: Picture, labels: Labels, settings: DetectionSettings
    ) -> tuple[Detection, ...]:
        """Every candidate of at least the settings' lowest score, best first.

        A box without a pixel inside the capture is no detection.
        """
        tiles = self._tiles(picture.width, picture.height, settings)
        candidates = [
            Candidate(found, is_cut(found.box, part, picture.width, picture.height))
            for part in (picture.whole, *tiles)
            for found in self._look(picture, part, labels, settings)
        ]
        if tiles:
            return merged(candidates)
        return tuple(one.detection for one in candidates)

    def _look(
        self, picture: Picture, part: BoundingBox, labels: Labels, settings: DetectionSettings
    ) -> Iterator[Detection]:
        fed = picture.fitted(self.width, self.height, self._fit(settings), part)
        outputs = self._graph.invoke(fed.pixels, self._head.input_range)
        raw = self._head.decode(outputs, settings.lowest_score)
        for box, score, class_id in zip(
            raw.boxes.tolist(), raw.scores.tolist(), raw.class_ids.tolist(), strict=True
        ):
            place = fed.resize.to_capture(*box)
            if place is not None:
                yield Detection(labels.name(class_id), class_id, min(score, 1.0), place)

    def _fit(self, settings: DetectionSettings) -> Fit:
        return self._head.fit if settings.fit == "auto" else Fit(settings.fit)

    def _tiles(
        self, width: int, height: int, settings: DetectionSettings
    ) -> tuple[BoundingBox, ...]:
        network = self.width, self.height
        return tiling(settings.tiles, settings.tile_overlap, width, height, network)
