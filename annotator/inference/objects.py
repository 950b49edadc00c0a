"""Objects of a picture, in pixels of the capture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from annotator.config import DetectionSettings
from annotator.domain import Detection
from annotator.inference.labels import Labels

if TYPE_CHECKING:
    from annotator.inference.heads import Head
    from annotator.inference.image import Need, Picture
    from annotator.inference.runtime import Graph


class ObjectDetector:
    """One network with its head; the labels may differ per monitor."""

    def __init__(self, graph: Graph, head: Head, provenance: str):
        self._graph = graph
        self._head = head
        self.provenance = provenance
        self.delegate = graph.device
        self.width, self.height = graph.width, graph.height

    def need(self, settings: DetectionSettings) -> Need:
        """How finely a capture must be decoded for `detect` with these settings."""
        return lambda _width, _height: (self.width, self.height)

    def detect(
        self, picture: Picture, labels: Labels, settings: DetectionSettings
    ) -> tuple[Detection, ...]:
        """Every candidate of at least the settings' lowest score, best first.

        A box without a pixel inside the capture is no detection.
        """
        fed = picture.fitted(self.width, self.height, self._head.fit)
        raw = self._head.decode(self._graph.invoke(fed.pixels), settings.lowest_score)
        detections = []
        for box, score, class_id in zip(
            raw.boxes.tolist(), raw.scores.tolist(), raw.class_ids.tolist(), strict=True
        ):
            label = labels.name(class_id)
            place = fed.resize.to_capture(*box)
            if place is not None:
                detections.append(Detection(label, class_id, min(score, 1.0), place))
        return tuple(detections)
