"""How good a recogniser is on faces that it has not seen, and which score is enough for a name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from annotator.inference.identify import (
    EVIDENCE_WEIGHT,
    SHARPNESS,
    SHARPNESS_EXTRA,
    SIZE_EXTRA,
    SIZE_PX,
)
from trainer.clouds import stranger_score

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from annotator.inference.identify import Floats
    from trainer.trials import Faces, Trials

OWN_STRANGERS = 150
"""So many strangers of the gallery's own weigh as much as what is known beforehand."""
MOST_SHIFT = 0.03
"""A gallery's own strangers move the threshold by this at the most."""

BEFOREHAND = 200
"""Faces of known people and strangers each that are thought of besides the gallery's own where a
score becomes a probability."""
OWN_SHARE = (0.0, 0.02, 0.1, 0.5, 0.9, 1.0)
OWN_SCORE = (0.14, 0.285, 0.362, 0.442, 0.517, 0.635)
"""How a person's own unseen faces score, by the share of them that scores less; of the development
half, with 10 pictures a person."""
NEWTON_STEPS = 50
RIDGE = 1e-5


@dataclass(frozen=True, slots=True)
class Candidate:
    """One of the three, judged on faces that it had not seen.

    `known_right` is the share of known faces that are named right at `threshold`, `strangers_named`
    that of strangers who are given a name; `f1` is the macro average over all people and the
    unknown.
    """

    family: str
    parameters: Mapping[str, Any]
    threshold: float
    known_right: float
    strangers_named: float
    f1: float

    @property
    def rank(self) -> float:
        """Higher is better; in steps of a thousandth, below which all is chance."""
        return round(self.known_right - self.strangers_named, 3)


@dataclass(frozen=True, slots=True)
class Verdicts:
    """The winner's answers in cross-validation, for pictures and tables.

    `matrix` counts the true people (rows) by answer (columns), the unknown last; `own` and `others`
    are the best scores of known faces and of strangers.
    """

    names: tuple[str, ...]
    matrix: NDArray[np.int64]
    own: Floats
    others: Floats

    @property
    def recalls(self) -> tuple[float | None, ...]:
        """Per person, the unknown last; None where nobody could be asked about."""
        totals = self.matrix.sum(axis=1).tolist()
        right = self.matrix.diagonal().tolist()
        return tuple(r / t if t else None for r, t in zip(right, totals, strict=True))


def thresholds_by_size(threshold: float) -> list[tuple[float, float]]:
    """What a sharp face of each size in pixels must score."""
    return [(px, threshold + extra) for px, extra in zip(SIZE_PX, SIZE_EXTRA, strict=True)]


def thresholds_by_sharpness(threshold: float) -> list[tuple[float, float]]:
    """What a large face of each sharpness must score."""
    return [(one, threshold + extra) for one, extra in zip(SHARPNESS, SHARPNESS_EXTRA, strict=True)]


def judge(
    family: str,
    parameters: Mapping[str, Any],
    faces: Faces,
    trials: Trials | None,
    false_accept_rate: float,
) -> Candidate:
    """A candidate with its threshold, and how it does in the trials; None where there were none."""
    count = len(faces.names)
    prior = stranger_score(false_accept_rate, count, cautiously=True)
    if trials is None:
        return Candidate(family, parameters, prior, 0.0, 0.0, 0.0)
    threshold = prior + _shift(trials)
    verdicts = verdicts_of(faces, trials, threshold)
    known, strangers = verdicts.matrix[:-1], verdicts.matrix[-1]
    right = known.diagonal().sum()
    return Candidate(
        family,
        parameters,
        threshold,
        float(right / max(known.sum(), 1)),
        float(strangers[:-1].sum() / max(strangers.sum(), 1)),
        _macro_f1(verdicts.matrix),
    )


def _shift(trials: Trials) -> float:
    """How much more strangers score in this gallery than was known beforehand.

    Without what a classifier says: against most strangers it says a lot, but little against those
    who look like somebody, and it is those that the threshold is for."""
    import numpy as np

    strangers = trials.truth < 0
    if not strangers.any():
        return 0.0
    best = trials.scores[strangers].max(axis=1)
    expected = [stranger_score(0.5, int(people)) for people in trials.present[strangers]]
    several = len(np.unique(trials.face[strangers]))
    # Pictures of one person are not independent; each counts as a third of a stranger.
    weight = several / 3 / (several / 3 + OWN_STRANGERS)
    shift = weight * float(np.median(best - np.array(expected)))
    return float(np.clip(shift, -MOST_SHIFT, MOST_SHIFT))


def verdicts_of(faces: Faces, trials: Trials | None, threshold: float) -> Verdicts:
    """What was answered in the trials, with this threshold."""
    import numpy as np

    count = len(faces.names)
    matrix = np.zeros((count + 1, count + 1), np.int64)
    if trials is None:
        return Verdicts(faces.names, matrix, np.zeros(0), np.zeros(0))
    fused = trials.fused
    answer = np.where(fused.max(axis=1) > threshold, fused.argmax(axis=1), count)
    truth = np.where(trials.truth < 0, count, trials.truth)
    np.add.at(matrix, (truth, answer), 1)
    own = fused[np.arange(len(fused)), np.minimum(truth, count - 1)][truth < count]
    return Verdicts(faces.names, matrix, own, fused[truth == count].max(axis=1, initial=-np.inf))


def calibrated(faces: Faces, trials: Trials | None, classifies: bool) -> tuple[float, float]:
    """Slope and offset of the log odds that a face with a score is the person it resembles most,
    where as many faces of strangers are met as of known people."""
    import numpy as np

    shares = (np.arange(BEFOREHAND) + 0.5) / BEFOREHAND
    added = EVIDENCE_WEIGHT if classifies else 0.0
    own = np.interp(shares, OWN_SHARE, OWN_SCORE) + added
    others = np.array([stranger_score(s, len(faces.names)) for s in 1 - shares])
    right, wrong = [own], [others]
    if trials is not None:
        fused = trials.fused
        best, known = fused.max(axis=1), trials.truth >= 0
        hit = known & (fused.argmax(axis=1) == trials.truth)
        right.append(best[hit])
        wrong.append(best[~hit])
    return logistic(np.concatenate(right), np.concatenate(wrong))


def logistic(right: Floats, wrong: Floats) -> tuple[float, float]:
    """Slope and offset of the log odds of being right; both sides weigh the same.

    Newton's method, kept from running away where the two sides do not overlap.
    """
    import numpy as np

    scores = np.concatenate([right, wrong])
    design = np.stack([scores, np.ones(len(scores))], axis=1)
    truth = np.repeat([1.0, 0.0], [len(right), len(wrong)])
    weight = np.repeat([0.5 / len(right), 0.5 / len(wrong)], [len(right), len(wrong)])
    found = np.zeros(2)
    for _ in range(NEWTON_STEPS):
        said = 1 / (1 + np.exp(-np.clip(design @ found, -30, 30)))
        slope = design.T @ (weight * (truth - said)) - RIDGE * found
        bend = (design * (weight * said * (1 - said))[:, None]).T @ design + RIDGE * np.eye(2)
        found += np.linalg.solve(bend, slope)
    return float(found[0]), float(found[1])


def _macro_f1(matrix: NDArray[np.int64]) -> float:
    import numpy as np

    right, asked, said = matrix.diagonal(), matrix.sum(axis=1), matrix.sum(axis=0)
    there = asked > 0
    return float(np.mean(2 * right[there] / (asked + said)[there])) if there.any() else 0.0
