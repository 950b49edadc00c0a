"""What was recorded, in order; the two methods of `SightingQueries` that following needs."""

from __future__ import annotations

from annotator.domain import CaptureQuery, Sighting

AT_ONCE = 1000


class SightingLog:
    """Marks are places in the order; `questions` are all that were asked."""

    def __init__(self) -> None:
        self.recorded: list[Sighting] = []
        self.questions: list[CaptureQuery] = []

    def newest_mark(self) -> int:
        return len(self.recorded)

    def sightings_since(self, query: CaptureQuery, mark: int) -> tuple[tuple[Sighting, ...], int]:
        self.questions.append(query)
        found: list[Sighting] = []
        mark = min(mark, len(self.recorded))
        for seen in self.recorded[mark:]:
            mark += 1
            if query.since is None or seen.captured_at >= query.since:
                found.append(seen)
                if len(found) == AT_ONCE:
                    break
        return tuple(found), mark
