"""Which of very many embeddings are of one person, without knowing anybody.

Average linkage: the two most alike groups become one, again and again, until none are alike enough.
Two groups are as far apart as their faces are on average, so one face between two people does not
chain them together, as it does where the nearest faces decide. Sums over a group are enough to tell
that average: sum of |a - b|^2 / (n m) = |mean a - mean b|^2 + variance a + variance b.

A group of few faces knows little of its own variance; each is taken to have one more face of
ordinary variance. So two single faces must be more alike than two groups of many, whose means tell
more, and passers-by seen once each do not become one person by chance.

Only near neighbours are looked at, found anew in each round, so the time for n groups is that of
one n x n product in blocks, and memory grows with n.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Ints = NDArray[np.intp]

ORDINARY_VARIANCE = 0.08
"""The mean square distance of a person's faces from their middle: the median over people is 0.085
(benchmarks/strangers.py)."""
NEIGHBOURS = 12
MOST_AT_ONCE = 512
"""So many faces of one event are joined first: a camera that sees one person all day makes few
groups, and not as many pairs as there are faces, squared."""
BLOCK_BYTES = 1 << 25

Tell = Callable[[int, int], None]
"""Told how many faces are compared, and of how many."""


def alike(
    embeddings: Floats,
    event: NDArray[np.int32],
    max_distance: float,
    tell: Tell = lambda done, total: None,
) -> Ints:
    """A number for each face, the same for those of one person: the index of one of them.

    `embeddings` is faces x 128. That well seen faces weigh more was tried, and did not help.
    """
    import numpy as np

    groups = _Groups(embeddings, max_distance)
    by_event = np.argsort(event, kind="stable")
    ends = np.flatnonzero(np.diff(event[by_event], append=-1)) + 1
    start = 0
    for end in ends.tolist():
        for first in range(start, end, MOST_AT_ONCE):
            if end - first > 1:
                groups.join(by_event[first : min(end, first + MOST_AT_ONCE)])
        start = end
    # A large group's neighbours may all be of its own; once they are one, the others are seen.
    while groups.join(groups.roots(), tell):
        pass
    return groups.labels()


class _Groups:
    """Faces joined so far; each group is known by the index of one of its faces."""

    def __init__(self, embeddings: Floats, max_distance: float):
        import numpy as np

        self._mean = np.array(embeddings, np.float32)
        self._size = np.ones(len(embeddings))
        self._scatter = np.zeros(len(embeddings))
        """The sum of squared distances from the mean."""
        self._joined_to = np.arange(len(embeddings))
        self._version = np.zeros(len(embeddings), np.int64)
        self._limit = max_distance**2

    def roots(self) -> Ints:
        import numpy as np

        return np.flatnonzero(self._joined_to == np.arange(len(self._joined_to)))

    def labels(self) -> Ints:
        import numpy as np

        labels = self._joined_to
        while not np.array_equal(further := labels[labels], labels):
            labels = further
        return labels

    def join(self, groups: Ints, tell: Tell = lambda done, total: None) -> int:
        """Join those of these groups that are alike; how often two became one."""
        beside: dict[int, set[int]] = {}
        for one, others in self._near(groups, tell):
            for other in others:
                beside.setdefault(one, set()).add(other)
                beside.setdefault(other, set()).add(one)
        heap: list[tuple[float, int, int, int, int]] = []
        for one, around in beside.items():
            self._propose(heap, one, [other for other in around if one < other])
        joined = 0
        while heap:
            _, one, other, version, other_version = heapq.heappop(heap)
            if self._version[one] != version or self._version[other] != other_version:
                continue  # of a group that has changed since
            self._merge(one, other)
            joined += 1
            around = (beside[one] | beside.pop(other)) - {one, other}
            beside[one] = around
            for third in around:
                beside[third].discard(other)
                beside[third].add(one)
            self._propose(heap, one, list(around))
        return joined

    def _near(self, groups: Ints, tell: Tell) -> Iterator[tuple[int, list[int]]]:
        """For each group its nearest neighbours, where it has any."""
        import numpy as np

        means = self._mean[groups]
        squares = np.square(means).sum(axis=1)
        rows = max(1, BLOCK_BYTES // (4 * max(1, len(groups))))
        for start in range(0, len(groups), rows):
            block = slice(start, start + rows)
            apart = squares[block, None] + squares - 2 * means[block] @ means.T
            for row, distances in enumerate(apart, start=start):
                distances[row] = np.inf
                found = np.flatnonzero(distances < self._limit)
                if len(found) > NEIGHBOURS:
                    nearest = np.argpartition(distances[found], NEIGHBOURS)[:NEIGHBOURS]
                    found = found[nearest]
                if len(found):
                    yield int(groups[row]), groups[found].tolist()
            tell(min(start + rows, len(groups)), len(groups))

    def _propose(
        self, heap: list[tuple[float, int, int, int, int]], one: int, others: list[int]
    ) -> None:
        """Put those on the heap that are alike enough to become one with `one`."""
        import numpy as np

        if not others:
            return
        apart = np.square(self._mean[others] - self._mean[one]).sum(axis=1)
        apart = apart + self._variance(np.array(others)) + self._variance(np.array([one]))
        version = int(self._version[one])
        versions = self._version[others].tolist()
        for squared, other, its_version in zip(apart.tolist(), others, versions, strict=True):
            if squared < self._limit:
                heapq.heappush(heap, (squared, one, other, version, its_version))

    def _variance(self, groups: Ints) -> NDArray[np.float64]:
        variance: NDArray[np.float64] = (self._scatter[groups] + ORDINARY_VARIANCE) / (
            self._size[groups] + 1
        )
        return variance

    def _merge(self, one: int, other: int) -> None:
        """`one` takes `other` in, which is no group any more."""
        import numpy as np

        size, other_size = self._size[one], self._size[other]
        total = size + other_size
        apart = float(np.square(self._mean[one] - self._mean[other]).sum())
        self._scatter[one] += self._scatter[other] + apart * size * other_size / total
        self._mean[one] += (self._mean[other] - self._mean[one]) * np.float32(other_size / total)
        self._size[one] = total
        self._joined_to[other] = one
        self._version[[one, other]] += 1
