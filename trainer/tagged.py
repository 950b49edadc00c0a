"""What people said about stored faces, to be learned from beside the gallery's pictures."""

from __future__ import annotations

from collections import defaultdict
from heapq import heappush, heappushpop

from annotator.domain import FaceQuestion, Identity
from annotator.ports import SightingQueries
from trainer.samples import Sample

PER_EVENT = 5
PER_PERSON = 200
"""The best seen. More of one moment, or of one person, would only drown what the others tell."""


def tagged_samples(queries: SightingQueries) -> tuple[Sample, ...]:
    """A sample for each face that people named, and, as nobody's, for each that is said not to be
    whom it was taken for; of each event a few, every event's best first. An event is a group."""
    from annotator.inference.tracks import quality

    events: dict[tuple[str | None, str], list[tuple[float, int, Sample]]] = defaultdict(list)
    for face in queries.stored_faces(FaceQuestion(by_hand=True)):
        if not face.named_by_hand and face.identification.identity is not Identity.UNKNOWN:
            continue  # denied one name, it was taken for somebody else, or never for anybody
        name, event = face.identification.name, face.capture.event.directory
        sample = Sample(name, face.evidence, event, face.capture.path)
        seen = quality(face.evidence.size_px, face.evidence.sharpness, 0.0)
        best = events[name, event]
        (heappush if len(best) < PER_EVENT else heappushpop)(best, (seen, -face.id, sample))
    people: dict[str | None, list[tuple[int, float, int, Sample]]] = defaultdict(list)
    for (name, _), best in events.items():
        ranked = sorted(best, key=lambda entry: entry[:2], reverse=True)
        people[name] += [(place, -seen, -id_, one) for place, (seen, id_, one) in enumerate(ranked)]
    return tuple(
        one
        for entries in people.values()
        for *_, one in sorted(entries, key=lambda entry: entry[:3])[:PER_PERSON]
    )
