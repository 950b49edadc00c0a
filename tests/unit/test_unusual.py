"""What is called unusual, and what is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.unusual import MIN_DIFFERENCE, Usual, newcomers, odd_hours, remarks

MONTH = (9, 10, 11, 12, 13, 14, 11) * 4


@pytest.mark.parametrize(
    ("now", "before", "said"),
    [
        (3, MONTH, "3 events; usually 9 to 14 (the 28 days before)"),
        (0, MONTH, "no events; usually 9 to 14 (the 28 days before)"),
        (30, MONTH, "30 events; usually 9 to 14 (the 28 days before)"),
        (14, MONTH, None),
        (15, (*MONTH[:20], *[14] * 8), None),  # not by much
        (5, (2, 2, 2), "5 events; usually 2 (the 3 days before)"),
        (50, (1, 1), None),  # too little to compare with
        (40, (*[11] * 26, 40, 41), "40 events; usually 11 (the 28 days before)"),
    ],
)
def test_what_lies_outside_of_most_days(
    now: int, before: tuple[int, ...], said: str | None
) -> None:
    assert list(remarks([Usual("events", now, before)], "days")) == ([said] if said else [])


@given(st.lists(st.integers(0, 50), min_size=3, max_size=28), st.integers(0, 60))
def test_what_was_so_on_most_days_is_never_unusual(before: list[int], now: int) -> None:
    said = list(remarks([Usual("events", now, tuple(before))], "days"))
    as_high, as_low = sum(one >= now for one in before), sum(one <= now for one in before)
    if as_high > 0.2 * len(before) and as_low > 0.2 * len(before):
        assert not said
    if now > max(before) + MIN_DIFFERENCE:
        assert said


def test_who_came_for_the_first_time_and_who_did_not_come() -> None:
    before = [{"anna": 3, "ben": 1}] * 9 + [{"anna": 2}]
    assert list(newcomers({"carl": 1, "anna": 1}, before, "days")) == [
        "carl was seen, and not in the 10 days before",
        "ben was not seen, but in 9 of the 10 days before",
    ]
    assert list(newcomers({"carl": 1}, before[:2], "days")) == []


def test_hours_at_which_nothing_ever_was() -> None:
    before = [{8: 1, 17: 2}, {8: 2}, {18: 1}]
    assert list(odd_hours({8: 1, 3: 2}, before)) == [
        "something was seen from 03:00 to 04:00; nothing at that time in the 3 days before"
    ]
    assert list(odd_hours({8: 1}, before)) == []
