from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.domain import BoundingBox, Detection
from annotator.inference.tiles import (
    MAX_AUTO_TILES,
    Candidate,
    Grid,
    auto_grid,
    is_cut,
    merged,
    tiles_of,
    tiling,
)

SSD, YOLO = (300, 300), (640, 640)
sides = st.integers(1, 8000)
overlaps = st.floats(0, 0.5)
grids = st.builds(Grid, st.integers(1, 9), st.integers(1, 9))


@given(grids, overlaps, sides, sides)
def test_tiles_are_inside_of_one_size_and_cover_everything(
    grid: Grid, overlap: float, width: int, height: int
) -> None:
    tiles = tiles_of(grid, overlap, width, height)
    assert len(tiles) == grid.count
    assert len({(tile.width, tile.height) for tile in tiles}) == 1
    columns, rows = tiles[: grid.columns], tiles[:: grid.columns]
    assert (columns[0].xmin, columns[-1].xmax) == (0, width)
    assert (rows[0].ymin, rows[-1].ymax) == (0, height)
    for spans in (
        [(tile.xmin, tile.xmax) for tile in columns],
        [(tile.ymin, tile.ymax) for tile in rows],
    ):
        for (start, end), (next_start, _) in pairwise(spans):
            assert start <= next_start <= end
            assert end - next_start >= overlap * (end - start) - 1


@given(overlaps, sides, sides, st.tuples(st.integers(64, 1280), st.integers(64, 1280)))
def test_auto_is_bounded_and_never_reduces_more_than_none(
    overlap: float, width: int, height: int, network: tuple[int, int]
) -> None:
    grid = auto_grid(overlap, width, height, network)
    assert grid.count <= MAX_AUTO_TILES
    tile = tiles_of(grid, overlap, width, height)[0]
    assert tile.width <= width
    assert tile.height <= height


@pytest.mark.parametrize(
    ("width", "height", "network", "grid"),
    [
        (640, 480, SSD, Grid(1, 1)),
        (1280, 720, SSD, Grid(2, 1)),
        (1920, 1080, SSD, Grid(3, 2)),
        (3840, 2160, SSD, Grid(3, 2)),
        (1080, 1920, SSD, Grid(2, 3)),
        (1280, 720, YOLO, Grid(1, 1)),
        (1920, 1080, YOLO, Grid(2, 1)),
        (3840, 2160, YOLO, Grid(3, 2)),
    ],
)
def test_auto_for_usual_cameras(
    width: int, height: int, network: tuple[int, int], grid: Grid
) -> None:
    assert auto_grid(0.2, width, height, network) == grid


def test_tiles_as_the_configuration_names_them() -> None:
    assert tiling("off", 0.2, 1920, 1080, SSD) == ()
    assert tiling("1x1", 0.2, 1920, 1080, SSD) == ()
    assert tiling("auto", 0.2, 640, 480, SSD) == ()
    assert tiling("2x1", 0.2, 1800, 1080, SSD) == (
        BoundingBox(0, 0, 1000, 1080),
        BoundingBox(800, 0, 1800, 1080),
    )


def test_a_box_is_cut_at_the_inner_edges_only() -> None:
    tile = BoundingBox(0, 0, 1000, 1080)
    assert not is_cut(BoundingBox(0, 0, 500, 1080), tile, 1800, 1080)
    assert is_cut(BoundingBox(700, 300, 999, 600), tile, 1800, 1080)
    assert not is_cut(BoundingBox(700, 300, 970, 600), tile, 1800, 1080)
    assert not is_cut(BoundingBox(0, 0, 1800, 1080), BoundingBox(0, 0, 1800, 1080), 1800, 1080)


def seen(score: float, *corners: int, class_id: int = 0, cut: bool = False) -> Candidate:
    return Candidate(Detection(f"class {class_id}", class_id, score, BoundingBox(*corners)), cut)


def test_a_part_gives_way_to_the_whole_though_its_score_is_better() -> None:
    whole, part = seen(0.6, 100, 100, 300, 500), seen(0.9, 100, 100, 300, 250, cut=True)
    assert merged([whole, part]) == (whole.detection,)


def test_a_part_without_a_whole_stays_and_so_does_one_of_another_class() -> None:
    part = seen(0.9, 100, 100, 300, 250, cut=True)
    other = seen(0.6, 100, 100, 300, 500, class_id=1)
    assert merged([other, part]) == (part.detection, other.detection)


def test_someone_small_before_something_large_of_the_class_stays() -> None:
    large, small = seen(0.9, 0, 0, 600, 600), seen(0.5, 100, 100, 200, 300)
    assert merged([small, large]) == (large.detection, small.detection)


def test_what_two_looks_found_is_there_once() -> None:
    better, worse = seen(0.8, 100, 100, 200, 300), seen(0.7, 105, 110, 195, 310)
    assert merged([worse, better]) == (better.detection,)
    assert merged([]) == ()


places = st.tuples(*[st.integers(0, 300)] * 2, *[st.integers(1, 300)] * 2)
candidates = st.lists(
    st.builds(
        lambda place, score, class_id, cut: seen(
            score, *place[:2], place[0] + place[2], place[1] + place[3], class_id=class_id, cut=cut
        ),
        places,
        st.floats(0, 1, width=32),
        st.integers(0, 1),
        st.booleans(),
    ),
    max_size=20,
)


@given(candidates)
def test_merging_takes_from_what_was_seen_best_first_and_loses_no_class(
    seen_: list[Candidate],
) -> None:
    kept = merged(seen_)
    assert [one.score for one in kept] == sorted((one.score for one in kept), reverse=True)
    assert set(kept) <= {one.detection for one in seen_}
    assert {one.class_id for one in kept} == {one.detection.class_id for one in seen_}
    assert merged([Candidate(one, cut=False) for one in kept]) == kept
