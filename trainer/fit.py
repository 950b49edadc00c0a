"""Training: from samples to a bundle, with everything that was decided on the way.

Three candidates are compared on faces that they have not seen: the clouds alone, with an SVM and
with XGBoost. Each gets the threshold that lets the stated share of strangers through, and the one
that then names most known faces right wins; the cheaper one of equals.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from annotator import __version__
from annotator.errors import ModelError
from annotator.inference.bundle import MAX_PEOPLE, Bundle, Manifest
from annotator.inference.classify import SupportVectors
from annotator.inference.identify import (
    EVIDENCE_WEIGHT,
    SHARPNESS,
    SHARPNESS_EXTRA,
    SIZE_EXTRA,
    SIZE_PX,
)
from trainer.classifiers import SEARCHED
from trainer.clouds import CAUTION, people_of, stranger_score
from trainer.trials import Faces, Trials, rounds_of, tried

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from annotator.inference.identify import Floats
    from trainer.classifiers import Recipe
    from trainer.samples import Sample

FALSE_ACCEPT_RATE = 0.005
NONE = "none"
"""The candidate without a classifier."""
FAMILIES = (NONE, *SEARCHED)

OWN_STRANGERS = 30
"""So many strangers of the gallery's own weigh as much as what is known beforehand."""
MOST_SHIFT = 0.03

BEFOREHAND = 200
"""Faces of known people and strangers each that are thought of besides the gallery's own where a
score becomes a probability."""
OWN_SHARE = (0.0, 0.02, 0.1, 0.5, 0.9, 1.0)
OWN_SCORE = (0.13, 0.265, 0.35, 0.435, 0.51, 0.63)
"""How far above strangers' a person's own faces score, by the share of them that scores less."""

FAR_OFF = 0.62
"""A training picture further than this from the middle of the person's, and nearer to another
person's, shows that other one: strangers are 0.74 off on average, and of a person's own pictures
2 % are beyond 0.5."""

Tell = Callable[[str, int, int], None]
"""Told what is done: a word, how much of it, and of how much."""


@dataclass(frozen=True, slots=True)
class Doubtful:
    """A training picture that looks like another person than its folder says; it is not used."""

    source: str
    person: str
    looks_like: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """One of the three, judged on faces that it had not seen.

    `known_right` is the share of known faces that are named right at `threshold`, `strangers_named`
    that of strangers who are given a name; `f1` is the macro average over all people and the
    unknown.
    """

    family: str
    parameters: dict[str, Any]
    threshold: float
    known_right: float
    strangers_named: float
    f1: float


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


@dataclass(frozen=True, slots=True)
class Trained:
    bundle: Bundle
    candidates: tuple[Candidate, ...]
    winner: Candidate
    verdicts: Verdicts
    doubtful: tuple[Doubtful, ...]
    pictures: dict[str, int] = field(default_factory=dict)
    """Used per person; the unknown under ""."""


def train(
    samples: Sequence[Sample],
    *,
    embedder: str,
    false_accept_rate: float = FALSE_ACCEPT_RATE,
    families: Sequence[str] = FAMILIES,
    tell: Tell = lambda what, done, total: None,
) -> Trained:
    """Raises ModelError where there is nobody to learn, or too many."""
    import numpy as np

    everything = Faces.of(samples)
    if not everything.names:
        raise ModelError(
            "there is nobody to learn: no picture shows one usable face of a named person",
            "`trainer gallery check FOLDER` tells why",
        )
    if len(everything.names) > MAX_PEOPLE:
        raise ModelError(f"more than {MAX_PEOPLE} people", "leave some folders out")
    doubtful = _doubtful(samples, everything)
    left_out = {one.source for one in doubtful}
    used = [one for one in samples if one.source not in left_out]
    faces = Faces.of(used)
    rounds = rounds_of(faces)
    # With nobody else there is nothing that a classifier could tell apart.
    alone = len(faces.names) == 1 and not (faces.owner < 0).any()
    choices = [(NONE, (None,))] + [
        (family, SEARCHED[family]) for family in families if family != NONE and not alone
    ]
    if NONE not in families and not alone:
        choices = choices[1:]
    total = sum(len(recipes) for _, recipes in choices)
    done = 0
    judged: list[tuple[Candidate, Recipe | None, Trials | None]] = []
    for family, recipes in choices:
        best: tuple[Candidate, Recipe | None, Trials | None] | None = None
        for recipe in recipes:
            trials = tried(faces, rounds, recipe) if rounds else None
            one = _judge(family, recipe, faces, trials, false_accept_rate)
            # The simplest of equals, which comes first.
            if best is None or _rank(one) > _rank(best[0]):
                best = one, recipe, trials
            done += 1
            tell("searching", done, total)
        assert best is not None
        judged.append(best)
    winner, recipe, trials = judged[0]
    for other in judged[1:]:
        if _rank(other[0]) > _rank(winner):
            winner, recipe, trials = other
    count = len(faces.names)
    classifier = recipe.fit(faces.embeddings, faces.owner, count) if recipe else None
    slope, offset = _calibrated(faces, trials, winner)
    verdicts = _verdicts(faces, trials, winner.threshold)
    manifest = Manifest(
        format=1,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        made_by=f"annotator {__version__}",
        embedder=embedder,
        names=faces.names,
        classifier=winner.family,
        gamma=classifier.gamma if isinstance(classifier, SupportVectors) else 0.0,
        false_accept_rate=false_accept_rate,
        threshold=winner.threshold,
        slope=slope,
        offset=offset,
    )
    counts = np.bincount(faces.owner + 1, minlength=count + 1).tolist()
    pictures = dict(zip(("", *faces.names), counts, strict=True))
    candidates = tuple(one for one, _, _ in judged)
    report = {
        "candidates": [_object(one) for one in candidates],
        "winner": winner.family,
        "pictures": {name or "Unknown": number for name, number in pictures.items()},
        "recall": dict(zip((*faces.names, "Unknown"), verdicts.recalls, strict=True)),
        "threshold_by_size_px": {str(int(px)): t for px, t in thresholds_by_size(winner.threshold)},
        "doubtful": [one.source for one in doubtful],
    }
    people = people_of(faces.embeddings, faces.owner, count)
    bundle = Bundle(manifest, people, classifier, report)
    return Trained(bundle, candidates, winner, verdicts, doubtful, pictures)


