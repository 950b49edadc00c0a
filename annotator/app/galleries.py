"""`gallery`: a page of events and its pictures.

The database is asked first and let go; then the store is read, by children that may hang.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from annotator.app.opening import questions
from annotator.config import Config
from annotator.domain import CaptureQuery, EventSummary, Frame, Order

if TYPE_CHECKING:
    from annotator.app.albums import Album
    from annotator.app.darkroom import Wanted
    from annotator.view.gallery import Card

SMALL_PX = 320
LARGE_PX = 1280

Tell = Callable[[int, int], None]
"""Called with how many captures are done, and how many there are."""


@dataclass(frozen=True, slots=True)
class GalleryMade:
    """What became of a gallery: `drawn` pictures are new, `reused` were there already; `problems`
    are captures without a picture, and why. `more` says that more events fit than were asked for.
    """

    page: Path
    events: int
    drawn: int
    reused: int
    more: bool
    problems: tuple[tuple[str, str], ...]


def gallery(
    config: Config,
    question: CaptureQuery,
    output: Path,
    *,
    frames_per_event: int,
    single_file: bool,
    tell: Tell,
) -> GalleryMade:
    """Write a page of the events that fit; the question's limit is for events.

    Raises QueryError, and StoreError where it cannot be written.
    """
    from annotator.app.albums import name_of, open_album
    from annotator.app.darkroom import open_darkroom
    from annotator.view.gallery import GalleryPage, gallery_html
    from annotator.view.words import asked, short_day

    assert question.limit is not None, "a page has to end somewhere"
    _ = config.store_root  # ConfigError where there is none
    planned, more = _plan(config, question, question.limit, frames_per_event)
    album = open_album(output, single_file=single_file)
    wanted = [one for event in planned for one in event.wanted]
    missing = [
        replace(one, prints=prints)
        for one in wanted
        if (prints := tuple(p for p in one.prints if not album.has(name_of(one, p))))
    ]
    problems: dict[str, str] = {}
    drawn = 0
    with open_darkroom(config) as room:
        for done, made in enumerate(room.make(missing), start=1):
            if made.spoilt is not None:
                problems[made.wanted.capture.path] = made.spoilt.message
            for one, jpeg in zip(made.wanted.prints, made.pictures, strict=False):
                album.keep(name_of(made.wanted, one), jpeg)
                drawn += 1
            tell(done, len(missing))
    about = asked(question)
    if planned:
        began = sorted(one.summary.began_at for one in planned)
        about += f" · {short_day(began[0])} to {short_day(began[-1])}"
    if more:
        about += f" · only the {question.order} {question.limit} events"
    html = gallery_html(
        GalleryPage("What was seen", about, tuple(_card(one, album, problems) for one in planned))
    )
    return GalleryMade(
        page=album.finish(html),
        events=len(planned),
        drawn=drawn,
        reused=sum(len(one.prints) for one in wanted) - sum(len(one.prints) for one in missing),
        more=more,
        problems=tuple(sorted(problems.items())),
    )


@dataclass(frozen=True, slots=True)
class _Planned:
    """One event of a gallery: its frames and, in the same order, the pictures of them."""

    summary: EventSummary
    frames: tuple[Frame, ...]
    wanted: tuple[Wanted, ...]
    best: int


def _plan(
    config: Config, question: CaptureQuery, limit: int, frames_per_event: int
) -> tuple[list[_Planned], bool]:
    """The events of a gallery by time, and whether there are more."""
    from annotator.app.darkroom import Print, Wanted
    from annotator.view.choice import best_frame, chosen_frames, visible

    small, large = Print(SMALL_PX), Print(LARGE_PX)
    planned = []
    with questions(config) as queries:
        found = list(queries.events(replace(question, limit=limit + 1)))
        for summary in found[:limit]:
            every = queries.frames(summary.event)
            frames = chosen_frames(every, frames_per_event, question, summary.best)
            if not frames:
                continue  # deleted meanwhile
            best = frames.index(best_frame(frames, question, summary.best))
            wanted = tuple(
                Wanted(
                    frame.capture,
                    visible(frame, question),
                    (small, large) if at == best else (large,),
                )
                for at, frame in enumerate(frames)
            )
            planned.append(_Planned(summary, frames, wanted, best))
    oldest_first = question.order is Order.OLDEST
    planned.sort(key=lambda one: one.summary.began_at, reverse=not oldest_first)
    return planned, len(found) > limit


def _card(one: _Planned, album: Album, problems: Mapping[str, str]) -> Card:
    from annotator.app.albums import name_of
    from annotator.view.gallery import Card, Shot

    shots = tuple(
        Shot(frame, problem=problems[frame.capture.path])
        if frame.capture.path in problems
        else Shot(frame, album.source(name_of(wanted, wanted.prints[-1])))
        for frame, wanted in zip(one.frames, one.wanted, strict=True)
    )
    has_cover = bool(shots[one.best].src)
    best = one.wanted[one.best]
    cover = album.source(name_of(best, best.prints[0])) if has_cover else ""
    return Card(one.summary, cover, shots, one.best)
