"""From named embeddings to the clouds of `annotator.inference.identify`, and what is known about
strangers before any gallery is seen.

The figures are of the development half of the people and strangers that `benchmarks/faces.py` reads
(12 people, 66 strangers), and can be measured again with `--measure`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from annotator.inference.identify import People

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from annotator.inference.identify import Floats

FORGIVING = 1.0
"""A direction in which the pictures of a person differ by the sum of squares s is forgiven
s / (s + FORGIVING) of the squared distance."""
MOST_PICTURES = 20
"""More pictures do not add to the sums of squares: else everything would be forgiven in the end."""

PICTURES = (1.0, 3.0, 5.0, 8.0, 10.0, 15.0, 20.0)
STRANGER_AT = (0.812, 0.771, 0.761, 0.753, 0.750, 0.743, 0.743)
"""How far strangers are from a person with so many pictures, on average."""

PAIR_SHARE = (1e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 5e-1, 1.0)
PAIR_SCORE = (0.295, 0.260, 0.244, 0.223, 0.205, 0.180, 0.155, 0.113, 0.003, -0.3)
"""Such a share of strangers has more than such a score with any one person."""
CAUTIOUS_SCORE = (0.300, 0.270, 0.270, 0.253, 0.223, 0.193, 0.168, 0.131, 0.026, -0.3)
"""The same if other strangers come nearer: where the people and the strangers are drawn anew from
the same ones 400 times, scores are this high in 5 % of the draws."""


def people_of(embeddings: Floats, owner: NDArray[np.int32], count: int) -> People:
    """The clouds of `count` people from faces x 128; owner -1 is somebody unknown."""
    import numpy as np

    centres = np.zeros((count, embeddings.shape[1]))
    axes, axis_owner = [], []
    for person in range(count):
        own = embeddings[owner == person]
        centres[person] = own.mean(axis=0)
        spread = (own - centres[person]) * np.sqrt(min(len(own), MOST_PICTURES) / len(own))
        _, lengths, directions = np.linalg.svd(spread, full_matrices=False)
        forgiven = np.square(lengths) / (np.square(lengths) + FORGIVING)
        kept = forgiven > 1e-3
        axes.append(np.sqrt(forgiven[kept])[:, None] * directions[kept])
        axis_owner += [person] * int(kept.sum())
    numbers = np.bincount(owner[owner >= 0], minlength=count)
    strangers = np.interp(numbers, PICTURES, STRANGER_AT)
    return People(centres, np.concatenate(axes), np.array(axis_owner, np.int32), strangers)


def stranger_score(share: float, people: int, *, cautiously: bool = False) -> float:
    """The score that `share` of strangers exceed with the nearest of so many people."""
    import numpy as np

    pair = -np.expm1(np.log1p(-share) / people)
    scores = CAUTIOUS_SCORE if cautiously else PAIR_SCORE
    return float(np.interp(np.log(pair), np.log(PAIR_SHARE), scores))
