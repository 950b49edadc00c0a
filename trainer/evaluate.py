"""A recogniser held against labelled faces: known people named, strangers left alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from annotator.inference.identify import Floats, OpenSet
    from trainer.samples import Sample

SIZE_CLASSES_PX = (0, 50, 70, 100, 150)


@dataclass(frozen=True, slots=True)
class Score:
    """Counts of faces; shares are None where there were none.

    `nearest_right` are the known faces whose nearest person is the right one, named or not: what is
    right if nobody could be a stranger. `wrong` are known faces that were given another's name.
    """

    known: int
    nearest_right: int
    right: int
    wrong: int
    strangers: int
    strangers_named: int

    @property
    def closed_set(self) -> float | None:
        return _share(self.nearest_right, self.known)

    @property
    def right_share(self) -> float | None:
        return _share(self.right, self.known)

    @property
    def wrong_share(self) -> float | None:
        return _share(self.wrong, self.known)

    @property
    def strangers_share(self) -> float | None:
        return _share(self.strangers_named, self.strangers)


@dataclass(frozen=True, slots=True)
class SizeClass:
    """Faces whose shorter side is at least `from_px`, and below the next class's."""

    from_px: int
    score: Score


@dataclass(frozen=True, slots=True)
class Point:
    """At a threshold: the share of strangers named, and of known faces not named right."""

    threshold: float
    false_accept: float
    false_reject: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    overall: Score
    sizes: tuple[SizeClass, ...]
    curve: tuple[Point, ...]
    in_use: Point | None
    """The curve's point at the bundle's threshold; both are empty without known or strangers."""


def evaluate(samples: Sequence[Sample], recogniser: OpenSet) -> Evaluation:
    """Whoever the recogniser does not know is a stranger."""
    import numpy as np

    number = {name: n for n, name in enumerate(recogniser.names)}
    truth = np.array([number.get(one.person or "", -1) for one in samples], np.intp)
    size = np.array([one.evidence.size_px for one in samples], np.intp)
    found = recogniser.nearest([one.evidence for one in samples])
    hit = found.person == truth

    def score_of(mask: NDArray[np.bool_], threshold: float) -> Score:
        named, known = mask & (found.score > threshold), mask & (truth >= 0)
        strangers = mask & (truth < 0)
        counted = (
            known,
            known & hit,
            named & hit,
            named & known & ~hit,
            strangers,
            named & strangers,
        )
        return Score(*(int(which.sum()) for which in counted))

    classes = []
    for low, high in zip(SIZE_CLASSES_PX, (*SIZE_CLASSES_PX[1:], 1 << 30), strict=True):
        inside = (size >= low) & (size < high)
        if inside.any():
            classes.append(SizeClass(low, score_of(inside, recogniser.threshold)))
    everything = np.ones(len(samples), bool)
    overall = score_of(everything, recogniser.threshold)
    if not overall.known or not overall.strangers:
        return Evaluation(overall, tuple(classes), (), None)

    def point(threshold: float) -> Point:
        score = score_of(everything, threshold)
        rejected = 1 - score.right / score.known
        return Point(threshold, score.strangers_named / score.strangers, rejected)

    curve = tuple(point(float(one)) for one in _thresholds(found.score))
    return Evaluation(overall, tuple(classes), curve, point(recogniser.threshold))


MOST_POINTS = 500


def _thresholds(scores: Floats) -> Floats:
    """Between them lies every change that can be seen, or every 500th of the way."""
    import numpy as np

    levels = np.unique(scores)
    if len(levels) > MOST_POINTS:
        levels = np.quantile(levels, np.linspace(0, 1, MOST_POINTS))
    return np.concatenate([[levels[0] - 1e-6], levels])


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
