"""What is remembered of a directory."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from annotator.nvr.layout import Branch, Monitor, layout_named
from annotator.nvr.names import Ends, Names

MONITOR = Monitor("5", "5")
LAYOUT = layout_named("auto", "UTC")


@given(st.sets(st.text(max_size=5)), st.sets(st.text(max_size=5)), st.sets(st.text(max_size=5)))
def test_names_are_a_set(first: set[str], more: set[str], others: set[str]) -> None:
    names = Names(map(hash, first))
    larger = names.with_more([hash(name) for name in more - first])
    assert (len(names), len(larger)) == (len(first), len(first | more))
    assert all(name in names for name in first)
    assert all(name in larger for name in first | more)
    assert not any(name in larger for name in others - first - more)


def test_many_names_may_be_added_at_once() -> None:
    names = Names([1]).with_more(range(2, 1000))
    assert len(names) == 999


@given(
    st.lists(st.sampled_from(["23", "24", "99", "2024-01-01", "cam", "cam9", "cam10", "4711"])),
    st.integers(1, 3),
)
def test_ends_are_the_newest_of_each_kind(names: list[str], count: int) -> None:
    ends = Ends(count, LAYOUT.newest_key)
    branches = [Branch(MONITOR, (name,)) for name in names]
    for branch in branches:
        ends.add(branch)
    ranked = sorted(set(branches), key=LAYOUT.newest_key, reverse=True)
    kept = [
        branch
        for is_undated in (False, True)
        for branch in [b for b in ranked if LAYOUT.newest_key(b).is_undated is is_undated][:count]
    ]
    assert set(ends) == set(kept)
    assert len(list(ends)) == len(kept)
    for branch in branches:
        ends.drop(branch)
    assert ends.newest == ()
