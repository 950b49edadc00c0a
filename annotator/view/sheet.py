"""Several small pictures on one page, each with a line below."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

from annotator.view.draw import encoded
from annotator.view.letters import letters_for

COLUMNS = 4
GAP_PX, EDGE_PX, LINE_PX, TITLE_PX = 10, 16, 22, 34
FONT_PX, TITLE_FONT_PX = 14, 20
PAPER, INK, PALE = (250, 250, 248), (24, 24, 27), (96, 96, 102)
QUALITY = 88


@dataclass(frozen=True, slots=True)
class Tile:
    """A JPEG, all of a sheet about equally large, and the words below it."""

    jpeg: bytes
    text: str


def sheet(title: str, tiles: Sequence[Tile]) -> bytes:
    """The page as a JPEG; rows as high as their highest tile."""
    from PIL import Image, ImageDraw

    pictures = [Image.open(io.BytesIO(tile.jpeg), formats=("JPEG",)) for tile in tiles]
    columns = max(1, min(COLUMNS, len(tiles)))
    tile_px = max((picture.width for picture in pictures), default=320)
    rows = [range(at, min(at + columns, len(tiles))) for at in range(0, len(tiles), columns)]
    heights = [max(pictures[at].height for at in row) + LINE_PX for row in rows]
    letters = letters_for([title, *(tile.text for tile in tiles)])
    font, title_font = letters.font(FONT_PX), letters.font(TITLE_FONT_PX)
    width = 2 * EDGE_PX + columns * (tile_px + GAP_PX) - GAP_PX
    height = 2 * EDGE_PX + TITLE_PX + sum(heights) + GAP_PX * max(0, len(rows) - 1)
    page = Image.new("RGB", (width, height), PAPER)
    pen = ImageDraw.Draw(page)
    pen.text((EDGE_PX, EDGE_PX - 4), letters.written(title), font=title_font, fill=INK)
    y = EDGE_PX + TITLE_PX
    for row, high in zip(rows, heights, strict=True):
        for column, at in enumerate(row):
            x = EDGE_PX + column * (tile_px + GAP_PX)
            page.paste(pictures[at], (x, y))
            text = letters.written(tiles[at].text)
            pen.text((x, y + pictures[at].height + 4), text, font=font, fill=PALE)
        y += high + GAP_PX
    return encoded(page, QUALITY)
