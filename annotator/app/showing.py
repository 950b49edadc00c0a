"""`show`: pictures of captures and events with what was seen on them.

The database is asked first and let go; then the store is read, by children that may hang.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from annotator.app.opening import questions
from annotator.config import Config
from annotator.domain import CaptureQuery, Frame
from annotator.errors import QueryError

if TYPE_CHECKING:
    from annotator.app.darkroom import Darkroom, Made, Print
    from annotator.ports import SightingQueries
    from db.queries import SqlQueries

SHEET_FRAMES = 24
SHEET_TILE_PX = 400


class Which(StrEnum):
    """What `show` makes of an event."""

    BEST = "best"
    ALL = "all"
    SHEET = "sheet"


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture of `show`, and the file it was written to; or what is wrong with `path`."""

    path: str
    jpeg: bytes = b""
    written: Path | None = None
    problem: str = ""


def show(config: Config, targets: Sequence[str], output: Path, which: Which) -> Iterator[Shown]:
    """Draw what the database knows about captures and events.

    Raises QueryError, also where nothing was seen of a target, and StoreError where nothing can be
    written.
    """
    from annotator.app.darkroom import open_darkroom
    from annotator.app.targets import frames_meant

    meant = []
    with questions(config) as queries:
        for target in targets:
            frames = frames_meant(queries, config.store.root, target)
            if not frames:
                raise _not_annotated(queries, config.store.root, target)
            best = _best_of(queries, frames) if which is Which.BEST else None
            meant.append(frames if best is None else (best,))
    _ = config.store_root  # ConfigError where there is none
    with open_darkroom(config) as room:
        for frames in meant:
            if which is Which.SHEET:
                yield from _show_sheet(room, frames, output)
            else:
                yield from _show_frames(room, frames, output)


def _not_annotated(queries: SqlQueries, root: Path | None, target: str) -> QueryError:
    """Why nothing can be shown of a target: it could not be looked at, or nobody knows it."""
    from annotator.app.targets import path_below, place_meant

    place, why = place_meant(queries, root, target), ""
    if place is not None:
        begin = f"{place.event.directory}/{place.file_name or ''}"
        for one in queries.failures():
            if one.path == begin or (place.file_name is None and one.path.startswith(begin)):
                return QueryError(
                    f"{target} could not be looked at: {one.message}",
                    "`annotator failures retry` lets it be tried again",
                )
    else:
        try:
            queries.count(CaptureQuery(events=(path_below(root, target),)))
        except QueryError as error:
            why = f": {error}"  # it names the nearest
    return QueryError(
        f"{target} has not been annotated{why}",
        "name it as `annotator events` does; what is new, `annotator backfill` looks at",
    )


def _best_of(queries: SightingQueries, frames: Sequence[Frame]) -> Frame:
    """Of an event the frame that `annotator events` names too."""
    from annotator.view.choice import best_frame

    if len(frames) == 1:
        return frames[0]
    asked = CaptureQuery(events=(frames[0].capture.event.directory,), stationary=True)
    summary = next(iter(queries.events(asked)), None)
    return best_frame(frames, asked, summary.best if summary else None)


def _show_frames(room: Darkroom, frames: Sequence[Frame], output: Path) -> Iterator[Shown]:
    from annotator.app.darkroom import Print
    from annotator.view.draw import save_drawing

    for made in _in_order(room, frames, Print()):
        path = made.wanted.capture.path
        if made.spoilt is not None:
            yield Shown(path, problem=made.spoilt.message)
        else:
            (jpeg,) = made.pictures
            yield Shown(path, jpeg, save_drawing(jpeg, path, output))


def _show_sheet(room: Darkroom, frames: Sequence[Frame], output: Path) -> Iterator[Shown]:
    from annotator.app.darkroom import Print
    from annotator.view.choice import chosen_frames
    from annotator.view.draw import save_drawing
    from annotator.view.sheet import Tile, sheet
    from annotator.view.words import clock, long_day, many

    event, chosen = frames[0].capture.event, chosen_frames(frames, SHEET_FRAMES)
    tiles = []
    for frame, made in zip(
        chosen, _in_order(room, chosen, Print(width_px=SHEET_TILE_PX)), strict=True
    ):
        if made.spoilt is not None:
            yield Shown(made.wanted.capture.path, problem=made.spoilt.message)
        else:
            words = f"{clock(frame.captured_at)}  frame {frame.capture.frame}"
            tiles.append(Tile(made.pictures[0], words))
    if tiles:
        began = frames[0].captured_at
        count = many(len(frames), "capture")
        jpeg = sheet(f"{event.monitor}, {long_day(began)}, {clock(began)}, {count}", tiles)
        name = f"{event.directory}-sheet.jpg"
        yield Shown(event.directory, jpeg, save_drawing(jpeg, name, output))


def _in_order(room: Darkroom, frames: Sequence[Frame], one_print: Print) -> Iterator[Made]:
    """One picture of each frame, in their order; few enough to wait for those before."""
    from annotator.app.darkroom import Wanted

    places = {frame.capture: at for at, frame in enumerate(frames)}
    waiting: dict[int, Made] = {}
    turn = 0
    for made in room.make(Wanted(one.capture, one.seen, (one_print,)) for one in frames):
        waiting[places[made.wanted.capture]] = made
        while turn in waiting:
            yield waiting.pop(turn)
            turn += 1
