"""One page of events with their pictures: no server, no network, works from a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from annotator.domain import UNKNOWN_NAME, EventSummary, Frame, LabelCount
from annotator.names import stranger_number
from annotator.view.choice import visible
from annotator.view.page import content_hash, own_text, template
from annotator.view.words import clock, day, lasting, long_day, many, told, unknown_people

GENERATOR = "annotator gallery"


@dataclass(frozen=True, slots=True)
class Shot:
    """One frame of an event and where its picture is: a URL, or why there is none."""

    frame: Frame
    src: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """One event: its small picture (a URL, "" where there is none) and its larger ones.

    `best` is the place of the one that is shown first among `shots`, of which there is one at
    least.
    """

    summary: EventSummary
    cover: str
    shots: tuple[Shot, ...]
    best: int = 0


@dataclass(frozen=True, slots=True)
class GalleryPage:
    """Newest event first. `about` says what was asked, and what is not on the page."""

    title: str
    about: str
    cards: tuple[Card, ...]


def gallery_html(page: GalleryPage) -> str:
    """The whole page. Names of monitors, people and files may be anything: they stay text, in a
    page whose policy lets no other script run than its own."""
    cards = [_card(at, card) for at, card in enumerate(page.cards)]
    style, script = own_text("gallery.css"), own_text("gallery.js")
    return template("gallery.html").render(
        generator=GENERATOR,
        page=page,
        days=[
            {
                "heading": long_day(page.cards[of_day[0]["at"]].summary.began_at),
                "count": many(len(of_day), "event"),
                "cards": of_day,
            }
            for _, together in groupby(cards, key=lambda card: card["day"])
            for of_day in [list(together)]
        ],
        choices=_choices(page.cards),
        data=[_data(card) for card in page.cards],
        style=style,
        script=script,
        style_hash=content_hash(style),
        script_hash=content_hash(script),
    )


def people_of(card: Card) -> tuple[str, ...]:
    """Who was there: people by the event's vote, then who is unknown."""
    voted = [one.name for one in card.summary.people if one.name != UNKNOWN_NAME]
    faces = [one for shot in card.shots for one in visible(shot.frame)]
    return (*voted, *unknown_people(faces))


def _card(at: int, card: Card) -> dict[str, Any]:
    summary, best = card.summary, card.shots[card.best]
    people = people_of(card)
    labels = _words(people, summary.labels)
    return {
        "at": at,
        # Without scripts a picture opens in the browser; one inside the page would be there twice.
        "link": best.src if best.src and not best.src.startswith("data:") else f"#e{at}",
        "cover": card.cover,
        "problem": best.problem,
        "width": best.frame.width,
        "height": best.frame.height,
        "shots": len(card.shots),
        "spoken": f"{summary.event.monitor}, {day(summary.began_at)} {clock(summary.began_at)}: "
        f"{labels}",
        "iso": summary.began_at.astimezone().isoformat(timespec="seconds"),
        "day": day(summary.began_at),
        "clock": clock(summary.began_at),
        "monitor": summary.event.monitor,
        "lasting": lasting(summary.duration),
        "people": [{"name": one, "kind": _kind(one)} for one in people],
        "labels": summary.labels,
        "gone": summary.gone,
    }


def _kind(who: str) -> str:
    return "unknown" if who == UNKNOWN_NAME or stranger_number(who) is not None else "known"


def _words(people: Sequence[str], labels: Sequence[LabelCount]) -> str:
    return ", ".join((*people, *(one.label for one in labels))) or "nothing was seen"


def _data(card: Card) -> dict[str, Any]:
    """What the page's script knows of an event."""
    summary, people = card.summary, people_of(card)
    event = summary.event
    words = (event.monitor, event.directory, *people, *(one.label for one in summary.labels))
    began = f"{long_day(summary.began_at)} {clock(summary.began_at)} {day(summary.began_at)}"
    return {
        "title": f"{event.monitor}, {long_day(summary.began_at)}, {clock(summary.began_at)}",
        "monitor": event.monitor,
        "day": day(summary.began_at),
        "labels": [one.label for one in summary.labels],
        "people": [*people, *([UNKNOWN_NAME] if any(map(_is_stranger, people)) else [])],
        "text": " ".join((*words, began)).lower(),
        "best": card.best,
        "shots": [
            {
                "src": shot.src,
                "time": clock(shot.frame.captured_at),
                "told": told(visible(shot.frame)),
                "problem": shot.problem,
            }
            for shot in card.shots
        ],
    }


def _is_stranger(who: str) -> bool:
    return stranger_number(who) is not None


def _choices(cards: Sequence[Card]) -> dict[str, list[str]]:
    """What there is to choose from, each list as people look for it."""
    people = {who for card in cards for who in people_of(card)}
    known = {who for who in people if _kind(who) == "known"}
    unknown = people - known
    return {
        "people": sorted(known, key=str.casefold)
        + ([UNKNOWN_NAME] if unknown else [])
        + sorted(unknown - {UNKNOWN_NAME}),
        "labels": sorted({one.label for card in cards for one in card.summary.labels}),
        "monitors": sorted({card.summary.event.monitor for card in cards}, key=str.casefold),
        "days": list(dict.fromkeys(day(card.summary.began_at) for card in cards)),
    }
