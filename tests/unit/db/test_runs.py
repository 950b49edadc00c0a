"""Runs of frames hold exactly the frames that they were made of."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from db.runs import Run, joined, single

frames = st.sets(st.integers(0, 300), min_size=1)
regular = st.builds(range, st.integers(0, 50), st.integers(51, 300), st.integers(1, 9))


def runs_of(numbers: set[int]) -> list[Run]:
    return joined(single(one, 1000 * one, 640, 480, 1) for one in sorted(numbers))


def held(runs: list[Run]) -> list[int]:
    return [frame for run in runs for frame in run.between(0, 10**6)]


@given(frames | regular.map(set))
def test_runs_hold_each_frame_once_and_no_other(numbers: set[int]) -> None:
    runs = runs_of(numbers)
    assert sorted(held(runs)) == sorted(numbers)
    assert sum(run.captures for run in runs) == len(numbers)
    assert all(run.first_ms == 1000 * run.first for run in runs)
    assert all(run.last_ms == 1000 * run.last for run in runs)


@given(regular)
def test_what_is_regular_is_one_run(numbers: range) -> None:
    assert len(runs_of(set(numbers))) == 1


@given(frames, frames, frames)
def test_later_frames_join_earlier_runs(one: set[int], other: set[int], third: set[int]) -> None:
    runs = runs_of(one)
    for more in (other, third):
        new = more - set(held(runs))
        both = sorted([*runs, *runs_of(new)], key=lambda run: run.first)
        runs = joined(both)
    assert sorted(held(runs)) == sorted(one | other | third)


@given(frames | regular.map(set), frames)
def test_a_run_without_some_frames_holds_the_others(numbers: set[int], out: set[int]) -> None:
    left = [part for run in runs_of(numbers) for part in run.without(set(held([run])) & out)]
    assert sorted(held(left)) == sorted(numbers - out)


@given(frames | regular.map(set), st.integers(0, 320), st.integers(0, 320))
def test_between(numbers: set[int], lowest: int, highest: int) -> None:
    found = [frame for run in runs_of(numbers) for frame in run.between(lowest, highest)]
    assert sorted(found) == [one for one in sorted(numbers) if lowest <= one <= highest]


def test_only_what_is_alike_is_joined() -> None:
    one, two = single(1, 0, 640, 480, 1), single(2, 0, 640, 480, 1)
    for other in (replace(two, width=800), replace(two, height=600), replace(two, provenance_id=2)):
        assert joined([one, other]) == [one, other]
    assert len(joined([one, two])) == 1
