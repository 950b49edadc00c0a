"""What is remembered of a directory, small however much there is in it."""

from __future__ import annotations

from array import array
from bisect import bisect_left, insort
from collections.abc import Callable, Collection, Iterable, Iterator

from annotator.nvr.layout import Branch, NewestKey

_FEW = 50


class Names:
    """Names that were met in one directory, at 8 bytes each; never changes."""

    def __init__(self, hashes: Iterable[int] = ()) -> None:
        self._hashes = array("q", sorted(set(hashes)))

    def __len__(self) -> int:
        return len(self._hashes)

    def __contains__(self, name: str) -> bool:
        hashes, wanted = self._hashes, hash(name)
        position = bisect_left(hashes, wanted)
        return position < len(hashes) and hashes[position] == wanted

    def with_more(self, hashes: Collection[int]) -> Names:
        """These and those of which the hashes are given."""
        if len(hashes) > _FEW:
            return Names((*self._hashes, *hashes))
        more = Names()
        more._hashes = self._hashes[:]
        for one in hashes:
            insort(more._hashes, one)
        return more


class Ends:
    """The newest few directories of many; those with a date, and as many of those without.

    A store may have changed its layout, and then both kinds are ends.
    """

    def __init__(self, count: int, key: Callable[[Branch], NewestKey]) -> None:
        self._count = count
        self._key = key
        self._ranked: tuple[list[tuple[NewestKey, Branch]], ...] = ([], [])

    def add(self, branch: Branch) -> None:
        key = self._key(branch)
        ranked = self._ranked[key.is_undated]
        if len(ranked) == self._count and key <= ranked[-1][0]:
            return
        if all(branch != known for _, known in ranked):
            ranked.append((key, branch))
            ranked.sort(key=lambda pair: pair[0], reverse=True)
            del ranked[self._count :]

    def drop(self, branch: Branch) -> None:
        for ranked in self._ranked:
            ranked[:] = [pair for pair in ranked if pair[1] != branch]

    @property
    def newest(self) -> tuple[Branch, ...]:
        """The newest of each kind."""
        return tuple(ranked[0][1] for ranked in self._ranked if ranked)

    def __iter__(self) -> Iterator[Branch]:
        """The newest of each kind, then the next newest, and so on."""
        for place in range(self._count):
            for ranked in self._ranked:
                yield from (branch for _, branch in ranked[place : place + 1])
