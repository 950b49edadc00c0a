"""Which frames of an event are shown."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.domain import UNKNOWN_NAME, CaptureQuery, Identity, Stay
from annotator.view.choice import best_frame, chosen_frames, visible
from tests.fakes.seen import event, frame, sighting

EVENT = event()
FRAMES = (
    frame(EVENT, 1),
    frame(EVENT, 2, sighting(EVENT, 2, "person", 0.95)),
    frame(EVENT, 3, sighting(EVENT, 3, "person", 0.6, name="anna")),
    frame(EVENT, 4, sighting(EVENT, 4, "cat", 0.99)),
    frame(EVENT, 5, sighting(EVENT, 5, "person", 0.5, verdict=str(Identity.UNKNOWN), stranger=7)),
)


@pytest.mark.parametrize(
    ("query", "number"),
    [
        (CaptureQuery(), 3),  # somebody with a name
        (CaptureQuery(labels=("cat",)), 4),
        (CaptureQuery(names=(UNKNOWN_NAME,)), 5),
        (CaptureQuery(strangers=(7,)), 5),
        (CaptureQuery(labels=("dog",)), 3),  # nothing fits here: the best of what there is
        (CaptureQuery(min_score=0.98), 4),
    ],
)
def test_the_best_is_what_was_asked_for(query: CaptureQuery, number: int) -> None:
    assert best_frame(FRAMES, query).capture.frame == number


def test_of_many_a_few_spread_over_the_event() -> None:
    many = [frame(EVENT, n, sighting(EVENT, n)) for n in range(1, 101)]
    many[41] = frame(EVENT, 42, sighting(EVENT, 42, name="anna"))
    chosen = [one.capture.frame for one in chosen_frames(many, 5)]
    assert chosen == [1, 25, 42, 75, 100]


def test_frames_without_anything_are_left_out_unless_all_are() -> None:
    assert [one.capture.frame for one in chosen_frames(FRAMES, 8)] == [2, 3, 4, 5]
    assert chosen_frames(FRAMES[:1], 8) == FRAMES[:1]


def test_what_is_only_still_there_is_not_shown_unless_asked_for() -> None:
    car = replace(sighting(EVENT, 1, "car"), stay=Stay.STILL_THERE)
    assert visible(frame(EVENT, 1, car)) == ()
    assert visible(frame(EVENT, 1, car), CaptureQuery(stationary=True)) == (car,)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60), st.integers(1, 12))
def test_as_many_as_asked_for_with_the_best_among_them(scores: list[float], most: int) -> None:
    frames = [frame(EVENT, n, sighting(EVENT, n, score=score)) for n, score in enumerate(scores)]
    chosen = chosen_frames(frames, most)
    assert len(chosen) == min(most, len(frames))
    assert best_frame(frames) in chosen
    numbers = [one.capture.frame for one in chosen]
    assert numbers == sorted(set(numbers))
