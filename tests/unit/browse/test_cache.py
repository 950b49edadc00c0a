"""Pictures that were made already, within bounds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from annotator.browse.cache import PictureCache

LIMIT = 800


@given(st.lists(st.tuples(st.sampled_from("abcdefghijkl"), st.binary(max_size=150))))
def test_it_never_holds_more_than_it_may(steps: list[tuple[str, bytes]]) -> None:
    cache = PictureCache(LIMIT)
    last: dict[str, bytes] = {}
    for key, picture in steps:
        cache.put(key, picture)
        if len(picture) <= LIMIT // 8:
            last[key] = picture
        found = {key: cache.get(key) for key in last}
        held = {key: picture for key, picture in found.items() if picture is not None}
        assert cache.size_bytes == sum(map(len, held.values())) <= LIMIT
        assert all(last[key] == picture for key, picture in held.items())


def test_what_was_not_asked_for_longest_goes_first() -> None:
    cache = PictureCache(LIMIT)
    for key in "abcdefgh":
        cache.put(key, bytes(100))
    assert cache.get("a") is not None
    cache.put("i", bytes(100))
    assert cache.get("b") is None
    assert cache.get("a") is not None
