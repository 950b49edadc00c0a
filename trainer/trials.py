"""Cross-validation for an open set: what a recogniser of the same pictures would have said of faces
that it has not seen, some of known people and some of strangers.

Two kinds of rounds: a fifth of everybody's pictures is kept back, and with it a fifth of the
unknown; or a fifth of the people is, who are strangers then. Pictures of one group, an event or
near-duplicates, are never on both sides.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from annotator.inference.identify import EVIDENCE_WEIGHT, extra_of
from trainer.clouds import people_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from annotator.inference.identify import Floats
    from trainer.classifiers import Owners, Recipe
    from trainer.samples import Sample

FOLDS = 5
DUPLICATE = 0.1
"""Two pictures of a person this near are one: even a face shrunk to 80 px moves by 0.11."""


@dataclass(frozen=True, slots=True)
class Faces:
    """Samples as arrays: faces x 128; whose (-1: unknown); which group; what a score must have
    more."""

    names: tuple[str, ...]
    embeddings: Floats
    owner: Owners
    group: NDArray[np.int32]
    extra: Floats

    @classmethod
    def of(cls, samples: Sequence[Sample]) -> Faces:
        import numpy as np

        from annotator.inference.identify import embeddings_of

        names = tuple(sorted({one.person for one in samples if one.person is not None}))
        number = {name: n for n, name in enumerate(names)}
        evidence = [one.evidence for one in samples]
        embeddings = embeddings_of(evidence)
        owner = [-1 if one.person is None else number[one.person] for one in samples]
        owners = np.array(owner, np.int32)
        group = _groups([one.group for one in samples], embeddings, owners)
        return cls(names, embeddings, owners, group, extra_of(evidence))


@dataclass(frozen=True, slots=True)
class Round:
    """Which faces are learned from and which are asked about, and who is a stranger in it."""

    learned: NDArray[np.intp]
    asked: NDArray[np.intp]
    absent: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Trials:
    """The answers of all rounds: one row for each time that a face was asked about.

    `truth` is -1 for a stranger; `scores` and `evidence` are rows x people, with absent people
    at -inf.
    """

    face: NDArray[np.intp]
    truth: Owners
    present: NDArray[np.int32]
    scores: Floats
    evidence: Floats | None = None

    @property
    def fused(self) -> Floats:
        if self.evidence is None:
            return self.scores
        return self.scores + EVIDENCE_WEIGHT * self.evidence


def rounds_of(faces: Faces) -> list[Round]:
    """Both kinds; none of the second where nobody would be left."""
    import numpy as np

    count = len(faces.names)
    fold = _folds(faces)
    everything = np.arange(len(faces.owner))
    rounds = []
    for number in range(FOLDS):
        back = fold == number
        # A person's last pictures are not kept back: who is to be learned from then?
        learned = set(faces.owner[~back].tolist())
        back &= np.isin(faces.owner, [*learned, -1])
        if back.any() and (faces.owner[~back] >= 0).any():
            rounds.append(Round(everything[~back], everything[back]))
    for number in range(min(FOLDS, count) if count > 1 else 0):
        absent = frozenset(range(number, count, FOLDS))
        back = np.isin(faces.owner, list(absent))
        rounds.append(Round(everything[~back], everything[back], absent))
    return rounds


def tried(faces: Faces, rounds: Sequence[Round], recipe: Recipe | None = None) -> Trials:
    """What is said in every round, with a classifier's evidence where a recipe is given."""
    import numpy as np

    count = len(faces.names)
    scores, evidence = [], []
    for one in rounds:
        present = [person for person in range(count) if person not in one.absent]
        owner = np.full(count + 1, -1, np.int32)
        owner[present] = np.arange(len(present))
        owners = owner[faces.owner[one.learned]]
        known = faces.embeddings[one.learned]
        asked = faces.embeddings[one.asked]
        columns = np.full((2, len(asked), count), -np.inf)
        columns[0][:, present] = people_of(known, owners, len(present)).scores(asked)
        columns[0] -= faces.extra[one.asked, None]
        if recipe is not None:
            if len(present) > 1 or (owners < 0).any():
                columns[1][:, present] = recipe.fit(known, owners, len(present)).evidence(asked)
            else:
                columns[1][:, present] = 0
        scores.append(columns[0])
        evidence.append(columns[1])
    truth = [
        np.where(np.isin(faces.owner[one.asked], list(one.absent)), -1, faces.owner[one.asked])
        for one in rounds
    ]
    present_counts = [np.full(len(one.asked), count - len(one.absent), np.int32) for one in rounds]
    return Trials(
        np.concatenate([one.asked for one in rounds]),
        np.concatenate(truth),
        np.concatenate(present_counts),
        np.concatenate(scores),
        np.concatenate(evidence) if recipe is not None else None,
    )


def _folds(faces: Faces) -> NDArray[np.int32]:
    """A number below FOLDS for every face; groups stay whole, and everybody's are spread evenly."""
    import numpy as np

    fold = np.zeros(len(faces.owner), np.int32)
    for person in np.unique(faces.owner):
        mine = np.flatnonzero(faces.owner == person)
        groups, sizes = np.unique(faces.group[mine], return_counts=True)
        filled = np.zeros(FOLDS)
        # The largest first into the emptiest, and not everybody's first into the same.
        for group in groups[np.argsort(-sizes, kind="stable")]:
            members = mine[faces.group[mine] == group]
            emptiest = int(np.argmin(np.roll(filled, -(int(person) % FOLDS))))
            emptiest = (emptiest + int(person)) % FOLDS
            filled[emptiest] += len(members)
            fold[members] = emptiest
    return fold


def _groups(named: Sequence[str], embeddings: Floats, owner: Owners) -> NDArray[np.int32]:
    """The named groups, joined where they have near-duplicates of a person."""
    import numpy as np

    number = {name: n for n, name in enumerate(dict.fromkeys(named))}
    group = np.array([number[name] for name in named], np.int32)
    for person in np.unique(owner):
        mine = np.flatnonzero(owner == person)
        for a, b in _near(embeddings[mine]):
            group[group == group[mine[b]]] = group[mine[a]]
    return group


def _near(embeddings: Floats) -> Iterator[tuple[int, int]]:
    import numpy as np

    for index in range(len(embeddings) - 1):
        apart = np.linalg.norm(embeddings[index + 1 :] - embeddings[index], axis=1)
        for other in np.flatnonzero(apart < DUPLICATE):
            yield index, index + 1 + int(other)
