"""What was seen, drawn over time and by monitor; as PNG or SVG.

Matplotlib is of the `trainer` extra and is imported where it is used. Figures are made without
pyplot, so nothing is kept between calls. Colours are Okabe and Ito's, or lighter and darker blue,
and never say anything alone. A name is drawn as it is: `$` means no formula in it.
"""

from __future__ import annotations

import io
import warnings
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from annotator.domain import UNKNOWN_NAME, Count
from annotator.errors import RuntimeUnavailable
from annotator.names import stranger_number
from annotator.view.draw import KNOWN_COLOUR, LABEL_COLOURS, UNKNOWN_COLOUR, Colour

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

Form = Literal["png", "svg"]

DPI = 130
WIDTH_IN = 10.0
ROWS_OF_DAYS = 31
"""Up to so many days are rows of a heat map; more are columns."""
DAYS_BY_DAY = 400
"""More days are drawn by week."""
CELLS_WITH_NUMBERS = 16 * 24
MOST_ROWS = 40
"""So many people or monitors have a row of their own."""
MOST_LABELS = 7
LONGEST_NAME = 28
ALMOST_A_DAY = timedelta(days=1, microseconds=-1)
SCALE_POWER = 0.6
"""Many hours with few events are told apart beside few with many."""
DARK_FROM = 0.57
"""From here on white is read better on the scale's colours than black."""
INK, PALE, PAPER, EMPTY, DARKEST = "#1b1b1f", "#6a6a72", "#ffffff", "#f1f1ee", "#08306b"
BLUES = ("#b3d3ea", "#6baed6", "#2171b5", DARKEST)
REST_COLOUR: Colour = (150, 150, 150)


@dataclass(frozen=True, slots=True)
class Presence:
    """Somebody was seen from `since` until `until` (aware), in so many `events`."""

    name: str
    since: datetime
    until: datetime
    events: int


def heat_map(
    counts: Sequence[Count],
    title: str,
    form: Form,
    days: tuple[date, ...] = (),
    weekdays: tuple[int, ...] = (),
) -> bytes:
    """Events by day and hour. `counts` are by day and hour, and there is one at least; `days` are
    to be on it whether anything was seen on them or not. Where only `weekdays` (0 is Monday) were
    asked for, others have no row: it would look like a day without events."""
    figure, axes = _figure(WIDTH_IN, 4.6, title)
    cells = {(date.fromisoformat(one.keys[0]), int(one.keys[1])): one.events for one in counts}
    every = [*days, *(day for day, _ in cells)]
    first, last = min(every), max(every)
    number = (last - first).days + 1
    if number <= ROWS_OF_DAYS:
        seen = {day for day, _ in cells}
        shown = [
            day
            for day in (first + timedelta(n) for n in range(number))
            if not weekdays or day.weekday() in weekdays or day in seen
        ]
        figure.set_size_inches(WIDTH_IN, 1.5 + 0.27 * len(shown))
        _days_as_rows(figure, axes, cells, shown)
    else:
        _days_as_columns(figure, axes, cells, first, last)
    return _saved(figure, form)


def timeline(presences: Sequence[Presence], title: str, form: Form) -> bytes:
    """A row per person, who was seen most often at the top; a mark whenever somebody was seen."""
    totals: defaultdict[str, int] = defaultdict(int)
    for one in presences:
        totals[one.name] += one.events
    names = sorted(totals, key=lambda name: (_is_unknown(name), -totals[name], name))
    shown, rest = names[:MOST_ROWS], len(names) - MOST_ROWS
    figure, axes = _figure(WIDTH_IN, 1.7 + 0.34 * len(shown), title)
    most = max(one.events for one in presences)
    dates = _dates()
    # Whole days, so that morning and evening are where one looks for them.
    first = dates.date2num(_naive(min(one.since for one in presences)).date())
    last = dates.date2num(_naive(max(one.until for one in presences)) + ALMOST_A_DAY) // 1
    # What lasts for seconds is wide enough to be seen.
    least = (last - first) / 400
    for row, name in enumerate(shown):
        colour = _hex(UNKNOWN_COLOUR if _is_unknown(name) else KNOWN_COLOUR)
        axes.axhline(row, color=EMPTY, linewidth=9, zorder=0, solid_capstyle="butt")
        own = [one for one in presences if one.name == name]
        starts = [dates.date2num(_naive(one.since)) for one in own]
        widths = [
            max(least, dates.date2num(_naive(one.until)) - start)
            for one, start in zip(own, starts, strict=True)
        ]
        bars = axes.barh(
            [row] * len(own), widths, 0.56, starts, color=colour, linewidth=0, zorder=2
        )
        for bar, one in zip(bars, own, strict=True):
            bar.set_alpha(0.4 + 0.6 * (one.events / most) ** 0.5)
            if _is_unknown(name):
                bar.set_hatch("////")
                bar.set_edgecolor(PAPER)
    axes.set_xlim(first, last + least)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    labels = [f"{_short(name)}  ({totals[name]})" for name in shown]
    axes.set_yticks(range(len(shown)), labels, parse_math=False)
    locator = dates.AutoDateLocator(minticks=4, maxticks=9)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))
    axes.grid(axis="x", color="#d8d8d4", linewidth=0.7, zorder=1)
    words = "in brackets: how many events"
    _note(axes, words + (f"; {rest} more people are left out" if rest > 0 else ""))
    return _saved(figure, form)


