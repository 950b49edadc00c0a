"""What is probably wrong with a gallery, and what would help.

The distances were chosen on 537 pictures of 36 people, each held against the middle (the median of
every number) of the person's other pictures: all are nearer than 0.58. docs/training.md tells how
many deliberate mistakes are found.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from itertools import combinations, groupby
from pathlib import Path
from typing import TYPE_CHECKING

from annotator.errors import StoreError
from trainer.samples import Sample, Samples, person_of
from trainer.trials import DUPLICATE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

FAR = 0.58
"""A picture this far from the middle of the person's others hardly shows that person."""
CLEARLY_NEARER = 0.05
KNOWN = 0.45
"""A picture of the Unknown folder this near to somebody is that person: 98 % of people's own
pictures are, and none of 159 strangers'."""
ONE_PERSON = 0.38
"""Two halves of one person's pictures are 0.13 apart, at most 0.27; two people at least 0.48."""
LOOK_ALIKE = 0.5
"""2 of 630 pairs of people are this near to each other."""
FEW = 5
"""With so many pictures of everybody 99.2 % of other faces are named right, and not more with 10;
with 1 it is 95.7 % (benchmarks/strangers.py)."""


MOST_COMPARED = 200
"""A picture is held against so many others of its person."""


class Kind(StrEnum):
    """What a finding is about; those of `SERIOUS` should not stay."""

    UNREADABLE = "not readable"
    MISLABELLED = "mislabelled"
    OUTLIER = "outlier"
    KNOWN_UNKNOWN = "known, in Unknown"
    ONE_PERSON = "one person twice"
    UNUSABLE = "not usable"
    SAME_FILE = "same file"
    DUPLICATE = "nearly the same"
    FEW = "few pictures"
    LOOK_ALIKE = "look alike"


