"""Plots: a picture for every amount of data and any name. What they look like was looked at."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import date, timedelta
from xml.etree import ElementTree

import pytest
from PIL import Image

from annotator.domain import Count
from annotator.view.plots import (
    BLUES,
    DPI,
    INK,
    PAPER,
    SCALE_POWER,
    Presence,
    heat_map,
    ink_on,
    monitors,
    timeline,
)
from tests.fakes.seen import NOON

Rgb = tuple[float, ...]

NAMES = ("anna", "$x$_1", "_hidden", "</svg><script>", "unknown", "stranger-001", "a" * 300, "名")


def by_hour(days: int) -> list[Count]:
    first = date(2024, 2, 27)
    return [
        Count(((first + timedelta(n)).isoformat(), f"{n * 7 % 24:02d}"), 1 + n % 5, 9)
        for n in range(days)
    ]


def presences(days: int) -> list[Presence]:
    return [
        Presence(name, NOON + timedelta(n), NOON + timedelta(n, seconds=20), 1 + n % 3)
        for n in range(days)
        for name in NAMES[: 1 + n % len(NAMES)]
    ]


def per_monitor(number: int) -> list[Count]:
    labels = NAMES * 2
    return [
        Count((f"{NAMES[n % len(NAMES)]} {n}", f"{label} {at}" if at > 7 else label), n + at, 9)
        for n in range(1, number + 1)
        for at, label in enumerate(labels[: 1 + n])
    ]


DRAW: dict[str, Callable[[int, str], bytes]] = {
    "heat map": lambda n, form: heat_map(by_hour(n), "When: $everything$", form),  # type: ignore[arg-type]
    "timeline": lambda n, form: timeline(presences(n), "Who: $everything$", form),  # type: ignore[arg-type]
    "monitors": lambda n, form: monitors(per_monitor(n), "Where", form),  # type: ignore[arg-type]
}


@pytest.mark.parametrize(
    ("kind", "amount"),
    [
        *(("heat map", days) for days in (1, 16, 90, 1100)),
        *(("timeline", days) for days in (1, 40)),
        *(("monitors", number) for number in (1, 9)),
    ],
)
def test_a_picture_of_any_amount(kind: str, amount: int) -> None:
    with Image.open(io.BytesIO(DRAW[kind](amount, "png"))) as picture:
        assert picture.format == "PNG"
        width, height = picture.size
        assert width == 1300
        assert 150 <= height <= 2200


@pytest.mark.parametrize("kind", DRAW)
def test_an_svg_holds_no_markup_of_anybodys(kind: str) -> None:
    svg = DRAW[kind](9, "svg")
    root = ElementTree.fromstring(svg)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert not list(root.iter("{http://www.w3.org/2000/svg}script"))


def test_days_that_were_asked_for_are_on_it_though_nothing_was_seen() -> None:
    (one,) = by_hour(1)
    day = date.fromisoformat(one.keys[0])
    alone = heat_map([one], "When", "png")
    week = heat_map([one], "When", "png", (day, day + timedelta(6)))
    heights = [Image.open(io.BytesIO(picture)).height for picture in (alone, week)]
    assert heights[1] > heights[0] + 100


def test_weekdays_that_were_not_asked_for_have_no_row_unless_a_night_reaches_into_them() -> None:
    monday = date(2024, 5, 6)
    counts = [Count(((monday + timedelta(n)).isoformat(), "23"), 1, 1) for n in (4, 5)]
    every = heat_map(counts, "When", "png", (monday, monday + timedelta(13)))
    fridays = heat_map(counts, "When", "png", (monday, monday + timedelta(13)), (4,))
    heights = [Image.open(io.BytesIO(picture)).height for picture in (every, fridays)]
    # 14 days, and two fridays with a saturday.
    assert heights[0] - heights[1] == pytest.approx(11 * 0.27 * DPI, abs=2)


@pytest.mark.parametrize("most", [1, 2, 3, 5, 100])
def test_numbers_can_be_read_on_the_colour_of_their_cells(most: int) -> None:
    for count in range(1, most + 1):
        other = {INK: PAPER, PAPER: INK}[ink_on(count, most)]
        cell = _cell_colour(count, most)
        assert _contrast(cell, ink_on(count, most)) >= min(4, _contrast(cell, other))


def _cell_colour(count: int, most: int) -> Rgb:
    """As Matplotlib draws it."""
    from matplotlib.colors import LinearSegmentedColormap, PowerNorm

    norm = PowerNorm(SCALE_POWER, vmin=1, vmax=max(2, most))
    return tuple(LinearSegmentedColormap.from_list("events", BLUES)(norm(count))[:3])


def _contrast(cell: Rgb, ink: str) -> float:
    """The ratio of the Web Content Accessibility Guidelines."""
    from matplotlib.colors import to_rgb

    dark, light = sorted(map(_luminance, (cell, to_rgb(ink))))
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: Rgb) -> float:
    linear = [one / 12.92 if one <= 0.03928 else ((one + 0.055) / 1.055) ** 2.4 for one in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
