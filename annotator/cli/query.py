from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import click

from annotator.cli import output
from annotator.cli.as_json import sighting_json
from annotator.cli.filters import filter_options
from annotator.cli.options import common_options, load_places
from annotator.domain import CaptureQuery, Identity
from annotator.names import stranger_name

if TYPE_CHECKING:
    from annotator.domain import Sighting

CSV_COLUMNS = (
    *("captured_at", "monitor", "event", "frame", "label", "id", "score"),
    *("xmin", "ymin", "xmax", "ymax", "face", "faceProba", "verdict", "path", "stay"),
    *("stranger", "face_id"),
)
FORMATS = ("table", "json", "jsonl", "csv", "paths", "seed-json")
POLL_S = 1.0


@click.command()
@common_options
@filter_options()
@click.option("--count", "counting", is_flag=True, help="Only say how many.")
@click.option("--follow", is_flag=True, help="Go on with what is seen from now on, until Ctrl-C.")
@click.option("--format", "form", type=click.Choice(FORMATS), default="table")
@click.option("-0", "--null", is_flag=True, help="Paths that end with NUL, for `xargs -0`.")
def query(question: CaptureQuery, counting: bool, follow: bool, form: str, null: bool) -> None:
    """Ask what was seen.

    One row per detection, and per face where it has several; the newest first, and as a table the
    first hundred. Filters of one kind mean any of them, those of different kinds all. Of what
    stands still only that it arrived and left, unless you ask for it.

    \b
    Example:
      annotator query --label person --monitor FrontDoor --since yesterday --limit 20
      annotator query --unknown --between 22:00-06:00 --on 'last friday'
      annotator query --name anna --format paths -0 | xargs -0 cp -t pictures
    """
    from annotator.app import asking

    if counting and follow:
        raise click.UsageError("--count is of what was seen, --follow goes on: leave out one")
    places = load_places()
    if counting:
        click.echo(str(asking.count(places, question)))
        return
    if null:
        form = "paths"
    if follow:
        found: Iterator[Sighting] = islice(asking.follow(places, question, _wait), question.limit)
        _print_as_it_comes(found, form, null)
        return
    if form == "table":
        rows = output.first_of(
            lambda limit: asking.query(places, replace(question, limit=limit)), question.limit
        )
        _table(rows, stationary=question.stationary)
    else:
        _print(asking.query(places, question), form, null)


def _wait() -> bool:
    time.sleep(POLL_S)
    return False


def _print(found: Iterator[Sighting], form: str, null: bool) -> None:
    if form == "csv":
        output.csv_rows(CSV_COLUMNS, map(_csv_row, found))
    elif form == "paths":
        output.paths((one.path for one in found), null=null)
    elif form == "seed-json":
        output.json_array(output.seed_pictures(found))
    else:
        output.encoded(form, map(sighting_json, found))


def _print_as_it_comes(found: Iterator[Sighting], form: str, null: bool) -> None:
    """Each row at once; an array that has no end is no JSON, so it is one object per line."""
    if form == "table":
        for one in found:
            time, monitor, event, frame, label, score, face, _ = _table_row(one)
            output.say(f"{time}  {monitor}  {event}  {frame}  {label} {score}  {face}".rstrip())
    elif form == "csv":
        output.csv_rows(CSV_COLUMNS, map(_csv_row, found), flush=True)
    elif form == "paths":
        for one in found:
            output.paths([one.path], null=null)
    else:
        output.encoded("jsonl", map(sighting_json, found), flush=True)


def _table(found: Iterable[Sighting], *, stationary: bool) -> None:
    rows = list(found)
    if not rows:
        output.note("nothing was seen that fits; `annotator status` tells what is there")
        return
    columns = ["time", "monitor", "event", "frame", "label", "score", "face"]
    cells = [_table_row(one) for one in rows]
    if stationary:
        columns.append("stay")
    else:
        cells = [row[:-1] for row in cells]
    output.table(columns, cells, numbers=("frame", "score"), folding=("event",))


def _table_row(one: Sighting) -> tuple[str, ...]:
    face = one.name or one.verdict or ""
    if one.verdict == Identity.UNKNOWN and one.stranger is not None:
        face = stranger_name(one.stranger)
    if one.name and one.probability is not None:
        face = f"{one.name} {one.probability:.2f}"
    # A plain folder of pictures has no events, and its frame numbers may all be the same.
    event = one.event or PurePosixPath(one.path).name
    at, score, stay = output.local_time(one.captured_at), f"{one.score:.2f}", one.stay or ""
    return at, one.monitor, event, str(one.frame), one.label, score, face, stay


def _csv_row(one: Sighting) -> tuple[object, ...]:
    box = one.box
    return (
        output.utc_time(one.captured_at),
        *(one.monitor, one.event, one.frame, one.label, one.class_id, one.score),
        *(box.xmin, box.ymin, box.xmax, box.ymax),
        *(one.name, one.probability, one.verdict, one.path, one.stay),
        *(None if one.stranger is None else stranger_name(one.stranger), one.face_id),
    )
