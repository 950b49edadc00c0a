"""Who a face is: the open-set answer to its embedding.

Each person is a cloud of embeddings: a centre, and the directions in which that person's own
pictures differ (pose, age, glasses). A face's distance to a person forgives what differs in those
directions. The score is how much nearer the face is than strangers are to that person; a name is
given where the best person's score is over a threshold that was chosen for a stated share of
strangers. A classifier, where it helped in training, adds its own evidence to the score.
docs/faces.md tells how this was found and what it reaches.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from annotator.domain import FaceEvidence, Identification, Identity

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

BLOCK = 4096
"""Faces that are looked at together: 20 people with 10 pictures each then take some 10 MB."""

LENGTH = 128
"""Numbers of an embedding."""

EVIDENCE_WEIGHT = 0.04
"""What a classifier that is quite sure adds to the score; half a stranger's standard deviation."""

SIZE_PX = (40.0, 60.0, 90.0)
SIZE_EXTRA = (0.010, 0.005, 0.0)
SHARPNESS = (40.0, 80.0, 150.0, 300.0, 700.0)
SHARPNESS_EXTRA = (0.053, 0.033, 0.022, 0.018, 0.0)
"""By so much nearer strangers come to everybody where a face is so small or so little sharp, and so
much more its score must be: means over 42 to 1023 faces and 12 people of the development half,
embedded without their mirror images."""


class Recogniser(Protocol):
    @property
    def provenance(self) -> str | None:
        """`name@sha256[:12]`; None where nobody is enrolled."""

    def identify(self, faces: Sequence[FaceEvidence]) -> tuple[Identification, ...]:
        """Who each face is; hundreds of thousands at once, for all that the database has."""

    def refresh(self) -> None:
        """Take up what is newer; only between two pictures, so that one answer is of one maker."""


class NoGallery:
    """Answers for a gallery that does not exist yet."""

    provenance: str | None = None

    def identify(self, faces: Sequence[FaceEvidence]) -> tuple[Identification, ...]:
        return (Identification(Identity.NO_GALLERY),) * len(faces)

    def refresh(self) -> None:
        pass


@dataclass(frozen=True, slots=True)
class People:
    """The clouds. `centres` is people x 128; `axes` is directions x 128, of which each is scaled by
    what it forgives and belongs to the person `axis_owner`; `strangers` is how far away strangers
    are expected to be from each person."""

    centres: Floats
    axes: Floats
    axis_owner: NDArray[np.int32]
    strangers: Floats

    def distances(self, embeddings: Floats) -> Floats:
        """Faces x people."""
        import numpy as np

        squares = (
            np.square(embeddings).sum(axis=1)[:, None]
            + np.square(self.centres).sum(axis=1)
            - 2 * embeddings @ self.centres.T
        )
        if len(self.axes):
            own = (self.axes * self.centres[self.axis_owner]).sum(axis=1)
            along = np.square(embeddings @ self.axes.T - own)
            # Where each person's axes begin; a person with one picture has none.
            starts = np.flatnonzero(np.diff(self.axis_owner, prepend=-1))
            squares[:, self.axis_owner[starts]] -= np.add.reduceat(along, starts, axis=1)
        return np.asarray(np.sqrt(np.maximum(squares, 0)), np.float64)

    def scores(self, embeddings: Floats) -> Floats:
        """Faces x people: how much nearer than a stranger."""
        return self.strangers - self.distances(embeddings)


class Classifier(Protocol):
    """What a trained classifier has to say; see `annotator.inference.classify`."""

    def evidence(self, embeddings: Floats) -> Floats:
        """Faces x people, in [-1, 1]: against and for each person."""


@dataclass(frozen=True, slots=True)
class Decision:
    """From the best person's score to an answer.

    The probability of a face with a score is 1 / (1 + exp(-(slope * score + offset))).
    """

    threshold: float
    slope: float
    offset: float


@dataclass(frozen=True, slots=True)
class Nearest:
    """Of each face of a block: the person that it resembles most, by number; by how much it does,
    less what is asked for its size and sharpness; and how far away it is."""

    person: NDArray[np.intp]
    score: Floats
    distance: Floats


class OpenSet:
    """A trained recogniser: a pure function of its parts."""

    def __init__(
        self,
        names: Sequence[str],
        people: People,
        classifier: Classifier | None,
        decision: Decision,
        provenance: str,
    ):
        self.names = tuple(names)
        self.threshold = decision.threshold
        self.provenance: str | None = provenance
        self._people = people
        self._classifier = classifier
        self._decision = decision

    def refresh(self) -> None:
        pass

    def identify(self, faces: Sequence[FaceEvidence]) -> tuple[Identification, ...]:
        return tuple(
            answer
            for start in range(0, len(faces), BLOCK)
            for answer in self._answers(faces[start : start + BLOCK])
        )

    def nearest(self, faces: Sequence[FaceEvidence]) -> Nearest:
        """Before anything is decided; takes memory for faces x people."""
        import numpy as np

        embeddings = embeddings_of(faces)
        distances = self._people.distances(embeddings)
        scores = fused(self._people.strangers - distances, self._classifier, embeddings)
        best = scores.argmax(axis=1)
        rows = np.arange(len(faces))
        return Nearest(best, scores[rows, best] - extra_of(faces), distances[rows, best])

    def _answers(self, faces: Sequence[FaceEvidence]) -> Iterator[Identification]:
        import numpy as np

        found = self.nearest(faces)
        odds = self._decision.slope * found.score + self._decision.offset
        probabilities = 1 / (1 + np.exp(-np.clip(odds, -50, 50)))
        for known, person, probability, distance in zip(
            (found.score > self._decision.threshold).tolist(),
            found.person.tolist(),
            probabilities.round(4).tolist(),
            found.distance.round(4).tolist(),
            strict=True,
        ):
            name = self.names[person] if known else None
            identity = Identity.KNOWN if known else Identity.UNKNOWN
            yield Identification(identity, name, probability, distance)


def fused(scores: Floats, classifier: Classifier | None, embeddings: Floats) -> Floats:
    """The scores with what the classifier says to them."""
    if classifier is None:
        return scores
    return scores + EVIDENCE_WEIGHT * classifier.evidence(embeddings)


def embeddings_of(faces: Sequence[FaceEvidence]) -> Floats:
    """Faces x 128: the mean of each face's and of its mirror image's, where that is known.

    An embedding that is no number anywhere is as far from everybody as can be.
    """
    import numpy as np

    def joined(embeddings: Iterable[bytes]) -> Floats:
        return np.frombuffer(b"".join(embeddings), "<f4").reshape(-1, LENGTH).astype(np.float64)

    alone = joined(face.embedding for face in faces)
    embeddings = (alone + joined(face.mirrored or face.embedding for face in faces)) / 2
    return np.where(np.isfinite(embeddings), np.clip(embeddings, -1e3, 1e3), 1e3)


def extra_of(faces: Sequence[FaceEvidence]) -> Floats:
    """What the scores of faces must have more, for their size and sharpness."""
    import numpy as np

    sizes = np.interp([face.size_px for face in faces], SIZE_PX, SIZE_EXTRA)
    blurs = np.interp([face.sharpness for face in faces], SHARPNESS, SHARPNESS_EXTRA)
    return np.asarray(sizes + blurs, np.float64)