def monitors(counts: Sequence[Count], title: str, form: Form) -> bytes:
    """Events per monitor, a bar for each label. `counts` are by monitor and label."""
    of_label: defaultdict[str, int] = defaultdict(int)
    of_monitor: defaultdict[str, int] = defaultdict(int)
    for one in counts:
        of_monitor[one.keys[0]] += one.events
        of_label[one.keys[1]] += one.events
    labels = sorted(of_label, key=lambda label: (-of_label[label], label))
    own, others = labels[:MOST_LABELS], set(labels[MOST_LABELS:])
    names = sorted(of_monitor, key=lambda name: (-of_monitor[name], name))
    shown, rest = names[:MOST_ROWS], len(names) - MOST_ROWS
    figure, axes = _figure(WIDTH_IN, 1.9 + 0.36 * len(shown), title)
    events = {(one.keys[0], one.keys[1]): one.events for one in counts}
    ends = [0] * len(shown)
    series = [(label, {label}) for label in own] + ([("others", others)] if others else [])
    colours = (*LABEL_COLOURS, KNOWN_COLOUR, UNKNOWN_COLOUR)
    for (_, together), colour, hatch in zip(
        series,
        (*colours[: len(own)], REST_COLOUR),
        ("", "", "", "", "", "//", "..", ""),
        strict=False,
    ):
        lengths = [sum(events.get((name, label), 0) for label in together) for name in shown]
        axes.barh(
            range(len(shown)), lengths, 0.66, list(ends), color=_hex(colour), hatch=hatch,
            edgecolor=PAPER, linewidth=0.8,
        )  # fmt: skip
        ends = [end + length for end, length in zip(ends, lengths, strict=True)]
    for row, end in enumerate(ends):
        axes.text(end, row, f" {end}", va="center", color=PALE, size=9)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.set_xlim(0, max(ends) * 1.07)
    axes.set_yticks(range(len(shown)), [_short(name) for name in shown], parse_math=False)
    axes.xaxis.set_major_locator(_whole_numbers(8))
    axes.grid(axis="x", color="#e2e2de", linewidth=0.7)
    axes.set_axisbelow(True)
    # A label that begins with "_" would not get into the legend.
    legend = axes.legend(
        axes.containers, [f" {_short(label)}" for label, _ in series], frameon=False, ncols=4,
        loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2, fontsize=9,
    )  # fmt: skip
    for text in legend.get_texts():
        text.set_parse_math(False)
    words = "events; one that shows several labels counts for each"
    _note(axes, words + (f"; {rest} more monitors are left out" if rest > 0 else ""))
    return _saved(figure, form)


def _days_as_rows(
    figure: Figure, axes: Axes, cells: Mapping[tuple[date, int], int], days: Sequence[date]
) -> None:
    grid = [[cells.get((day, hour), 0) for hour in range(24)] for day in days]
    _cells(figure, axes, grid)
    axes.set_yticks(range(len(days)), [f"{day:%a} {day.day} {day:%b}" for day in days])
    axes.set_xticks([hour - 0.5 for hour in range(0, 25, 3)], _hours())
    axes.set_xticks([hour - 0.5 for hour in range(25)], minor=True)
    axes.set_yticks([row - 0.5 for row in range(len(days) + 1)], minor=True)
    axes.grid(which="minor", color=PAPER, linewidth=1.5)
    axes.tick_params(which="minor", length=0)
    if len(days) * 24 <= CELLS_WITH_NUMBERS:
        most = max(cells.values())
        for (row, column), count in (
            ((row, column), count) for row, of_day in enumerate(grid)
            for column, count in enumerate(of_day) if count
        ):  # fmt: skip
            axes.text(
                column, row, str(count), ha="center", va="center", size=8,
                color=ink_on(count, most),
            )  # fmt: skip


