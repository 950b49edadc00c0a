"""People made of numbers: embeddings that are as far apart as dlib's are."""

from __future__ import annotations

import numpy as np

from annotator.domain import FaceEvidence
from trainer.samples import Sample

BETWEEN, WITHIN = 0.047, 0.028
"""Standard deviations per number: people are 0.75 apart, a picture 0.32 from its person."""


class MadeUpPeople:
    def __init__(self, seed: int = 1) -> None:
        self._random = np.random.default_rng(seed)

    def someone(self) -> np.ndarray:
        return self._random.normal(0, BETWEEN, 128)

    def face(self, person: np.ndarray, size_px: int = 120, sharpness: float = 900) -> FaceEvidence:
        seen = person + self._random.normal(0, WITHIN, 128)
        return FaceEvidence(seen.astype("<f4").tobytes(), size_px, sharpness)

    def gallery(
        self, people: dict[str, np.ndarray], pictures: int, unknown: int = 0
    ) -> list[Sample]:
        samples = [
            Sample(name, self.face(person), f"{name}-{n}", f"{name}/{n}.jpg")
            for name, person in people.items()
            for n in range(pictures)
        ]
        return samples + [
            Sample(None, self.face(self.someone()), f"nobody-{n}", f"Unknown/{n}.jpg")
            for n in range(unknown)
        ]
