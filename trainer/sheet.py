"""A contact sheet: a stranger's best faces on one page, with time and place."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from annotator.domain import FaceQuestion, StoredFace
from annotator.errors import CaptureUnreadable
from annotator.names import stranger_name
from annotator.ports import CaptureStore, SightingQueries
from annotator.view.letters import letters_for
from trainer.cluster import Stranger
from trainer.crops import FACE_MARGIN, cut, write_file

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

    from annotator.view.letters import Font

TILES = 12
COLUMNS = 6
TILE_PX = 176
GAP_PX = 14
EDGE_PX = 28
CAPTION_PX = 40
HEAD_PX = 84
TITLE_FONT_PX, SMALL_FONT_PX = 30, 14
PAPER, INK, PALE_INK = (250, 249, 246), (32, 33, 36), (112, 114, 120)
JPEG_QUALITY = 90

Tell = Callable[[int, int], None]
"""Told how many sheets are done, and of how many."""


@dataclass(frozen=True, slots=True)
class Tile:
    """One face of a sheet, and the two lines below it."""

    face: Image.Image
    line: str
    second_line: str


@dataclass(frozen=True, slots=True)
class Sheets:
    """The files that were written, and the captures that could not be read any more."""

    files: tuple[Path, ...]
    gone: tuple[str, ...]


def write_sheets(
    strangers: Sequence[Stranger],
    queries: SightingQueries,
    store: CaptureStore,
    folder: Path,
    *,
    max_megapixels: float,
    tell: Tell = lambda done, total: None,
) -> Sheets:
    """`stranger-017.jpg` for each; a sheet that is there is made anew. Raises StoreError."""
    files, gone = [], []
    for done, one in enumerate(strangers, start=1):
        tiles = []
        faces = {face.id: face for face in queries.stored_faces(FaceQuestion(ids=one.best))}
        for face in (faces[face_id] for face_id in one.best if face_id in faces):
            try:
                tiles.append(_tile(face, store, max_megapixels))
            except CaptureUnreadable:
                gone.append(face.capture.path)
            if len(tiles) == TILES:
                break
        target = folder / f"{stranger_name(one.number)}.jpg"
        write_file(draw_sheet(title_of(one), subtitle_of(one), tiles), target)
        files.append(target)
        tell(done, len(strangers))
    return Sheets(tuple(files), tuple(gone))


def title_of(one: Stranger) -> str:
    events = "1 event" if one.events == 1 else f"{one.events} events"
    faces = "1 face" if one.faces == 1 else f"{one.faces} faces"
    return f"{stranger_name(one.number)}, {faces} in {events}"


def subtitle_of(one: Stranger) -> str:
    first, last = _day(one.first_at), _day(one.last_at)
    when = first if first == last else f"{first} to {last}"
    return f"{when} · {', '.join(one.monitors)}"


def draw_sheet(title: str, subtitle: str, tiles: Sequence[Tile]) -> bytes:
    """A JPEG as wide as `COLUMNS` tiles, or as its title."""
    from PIL import Image, ImageDraw

    lines = [line for tile in tiles for line in (tile.line, tile.second_line)]
    letters = letters_for([title, subtitle, *lines])
    title_font, font = letters.font(TITLE_FONT_PX), letters.font(SMALL_FONT_PX)
    columns = max(1, min(COLUMNS, len(tiles)))
    rows = -(-len(tiles) // columns)
    ruler = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    needed = columns * (TILE_PX + GAP_PX) - GAP_PX
    width = 2 * EDGE_PX + max(needed, round(ruler.textlength(title, font=title_font) + 1))
    height = EDGE_PX + HEAD_PX + max(1, rows) * (TILE_PX + CAPTION_PX + GAP_PX) + EDGE_PX - GAP_PX
    page = Image.new("RGB", (width, height), PAPER)
    pen = ImageDraw.Draw(page)
    pen.text((EDGE_PX, EDGE_PX - 6), title, font=title_font, fill=INK)
    room = width - 2 * EDGE_PX
    subtitle = _fitting(pen, letters.written(subtitle), font, room)
    pen.text((EDGE_PX, EDGE_PX + TITLE_FONT_PX + 10), subtitle, font=font, fill=PALE_INK)
    if not tiles:
        nothing = "none of the captures is in the store any more"
        pen.text((EDGE_PX, EDGE_PX + HEAD_PX), nothing, font=font, fill=PALE_INK)
    for (x, y), tile in zip(_places(columns), tiles, strict=False):
        page.paste(_square(tile.face), (x, y))
        for below, line, ink in ((6, tile.line, INK), (23, tile.second_line, PALE_INK)):
            line = _fitting(pen, letters.written(line), font, TILE_PX)
            pen.text((x, y + TILE_PX + below), line, font=font, fill=ink)
    out = io.BytesIO()
    page.save(out, "JPEG", quality=JPEG_QUALITY)
    return out.getvalue()


def _tile(face: StoredFace, store: CaptureStore, max_megapixels: float) -> Tile:
    from annotator.inference.image import decode

    picture = decode(store.read(face.capture).jpeg, max_megapixels=max_megapixels)
    at = face.captured_at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    return Tile(cut(picture, face.box, FACE_MARGIN), at, face.capture.monitor)


def _square(face: Image.Image) -> Image.Image:
    """At the tile's size, cut to a square around the middle where it is at the capture's edge."""
    from PIL import Image, ImageOps

    return ImageOps.fit(face, (TILE_PX, TILE_PX), Image.Resampling.LANCZOS)


def _places(columns: int) -> Iterator[tuple[int, int]]:
    for at in range(TILES):
        row, column = divmod(at, columns)
        yield (
            EDGE_PX + column * (TILE_PX + GAP_PX),
            EDGE_PX + HEAD_PX + row * (TILE_PX + CAPTION_PX + GAP_PX),
        )


def _fitting(
    pen: ImageDraw.ImageDraw,
    text: str,
    font: Font,
    room_px: int,
) -> str:
    text = " ".join(text.split())[:200]
    if pen.textlength(text, font=font) <= room_px:
        return text
    while text and pen.textlength(text + "…", font=font) > room_px:
        text = text[:-1]
    return text + "…"


def _day(moment: datetime) -> str:
    return moment.astimezone().strftime("%Y-%m-%d")
