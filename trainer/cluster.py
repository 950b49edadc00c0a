"""Unknown faces grouped into strangers, each with a number that stays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from annotator.domain import FaceQuestion, Identity, StoredFace
from annotator.errors import QueryError
from annotator.ports import FaceBook, SightingQueries
from trainer.linkage import Tell, alike

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_DISTANCE = 0.56
"""Up to this average distance faces are one person's. docs/training.md tells what it reaches: two
people hardly ever become one; of most people nearly all faces are together."""
MIN_FACES = 3
MAX_FACES = 200_000
"""Some 320 MB."""
MOST = 10.0
"""No number of an embedding is larger: its 128 squares add up to about 2."""
BEST_FACES = 24
"""Of each stranger; half of them are for captures that are gone."""


@dataclass(frozen=True, slots=True)
class Stranger:
    """Somebody unknown. `monitors` are those that saw most first, `best` the ids of the faces that
    were seen best, of different events before those of the same; `is_new` since this run."""

    number: int
    faces: int
    events: int
    first_at: datetime
    last_at: datetime
    monitors: tuple[str, ...]
    best: tuple[int, ...]
    is_new: bool


@dataclass(frozen=True, slots=True)
class Clustering:
    """What came of it: strangers, most faces first; `alone` faces are of none."""

    faces: int
    alone: int
    strangers: tuple[Stranger, ...]


def cluster(
    queries: SightingQueries,
    book: FaceBook,
    *,
    since: datetime | None = None,
    min_faces: int = MIN_FACES,
    max_distance: float = MAX_DISTANCE,
    tell: Tell = lambda done, total: None,
) -> Clustering:
    """Group all faces that are not known to be anybody, and write down who is which stranger.

    With `since`, of older faces only those take part that are a stranger's. Raises QueryError where
    there are more than `MAX_FACES`.
    """
    import numpy as np

    unknown, no_longer = _read(queries, since)
    if not unknown.ids:
        book.group(dict.fromkeys(no_longer, None))
        return Clustering(0, 0, ())
    embeddings = np.frombuffer(unknown.embeddings, "<f4").reshape(len(unknown.ids), -1)
    event = np.array(unknown.event, np.int32)
    # A damaged embedding is like nobody's, not even another damaged one.
    sound = np.flatnonzero((np.abs(embeddings) < MOST).all(axis=1))
    labels = np.arange(len(unknown.ids))
    labels[sound] = sound[alike(embeddings[sound], event[sound], max_distance, tell)]
    groups = _by_label(labels)
    numbers = numbered(groups, unknown.stranger, book.last_stranger(), min_faces)
    after: dict[int, int | None] = dict.fromkeys(no_longer, None)
    for members, number in zip(groups, numbers, strict=True):
        for at in members:
            if unknown.stranger[at] != number:
                after[unknown.ids[at]] = number
    book.group(after)
    known_before = set(unknown.stranger)
    strangers = [
        unknown.stranger_of(number, members, is_new=number not in known_before)
        for members, number in zip(groups, numbers, strict=True)
        if number is not None
    ]
    strangers.sort(key=lambda one: (-one.faces, one.number))
    in_groups = sum(one.faces for one in strangers)
    return Clustering(len(unknown.ids), len(unknown.ids) - in_groups, tuple(strangers))


def numbered(
    groups: Sequence[Sequence[int]],
    before: Sequence[int | None],
    last_number: int,
    min_faces: int,
) -> list[int | None]:
    """Each group's number; None for one of fewer faces that nobody has given a number yet.

    `groups` are indices into `before`, the numbers that faces have. A number goes to the group with
    most of its faces; of several numbers in one group that of most faces stays, the older of
    equals. New ones begin after `last_number`, so nobody gets one that was somebody else's.
    """
    claims = sorted(
        (-count, number, group)
        for group, members in enumerate(groups)
        for number, count in Counter(before[at] for at in members).items()
        if number is not None
    )
    numbers: list[int | None] = [None] * len(groups)
    given = set()
    for _, number, group in claims:
        if numbers[group] is None and number not in given:
            numbers[group] = number
            given.add(number)
    new = max([last_number, *(number for number in before if number is not None)])
    for group, members in enumerate(groups):
        if numbers[group] is None and len(members) >= min_faces:
            new += 1
            numbers[group] = new
    return numbers


@dataclass(slots=True)
class _Unknown:
    """The faces, in columns: some 1 kB each with what grouping them takes."""

    ids: list[int] = field(default_factory=list)
    embeddings: bytearray = field(default_factory=bytearray)
    event: list[int] = field(default_factory=list)
    monitor: list[str] = field(default_factory=list)
    seen_s: list[float] = field(default_factory=list)
    quality: list[float] = field(default_factory=list)
    stranger: list[int | None] = field(default_factory=list)
    _events: dict[str, int] = field(default_factory=dict)

    def add(self, face: StoredFace) -> None:
        from annotator.inference.identify import embeddings_of
        from annotator.inference.tracks import quality

        event = self._events.setdefault(face.capture.event.directory, len(self._events))
        self.ids.append(face.id)
        self.embeddings += embeddings_of([face.evidence]).astype("<f4").tobytes()
        self.event.append(event)
        self.monitor.append(face.capture.monitor)
        self.seen_s.append(face.captured_at.timestamp())
        self.quality.append(quality(face.evidence.size_px, face.evidence.sharpness, 0.0))
        self.stranger.append(face.stranger)

    def stranger_of(self, number: int, members: Sequence[int], *, is_new: bool) -> Stranger:
        seen_s = [self.seen_s[at] for at in members]
        monitors = Counter(self.monitor[at] for at in members)
        return Stranger(
            number=number,
            faces=len(members),
            events=len({self.event[at] for at in members}),
            first_at=datetime.fromtimestamp(min(seen_s), UTC),
            last_at=datetime.fromtimestamp(max(seen_s), UTC),
            monitors=tuple(name for name, _ in monitors.most_common()),
            best=tuple(self.ids[at] for at in self._best(members)),
            is_new=is_new,
        )

    def _best(self, members: Sequence[int]) -> list[int]:
        taken: Counter[int] = Counter()
        ranked = []
        for at in sorted(members, key=lambda at: -self.quality[at]):
            ranked.append((taken[self.event[at]], at))
            taken[self.event[at]] += 1
        ranked.sort(key=lambda one: one[0])
        return [at for _, at in ranked[:BEST_FACES]]


def _read(queries: SightingQueries, since: datetime | None) -> tuple[_Unknown, list[int]]:
    """The faces to be grouped, and the ids of those that were a stranger's and have a name now."""
    unknown, no_longer = _Unknown(), []
    for face in queries.stored_faces(FaceQuestion()):
        if face.identification.identity is Identity.KNOWN:
            # Whom people named stays to be found as that stranger.
            if face.stranger is not None and not face.by_hand:
                no_longer.append(face.id)
        elif since is None or face.captured_at >= since or face.stranger is not None:
            if len(unknown.ids) == MAX_FACES:
                raise QueryError(
                    f"there are more than {MAX_FACES:,} unknown faces",
                    "group those of the last time with `--since 90d`",
                )
            unknown.add(face)
    return unknown, no_longer


def _by_label(labels: NDArray[np.intp]) -> list[list[int]]:
    """The indices of each group, the one whose face comes first in the database first."""
    groups: dict[int, list[int]] = {}
    for at, label in enumerate(labels.tolist()):
        groups.setdefault(label, []).append(at)
    return list(groups.values())