def thresholds_by_size(threshold: float) -> list[tuple[float, float]]:
    """What a sharp face of each size in pixels must score."""
    return [(px, threshold + extra) for px, extra in zip(SIZE_PX, SIZE_EXTRA, strict=True)]


def thresholds_by_sharpness(threshold: float) -> list[tuple[float, float]]:
    """What a large face of each sharpness must score."""
    return [(one, threshold + extra) for one, extra in zip(SHARPNESS, SHARPNESS_EXTRA, strict=True)]


def _rank(one: Candidate) -> float:
    # Less than half a face in 200 is chance; then the cheaper one, which comes first, stays.
    return round(one.known_right - one.strangers_named, 3)


def _judge(
    family: str,
    recipe: Recipe | None,
    faces: Faces,
    trials: Trials | None,
    false_accept_rate: float,
) -> Candidate:
    parameters = dict(recipe.parameters) if recipe else {}
    count = len(faces.names)
    prior = stranger_score(false_accept_rate, count) + CAUTION
    if trials is None:
        return Candidate(family, parameters, prior, 0.0, 0.0, 0.0)
    threshold = prior + _usual_evidence(trials) + _shift(trials)
    verdicts = _verdicts(faces, trials, threshold)
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


def _usual_evidence(trials: Trials) -> float:
    """What the classifier usually adds to the score of a stranger."""
    import numpy as np

    strangers = trials.truth < 0
    if trials.evidence is None or not strangers.any():
        return 0.0
    best = trials.fused[strangers].argmax(axis=1)
    said = trials.evidence[strangers][np.arange(len(best)), best]
    return EVIDENCE_WEIGHT * float(np.median(said))


def _shift(trials: Trials) -> float:
    """How much more strangers score in this gallery than was known beforehand."""
    import numpy as np

    strangers = trials.truth < 0
    if not strangers.any():
        return 0.0
    best = trials.fused[strangers].max(axis=1) - _usual_evidence(trials)
    expected = [stranger_score(0.5, int(people)) for people in trials.present[strangers]]
    several = len(np.unique(trials.face[strangers]))
    # Pictures of one person are not independent; each counts as a third of a stranger.
    weight = several / 3 / (several / 3 + OWN_STRANGERS)
    shift = weight * float(np.median(best - np.array(expected)))
    return float(np.clip(shift, -MOST_SHIFT, MOST_SHIFT))


def _verdicts(faces: Faces, trials: Trials | None, threshold: float) -> Verdicts:
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


def _calibrated(faces: Faces, trials: Trials | None, winner: Candidate) -> tuple[float, float]:
    """Slope and offset of the log odds that a face with a score is the person it resembles most,
    where as many faces of strangers are met as of known people."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    shares = (np.arange(BEFOREHAND) + 0.5) / BEFOREHAND
    usual = _usual_evidence(trials) if trials else 0.0
    added = EVIDENCE_WEIGHT if winner.family != NONE else 0.0
    own = np.interp(shares, OWN_SHARE, OWN_SCORE) + added
    others = np.array([stranger_score(s, len(faces.names)) for s in 1 - shares]) + usual
    right, wrong = [own], [others]
    if trials is not None:
        fused = trials.fused
        best, known = fused.max(axis=1), trials.truth >= 0
        hit = known & (fused.argmax(axis=1) == trials.truth)
        right.append(best[hit])
        wrong.append(best[~hit])
    scores = np.concatenate([*right, *wrong])
    truth = np.repeat([1, 0], [sum(map(len, right)), sum(map(len, wrong))])
    model = LogisticRegression(C=1e6, class_weight="balanced").fit(scores[:, None], truth)
    return float(model.coef_[0, 0]), float(model.intercept_[0])


def _macro_f1(matrix: NDArray[np.int64]) -> float:
    import numpy as np

    right, asked, said = matrix.diagonal(), matrix.sum(axis=1), matrix.sum(axis=0)
    there = asked > 0
    return float(np.mean(2 * right[there] / (asked + said)[there])) if there.any() else 0.0


def _doubtful(samples: Sequence[Sample], faces: Faces) -> tuple[Doubtful, ...]:
    """Pictures of people with at least 4, that are somebody else's by far."""
    import numpy as np

    count = len(faces.names)
    numbers = np.bincount(faces.owner[faces.owner >= 0], minlength=count)
    middles = np.array(
        [np.median(faces.embeddings[faces.owner == person], axis=0) for person in range(count)]
    )
    found = []
    for one, embedding, owner in zip(samples, faces.embeddings, faces.owner, strict=True):
        if owner < 0 or numbers[owner] < 4:
            continue
        apart = np.linalg.norm(middles - embedding, axis=1)
        nearest = int(apart.argmin())
        if nearest != owner and apart[owner] > FAR_OFF:
            found.append(Doubtful(one.source, faces.names[owner], faces.names[nearest]))
    return tuple(found)


def _object(one: Candidate) -> dict[str, Any]:
    return {
        "classifier": one.family,
        "parameters": one.parameters,
        "threshold": one.threshold,
        "known_right": one.known_right,
        "strangers_named": one.strangers_named,
        "f1": one.f1,
    }