SERIOUS = frozenset(
    {Kind.UNREADABLE, Kind.MISLABELLED, Kind.OUTLIER, Kind.KNOWN_UNKNOWN, Kind.ONE_PERSON}
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to look at: whose folder, the picture if it is about one, why, and what to do."""

    kind: Kind
    person: str
    picture: str | None
    why: str
    next_step: str


def check_gallery(samples: Samples) -> Iterator[Finding]:
    """Everything that catches the eye, the most serious first; of a picture only the most serious.

    Reads the pictures again to compare their content. Raises StoreError.
    """
    findings = [
        *_left_out(samples),
        *_same_files(samples),
        *_doubts(samples.usable),
        *_few(samples),
    ]
    order = list(Kind)
    findings.sort(key=lambda one: (order.index(one.kind), one.person, one.picture or ""))
    told = set()
    for one in findings:
        if one.picture is None or one.picture not in told:
            told.add(one.picture)
            yield one


def _left_out(samples: Samples) -> Iterator[Finding]:
    for one in samples.left_out:
        readable = not one.why.startswith(str(Kind.UNREADABLE))
        step = "leave it out, or crop it to one face" if readable else "delete it, or save it anew"
        kind = Kind.UNUSABLE if readable else Kind.UNREADABLE
        yield Finding(kind, one.person, str(one.path), one.why, step)


def _same_files(samples: Samples) -> Iterator[Finding]:
    """The same content twice; under two names it cannot be right."""
    by_content = sorted((_digest(one.source), one.source, _folder(one)) for one in samples.usable)
    for _, group in groupby(by_content, key=lambda entry: entry[0]):
        (_, first, person), *others = group
        for _, source, owner in others:
            if owner == person:
                why = f"the same file as {first}"
                yield Finding(Kind.SAME_FILE, owner, source, why, "delete one; it counts once")
            else:
                why = f"the same file as {first}, of {person}"
                step = "delete it where it does not belong"
                yield Finding(Kind.MISLABELLED, owner, source, why, step)


def _doubts(usable: Sequence[Sample]) -> Iterator[Finding]:
    """What the embeddings tell."""
    import numpy as np

    from annotator.inference.identify import embeddings_of

    if not usable:
        return
    embeddings = embeddings_of([one.evidence for one in usable])
    folders = np.array([_folder(one) for one in usable])
    names = sorted({_folder(one) for one in usable if one.person is not None})
    middles = {name: np.median(embeddings[folders == name], axis=0) for name in names}
    yield from _pairs(middles)
    for at, one in enumerate(usable):
        others = [name for name in names if name != one.person]
        apart = [_apart(embeddings[at], middles[name]) for name in others]
        nearest = min(zip(apart, others, strict=True), default=None)
        found = (
            _doubt_of_unknown(one, nearest)
            if one.person is None
            else _doubt_of_known(one, at, usable, embeddings, folders == one.person, nearest)
        )
        if found is not None:
            yield found


def _doubt_of_unknown(one: Sample, nearest: tuple[float, str] | None) -> Finding | None:
    if nearest is None or nearest[0] >= KNOWN:
        return None
    apart, name = nearest
    step = f"move it to {name} if that is who it is: it would teach that {name} is nobody"
    why = f"looks like {name} (distance {apart:.2f})"
    return Finding(Kind.KNOWN_UNKNOWN, _folder(one), one.source, why, step)


def _doubt_of_known(
    one: Sample,
    at: int,
    usable: Sequence[Sample],
    embeddings: Floats,
    mine: NDArray[np.bool_],
    nearest: tuple[float, str] | None,
) -> Finding | None:
    """`mine` are the person's pictures, `nearest` is the other person it resembles most."""
    import numpy as np

    person = _folder(one)
    # One among very many does not move their middle, and need not be left out of it.
    others = np.flatnonzero(mine)[:MOST_COMPARED]
    others = others[others != at]
    if not len(others):
        return None
    own = _apart(embeddings[at], np.median(embeddings[others], axis=0))
    if nearest is not None and nearest[0] < min(FAR, own - CLEARLY_NEARER):
        why = f"looks like {nearest[1]} (distance {nearest[0]:.2f}, to {person} {own:.2f})"
        step = f"look at it; move it to {nearest[1]} if that is who it is"
        return Finding(Kind.MISLABELLED, person, one.source, why, step)
    if own > FAR:
        why = f"far from the other pictures of {person} (distance {own:.2f})"
        step = "look at it; delete it if it is somebody else, or hardly to be recognised"
        return Finding(Kind.OUTLIER, person, one.source, why, step)
    before = others[others < at]
    if len(before):
        apart = np.linalg.norm(embeddings[before] - embeddings[at], axis=1)
        if apart.min() < DUPLICATE:
            why = f"shows the same as {usable[before[apart.argmin()]].source}"
            step = "it adds nothing; a picture of another day would"
            return Finding(Kind.DUPLICATE, person, one.source, why, step)
    return None


def _pairs(middles: dict[str, Floats]) -> Iterator[Finding]:
    for one, other in combinations(middles, 2):
        apart = _apart(middles[one], middles[other])
        if apart < ONE_PERSON:
            why = f"as near to {other} as one person is to himself or herself ({apart:.2f})"
            step = f"if it is one person, make one folder of {one} and {other}"
            yield Finding(Kind.ONE_PERSON, one, None, why, step)
        elif apart < LOOK_ALIKE:
            why = f"looks like {other} (distance {apart:.2f}; most people are 0.75 apart)"
            step = f"give both more pictures from the camera, and tag mistakes: `--not {other}`"
            yield Finding(Kind.LOOK_ALIKE, one, None, why, step)


def _few(samples: Samples) -> Iterator[Finding]:
    known = [one for one in samples.usable if one.person is not None]
    for folder in samples.folders:
        if person_of(folder) is None:
            continue
        count = sum(one.person == folder for one in known)
        if count < FEW:
            pictures = "1 usable picture" if count == 1 else f"{count or 'no'} usable pictures"
            step = f"add {FEW - count} more, of other days and in other light"
            yield Finding(Kind.FEW, folder, None, pictures, step)


def _apart(one: Floats, other: Floats) -> float:
    import numpy as np

    return float(np.linalg.norm(one - other))


def _folder(one: Sample) -> str:
    return one.person if one.person is not None else Path(one.source).parent.name


def _digest(source: str) -> bytes:
    try:
        return sha256(Path(source).read_bytes()).digest()
    except OSError as error:
        raise StoreError(f"cannot read {source}: {error.strerror}", "run it again") from error
