"""Training: from samples to a bundle, with everything that was decided on the way.

Three candidates are compared on faces that they have not seen: the clouds alone, with an SVM and
with XGBoost. Each gets the threshold that lets the stated share of strangers through, and the one
that then names most known faces right wins; a dearer one only where it is clearly better.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from annotator import __version__
from annotator.errors import ModelError
from annotator.inference.bundle import MAX_PEOPLE, Bundle, Manifest
from annotator.inference.classify import SupportVectors
from trainer.classifiers import SEARCHED
from trainer.clouds import people_of
from trainer.judging import (
    Candidate,
    Verdicts,
    calibrated,
    judge,
    thresholds_by_size,
    verdicts_of,
)
from trainer.trials import Faces, Trials, rounds_of, tried

if TYPE_CHECKING:
    from trainer.classifiers import Recipe
    from trainer.samples import Sample

FALSE_ACCEPT_RATE = 0.005
NONE = "none"
"""The candidate without a classifier."""
FAMILIES = (NONE, *SEARCHED)

CLEARLY_BETTER = 0.01
"""By less, cross-validation of the same pictures differs where they are folded otherwise."""

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
class Trained:
    """`pictures` are those used, per person, with the unknown under ""."""

    bundle: Bundle
    candidates: tuple[Candidate, ...]
    winner: Candidate
    verdicts: Verdicts
    doubtful: tuple[Doubtful, ...]
    pictures: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class _Judged:
    candidate: Candidate
    recipe: Recipe | None
    trials: Trials | None

    @property
    def rank(self) -> float:
        return self.candidate.rank


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
    from threadpoolctl import threadpool_limits

    doubtful = _doubtful(samples)
    left_out = {one.source for one in doubtful}
    faces = Faces.of([one for one in samples if one.source not in left_out])
    count = len(faces.names)
    if not count:
        raise ModelError(
            "there is nobody to learn: no picture shows one usable face of a named person",
            "`trainer gallery check FOLDER` tells why",
        )
    if count > MAX_PEOPLE:
        raise ModelError(f"these are more than {MAX_PEOPLE} people", "leave some folders out")
    # Matrices this small are slower with two threads, which wait for each other by spinning: three
    # times the processor time.
    with threadpool_limits(1):
        judged = list(_candidates(faces, families, false_accept_rate, tell))
        best = _best(judged)
        recipe, winner = best.recipe, best.candidate
        classifier = recipe.fit(faces.embeddings, faces.owner, count) if recipe else None
        people = people_of(faces.embeddings, faces.owner, count)
    slope, offset = calibrated(faces, best.trials, recipe is not None)
    verdicts = verdicts_of(faces, best.trials, winner.threshold)
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
    candidates = tuple(one.candidate for one in judged)
    numbers = np.bincount(faces.owner + 1, minlength=count + 1).tolist()
    pictures = dict(zip(("", *faces.names), numbers, strict=True))
    report = {
        "candidates": [_object(one) for one in candidates],
        "pictures": {name or "Unknown": number for name, number in pictures.items()},
        "recall": dict(zip((*faces.names, "Unknown"), verdicts.recalls, strict=True)),
        "threshold_by_size_px": {f"{px:.0f}": t for px, t in thresholds_by_size(winner.threshold)},
        "doubtful": [one.source for one in doubtful],
    }
    bundle = Bundle(manifest, people, classifier, report)
    return Trained(bundle, candidates, winner, verdicts, doubtful, pictures)


def _best(judged: Sequence[_Judged]) -> _Judged:
    """The first, which is the cheapest, unless another one is clearly better."""
    best = judged[0]
    for other in judged[1:]:
        if other.rank > best.rank + CLEARLY_BETTER:
            best = other
    return best


def _candidates(
    faces: Faces, families: Sequence[str], false_accept_rate: float, tell: Tell
) -> Iterator[_Judged]:
    """The best of each family, in the order of `FAMILIES`, which is that of their cost."""
    rounds = rounds_of(faces)
    searched: dict[str, Sequence[Recipe | None]] = {NONE: (None,), **SEARCHED}
    # With nobody else there is nothing that a classifier could tell apart.
    alone = len(faces.names) == 1 and not (faces.owner < 0).any()
    wanted = [family for family in FAMILIES if family in families and not alone] or [NONE]
    total, done = sum(len(searched[family]) for family in wanted), 0
    for family in wanted:
        tries = []
        for recipe in searched[family]:
            trials = tried(faces, rounds, recipe) if rounds else None
            parameters = recipe.parameters if recipe else {}
            candidate = judge(family, parameters, faces, trials, false_accept_rate)
            tries.append(_Judged(candidate, recipe, trials))
            done += 1
            tell("searching", done, total)
        yield max(tries, key=lambda one: one.rank)


def _doubtful(samples: Sequence[Sample]) -> tuple[Doubtful, ...]:
    """Pictures of people with at least 4, that are somebody else's by far."""
    import numpy as np

    faces = Faces.of(samples)
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
        "parameters": dict(one.parameters),
        "threshold": one.threshold,
        "known_right": one.known_right,
        "strangers_named": one.strangers_named,
        "f1": one.f1,
    }
