"""A capture in overlapping tiles, and what was seen in them put together; in pixels of the capture.

A network that is fed 300 x 300 of a capture's 1920 x 1080 pixels misses who is far away; so it is
shown parts of the capture too. The whole is always looked at as well, for what is larger than a
tile. docs/detection.md has what this finds and costs, and how the numbers here were chosen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from annotator.domain import BoundingBox, Detection
from annotator.inference.raw import suppressed

MAX_AUTO_TILES = 6
MAX_AUTO_REDUCTION = 2.5
"""`auto` takes the fewest tiles that are not reduced more than so for the network."""

BORDER = 0.02
"""A box that ends within this share of a tile's side from its edge may go on beyond it."""
MIN_SHARE_INSIDE = 0.6
"""A part of an object is told by so much of it lying inside a larger box of the same class."""
MAX_OVERLAP = 0.4
"""Intersection over union from which two boxes of a class are one object. Less than within one
look, as two looks draw the same object differently: with 3 x 2 tiles on 1080p mosaics 0.3, 0.4, 0.5
and 0.6 give a recall of 0.41, 0.42, 0.43, 0.43 and a precision of 0.60, 0.59, 0.54, 0.49."""


@dataclass(frozen=True, slots=True)
class Grid:
    columns: int
    rows: int

    @property
    def count(self) -> int:
        return self.columns * self.rows


@dataclass(frozen=True, slots=True)
class Candidate:
    """A detection, and whether it may be only the part of an object that a tile shows."""

    detection: Detection
    cut: bool


def tiling(
    tiles: str, overlap: float, width: int, height: int, network: tuple[int, int]
) -> tuple[BoundingBox, ...]:
    """What `[detection] tiles` ("off", "auto", "2x1" ...) comes to; empty where it is no tiles.

    For a capture of width x height and a network that is fed pictures of size `network`.
    """
    if tiles == "off":
        return ()
    if tiles == "auto":
        grid = auto_grid(overlap, width, height, network)
    else:
        columns, rows = tiles.split("x")
        grid = Grid(int(columns), int(rows))
    return tiles_of(grid, overlap, width, height) if grid.count > 1 else ()


def auto_grid(overlap: float, width: int, height: int, network: tuple[int, int]) -> Grid:
    """The fewest tiles that are not reduced too much, else those that are reduced least."""

    def reduction(grid: Grid) -> float:
        tile_width = _span(width, grid.columns, overlap)
        tile_height = _span(height, grid.rows, overlap)
        return max(tile_width / network[0], tile_height / network[1])

    sides = range(1, MAX_AUTO_TILES + 1)
    grids = [Grid(*sizes) for sizes in product(sides, sides) if math.prod(sizes) <= MAX_AUTO_TILES]
    return min(
        grids, key=lambda one: (max(reduction(one), MAX_AUTO_REDUCTION), one.count, reduction(one))
    )


def tiles_of(grid: Grid, overlap: float, width: int, height: int) -> tuple[BoundingBox, ...]:
    """Tiles of one size, row by row, that cover the capture.

    Neighbours share at least `overlap` of a tile's side, less a pixel.
    """
    return tuple(
        BoundingBox(left, top, right, bottom)
        for (top, bottom), (left, right) in product(
            _spans(height, grid.rows, overlap), _spans(width, grid.columns, overlap)
        )
    )


def _spans(length: int, count: int, overlap: float) -> list[tuple[int, int]]:
    """`count` spans of one size, evenly spread from 0 to `length`."""
    span = _span(length, count, overlap)
    starts = [(length - span) * index // max(count - 1, 1) for index in range(count)]
    return [(start, start + span) for start in starts]


def _span(length: int, count: int, overlap: float) -> int:
    return math.ceil(length / (1 + (count - 1) * (1 - overlap)))


def is_cut(box: BoundingBox, tile: BoundingBox, width: int, height: int) -> bool:
    """Whether the box reaches an edge of the tile that is not an edge of the capture."""
    x, y = BORDER * tile.width, BORDER * tile.height
    return (
        (tile.xmin > 0 and box.xmin < tile.xmin + x)
        or (tile.ymin > 0 and box.ymin < tile.ymin + y)
        or (tile.xmax < width and box.xmax > tile.xmax - x)
        or (tile.ymax < height and box.ymax > tile.ymax - y)
    )


def merged(candidates: Sequence[Candidate]) -> tuple[Detection, ...]:
    """Each object once, best score first.

    What was cut goes where a larger box of its class has most of it, whichever has the better
    score; of boxes that overlap the best one stays.
    """
    import numpy as np

    found = [one.detection for one in candidates]
    boxes = np.array(
        [(it.box.ymin, it.box.xmin, it.box.ymax, it.box.xmax) for it in found], dtype=np.float32
    ).reshape(-1, 4)
    scores = np.array([it.score for it in found], dtype=np.float32)
    class_ids = np.array([it.class_id for it in found], dtype=np.int64)
    low, high = boxes[:, :2], boxes[:, 2:]
    areas = np.prod(high - low, axis=1)
    stays = np.ones(len(found), dtype=bool)
    for index in np.flatnonzero([one.cut for one in candidates]):
        sides = np.minimum(high[index], high) - np.maximum(low[index], low)
        common = np.prod(np.maximum(sides, 0), axis=1)
        holds = (areas > areas[index]) & (common >= MIN_SHARE_INSIDE * areas[index])
        stays[index] = not (holds & (class_ids == class_ids[index])).any()
    rest = np.flatnonzero(stays)
    kept = suppressed(boxes[rest], scores[rest], class_ids[rest], MAX_OVERLAP, len(rest))
    return tuple(found[index] for index in rest[kept])