def _days_as_columns(
    figure: Figure, axes: Axes, cells: Mapping[tuple[date, int], int], first: date, last: date
) -> None:
    by_week = (last - first).days + 1 > DAYS_BY_DAY
    step = 7 if by_week else 1
    begin = first - timedelta(first.weekday()) if by_week else first
    columns = (last - begin).days // step + 1
    grid = [[0] * columns for _ in range(24)]
    for (day, hour), count in cells.items():
        grid[hour][(day - begin).days // step] += count
    _cells(figure, axes, grid)
    axes.set_yticks([hour - 0.5 for hour in range(0, 25, 3)], _hours())
    starts = [begin + timedelta(step * column) for column in range(columns)]
    ticks = _ticks(starts)
    axes.set_xticks([place - 0.5 for place, _ in ticks], [words for _, words in ticks], ha="left")
    _note(axes, "a column is a week" if by_week else "a column is a day")


def _ticks(starts: Sequence[date]) -> list[tuple[int, str]]:
    """At most a dozen columns in which a month begins, and how it is called; the year where it is
    new."""
    months = [
        (place, start)
        for place, start in enumerate(starts)
        if place == 0 or start.month != starts[place - 1].month
    ]
    # The first column may be at the end of its month: there is no room for two names then.
    if len(months) > 1 and months[1][0] - months[0][0] < len(starts) / 20:
        del months[0]
    every = next(n for n in (1, 2, 3, 6, 12, 24, 60, 120, 1200) if len(months) / n <= 12)
    chosen, year = list[tuple[int, str]](), 0
    for place, start in months[::every]:
        words = f"{start:%b}" if start.year == year else f"{start:%b}\n{start.year}"
        chosen.append((place, words))
        year = start.year
    return chosen


def _hours() -> list[str]:
    return [f"{hour:02d}:00" for hour in range(0, 25, 3)]


def _cells(figure: Figure, axes: Axes, grid: Sequence[Sequence[int]]) -> None:
    """Counts as colours, with a scale; none is another colour than few."""
    from matplotlib.colors import LinearSegmentedColormap, PowerNorm

    most = max(max(row) for row in grid)
    colours = LinearSegmentedColormap.from_list("events", BLUES).with_extremes(under=EMPTY)
    norm = PowerNorm(SCALE_POWER, vmin=1, vmax=max(2, most))
    picture = axes.imshow(grid, cmap=colours, norm=norm, aspect="auto", interpolation="nearest")
    scale = figure.colorbar(picture, ax=axes, pad=0.015, fraction=0.03, label="events")
    scale.locator = _whole_numbers(6)
    scale.update_ticks()
    scale.outline.set_visible(False)


def ink_on(count: int, most: int) -> str:
    """The colour of a number that can be read on its cell's."""
    darkness = float(((count - 1) / (max(2, most) - 1)) ** SCALE_POWER)
    return PAPER if darkness > DARK_FROM else INK


def _whole_numbers(most: int) -> MaxNLocator:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(most, integer=True)


def _figure(width_in: float, height_in: float, title: str) -> tuple[Figure, Axes]:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise RuntimeUnavailable(
            f"nothing can be plotted: {error}", "install it with: pip install matplotlib"
        ) from error
    figure = Figure(figsize=(width_in, height_in), layout="constrained", facecolor=PAPER)
    axes = figure.add_subplot()
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color("#c8c8c4")
    axes.tick_params(colors=INK, length=0)
    figure.suptitle(
        _short(title, 100), x=0.01, ha="left", size=12, weight="bold", color=INK, parse_math=False
    )
    return figure, axes


def _note(axes: Axes, words: str) -> None:
    axes.set_xlabel(words, color=PALE, size=9, loc="left", parse_math=False)


def _saved(figure: Figure, form: Form) -> bytes:
    out = io.BytesIO()
    with warnings.catch_warnings():
        # A letter that the font does not have becomes a box; nobody can do anything about it.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        metadata: dict[str, Any] = {"Date": None} if form == "svg" else {}
        figure.savefig(out, format=form, dpi=DPI, metadata=metadata)
    return out.getvalue()


def _short(name: str, longest: int = LONGEST_NAME) -> str:
    name = " ".join(name.split())
    return name if len(name) <= longest else name[: longest - 9] + "…" + name[-8:]


def _is_unknown(name: str) -> bool:
    return name == UNKNOWN_NAME or stranger_number(name) is not None


def _dates() -> Any:
    """Matplotlib's module, most of which has no types."""
    import matplotlib.dates

    return matplotlib.dates


def _naive(moment: datetime) -> datetime:
    """By the clock on the wall, as Matplotlib is to show it."""
    return moment.astimezone().replace(tzinfo=None)


def _hex(colour: Colour) -> str:
    return "#" + "".join(f"{part:02x}" for part in colour)
