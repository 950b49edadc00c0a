"""Who was in events, by the vote of their faces.

It is what the view `event_people` says. That elects somebody anew for each face; here the faces of
a track are put together by name first, so that the people of many events take a sixth of the time.
A test holds the two together.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

from sqlalchemy import Connection, text

from annotator.domain import EventName


class _Voice(NamedTuple):
    """The faces of one track of one event that are called the same. One without a track is by
    itself, with others of its name.

    `weight` is that of the faces with a vote, None where none has one; `by_hand` that of those
    that a person named.
    """

    event_id: int
    track: int | None
    name: str
    weight: float | None
    by_hand: float | None
    faces: int


def names_of_events(
    connection: Connection, event_ids: Sequence[int]
) -> dict[int, tuple[EventName, ...]]:
    """The people of each event that has any; the surest first."""
    voices = map(_Voice._make, connection.execute(_VOICES, {"ids": json.dumps(event_ids)}).all())
    return {
        event_id: _people(list(its)) for event_id, its in groupby(voices, lambda one: one.event_id)
    }


def _people(voices: Sequence[_Voice]) -> tuple[EventName, ...]:
    """Of one event. Whom a person named comes first."""
    of_person: dict[str, list[_Voice]] = {}
    for track, its in groupby(voices, lambda one: one.track):
        of_track = list(its)
        elected = None if track is None else _elected(of_track)
        for one in of_track:
            of_person.setdefault(elected or one.name, []).append(one)
    total = _weight(voices)
    people = [
        (
            all(one.by_hand is None for one in its),
            EventName(name, _weight(its) / total if total else 0, sum(one.faces for one in its)),
        )
        for name, its in of_person.items()
    ]
    people.sort(key=lambda one: (one[0], -one[1].share, one[1].name))
    return tuple(person for _, person in people)


def _weight(voices: Iterable[_Voice]) -> float:
    return sum(one.weight or 0 for one in voices)


def _elected(of_track: Sequence[_Voice]) -> str | None:
    """Whose a track is: the name that a person gave one of its faces, else the one that most weight
    says; None where no face has a vote."""
    if len(of_track) == 1:
        return of_track[0].name
    by_hand = [(-one.by_hand, one.name) for one in of_track if one.by_hand is not None]
    said = [(-one.weight, one.name) for one in of_track if one.weight is not None]
    return min(by_hand or said, default=(0, None))[1]


# What was seen better elsewhere has no vote. `+verdict`: by the event, and not by the verdict.
_VOICES = text("""
    SELECT
        event_id, track, coalesce(name, 'unknown') AS called,
        sum(iif(seen_better, NULL, weight)),
        sum(iif(
            EXISTS (SELECT 1 FROM tag WHERE tag.face_id = face.id AND NOT tag.negated), weight, NULL
        )),
        count(*)
    FROM face
    WHERE event_id IN (SELECT value FROM json_each(:ids))
        AND +verdict IN ('known', 'unknown', 'no gallery')
    GROUP BY event_id, track, called
    ORDER BY event_id, track, called
""")
