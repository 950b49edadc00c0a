"""Rows put together by hand are what `json` would have made of them."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from annotator.cli.as_json import event_json, person_json, sighting_json
from annotator.domain import (
    BoundingBox,
    Event,
    EventName,
    EventSummary,
    LabelCount,
    MonitorCount,
    PersonSummary,
    Sighting,
    Stay,
)

TIMES = st.datetimes(timezones=st.just(UTC))
SHARES = st.floats(0, 1)
BOXES = st.builds(
    lambda left, top, width, height: BoundingBox(left, top, left + width, top + height),
    *(st.integers(0, 4000),) * 2,
    *(st.integers(1, 4000),) * 2,
)
SIGHTINGS = st.builds(
    Sighting,
    captured_at=TIMES,
    score=SHARES,
    box=BOXES,
    face_box=st.none() | BOXES,
    probability=st.none() | SHARES,
    stay=st.none() | st.sampled_from(Stay),
)
EVENTS = st.builds(
    EventSummary,
    event=st.builds(Event, started_at=st.none() | TIMES),
    began_at=TIMES,
    ended_at=TIMES,
    labels=st.lists(st.builds(LabelCount, best_score=SHARES), max_size=3).map(tuple),
    people=st.lists(st.builds(EventName, share=SHARES), max_size=3).map(tuple),
    best=st.none() | SIGHTINGS,
)
PEOPLE = st.builds(
    PersonSummary,
    first=SIGHTINGS,
    last=SIGHTINGS,
    monitors=st.lists(st.builds(MonitorCount, last_at=TIMES), max_size=3).map(tuple),
)


def is_as_json_writes(text: str) -> bool:
    return json.dumps(json.loads(text), ensure_ascii=False) == text


@given(SIGHTINGS)
def test_sightings(one: Sighting) -> None:
    text = sighting_json(one)
    assert is_as_json_writes(text)
    said = json.loads(text)
    assert datetime.fromisoformat(said["captured_at"]).replace(microsecond=0) == (
        one.captured_at.replace(microsecond=0)
    )
    assert (said["score"], said["path"], said["face"]) == (one.score, one.path, one.name)
    assert BoundingBox(**said["box"]) == one.box


@given(EVENTS)
def test_events(one: EventSummary) -> None:
    text = event_json(one)
    assert is_as_json_writes(text)
    said = json.loads(text)
    assert said["gone"] is one.gone
    assert [tuple(label.values()) for label in said["labels"]] == [
        (seen.label, seen.detections, seen.best_score) for seen in one.labels
    ]
    assert said["best"] == (json.loads(sighting_json(one.best)) if one.best else None)


@given(PEOPLE)
def test_people(one: PersonSummary) -> None:
    text = person_json(one)
    assert is_as_json_writes(text)
    said = json.loads(text)
    assert [seen["faces"] for seen in said["monitors"]] == [seen.faces for seen in one.monitors]
