"""Who is known, and by how much."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from annotator.domain import FaceQuestion
from annotator.ports import SightingQueries
from trainer.samples import Samples, person_of


@dataclass(frozen=True, slots=True)
class Member:
    """A person with pictures in the gallery, or with faces that people tagged in the database."""

    name: str
    pictures: int
    usable: int
    tagged: int
    last_added: datetime | None


def roll(samples: Samples, tagged: Mapping[str, int]) -> tuple[Member, ...]:
    """By name. `last_added` is when the newest picture was written."""
    usable = [Path(one.source) for one in samples.usable]
    everything = [*usable, *(one.path for one in samples.left_out)]
    pictures = Counter(path.parent.name for path in everything)
    good = Counter(path.parent.name for path in usable)
    newest: dict[str, datetime] = {}
    for path in everything:
        at = _written_at(path)
        name = path.parent.name
        if at is not None and at > newest.get(name, at.min.replace(tzinfo=UTC)):
            newest[name] = at
    names = sorted({*pictures, *tagged}, key=lambda name: (person_of(name) is None, name))
    return tuple(
        Member(name, pictures[name], good[name], tagged.get(name, 0), newest.get(name))
        for name in names
    )


def tagged_faces(queries: SightingQueries) -> dict[str, int]:
    """How many stored faces people said to be whom."""
    said = queries.stored_faces(FaceQuestion(by_hand=True))
    return Counter(face.identification.name or "" for face in said if face.named_by_hand)


def _written_at(path: Path) -> datetime | None:
    """None where the picture has just been deleted."""
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except OSError:
        return None
