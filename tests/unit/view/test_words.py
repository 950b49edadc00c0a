"""How things are put into words."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest

from annotator.domain import CaptureQuery, Hours, Identity
from annotator.view.words import asked, lasting, long_day, many, named, told
from tests.fakes.seen import NOON, event, sighting


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (61, "1 min 1 s"),
        (3600, "1 h"),
        (7380, "2 h 3 min"),
    ],
)
def test_durations(seconds: int, words: str) -> None:
    assert lasting(timedelta(seconds=seconds)) == words


def test_days_and_numbers() -> None:
    assert long_day(NOON) == "Wednesday, 1 May 2024"
    assert (many(1, "event"), many(0, "event")) == ("1 event", "0 events")


def test_what_is_on_a_picture() -> None:
    of = event()
    anna = sighting(of, name="anna")
    unknown = sighting(of, label="person", score=0.5, verdict=str(Identity.UNKNOWN))
    blurred = sighting(of, label="cat", verdict="blurred")
    assert told([anna, anna, unknown, blurred]) == (
        "person 0.75 (anna 0.90, anna 0.90), person 0.50 (unknown), cat 0.75"
    )
    assert told([]) == "nothing was seen"
    assert named(sighting(of, verdict=str(Identity.UNKNOWN), stranger=17)) == "stranger-017"


def local(day: int, hour: int = 0) -> datetime:
    return datetime(2024, 5, day, hour).astimezone().astimezone(UTC)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        (CaptureQuery(), "everything"),
        (CaptureQuery(names=("anna",), strangers=(3,)), "anna, stranger-003"),
        (CaptureQuery(since=local(1), until=local(2)), "2024-05-01"),
        (CaptureQuery(since=local(1), until=local(3)), "2024-05-01 to 2024-05-02"),
        (CaptureQuery(since=local(1), until=local(3, 6)), "2024-05-01 00:00 to 2024-05-03 06:00"),
        (CaptureQuery(since=local(1, 18)), "since 2024-05-01 18:00"),
        (CaptureQuery(until=local(1)), "before 2024-05-01 00:00"),
        (
            CaptureQuery(labels=("cat",), hours=Hours(time(22), time(6)), weekdays=(5, 6)),
            "cat · 22:00 to 06:00 · Saturday, Sunday",
        ),
        (CaptureQuery(no_face=True, min_score=0.5), "without a face · score 0.5 or more"),
    ],
)
def test_questions(query: CaptureQuery, words: str) -> None:
    assert asked(query) == words
