from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from itertools import chain
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import click

from annotator.cli import output
from annotator.cli.options import common_options, load_config
from annotator.cli.when import WHEN
from annotator.domain import Identity
from annotator.names import stranger_name

if TYPE_CHECKING:
    from annotator.domain import Sighting

CSV_COLUMNS = (
    *("captured_at", "monitor", "event", "frame", "label", "id", "score"),
    *("xmin", "ymin", "xmax", "ymax", "face", "faceProba", "verdict", "path", "stay"),
    *("stranger", "face_id"),
)


@click.command()
@common_options
@click.option("--monitor", "monitors", multiple=True, help="Only this monitor; may be repeated.")
@click.option("--label", "labels", multiple=True, help="Only this label; may be repeated.")
@click.option("--name", "names", multiple=True, help="Only this person, or `unknown`.")
@click.option("--since", type=WHEN, help="From this time on: 2024-05-01, 3d, 'yesterday 18:00'.")
@click.option("--until", type=WHEN, help="Before this time.")
@click.option(
    "--min-score", type=click.FloatRange(0, 1), help="Only detections at least this sure."
)
@click.option(
    "--stationary", is_flag=True, help="What is only still there, like a parked car, as well."
)
@click.option("--limit", type=click.IntRange(min=1), help="At most so many, the newest first.")
@click.option(
    "--format", "form", type=click.Choice(["table", "json", "jsonl", "csv"]), default="table"
)
def query(
    monitors: tuple[str, ...],
    labels: tuple[str, ...],
    names: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    min_score: float | None,
    stationary: bool,
    limit: int | None,
    form: str,
) -> None:
    """Ask what was seen.

    One row per detection, and per face where it has several; newest first. Of what stands still
    only that it arrived and left, unless you ask for it.

    \b
    Example:
      annotator query --label person --monitor FrontDoor --since yesterday --limit 20
    """
    from annotator.app import asking
    from annotator.domain import CaptureQuery

    config = load_config()
    question = CaptureQuery(
        monitors=monitors,
        labels=labels,
        names=names,
        since=since,
        until=until,
        min_score=min_score,
        stationary=stationary,
        limit=limit,
    )
    found: Iterable[Sighting] = asking.query(config, question)
    if config.store.root is not None:
        root = config.store.root
        found = (replace(one, path=str(root / one.path)) for one in found)
    if form == "table":
        _table(iter(found), stationary)
    elif form == "csv":
        output.csv_rows(CSV_COLUMNS, map(_csv_row, found))
    else:
        printer = output.json_array if form == "json" else output.json_lines
        printer(map(output.sighting_object, found))


def _table(found: Iterator[Sighting], stationary: bool) -> None:
    first = next(found, None)
    if first is None:
        output.note("nothing was seen that fits; `annotator status` tells what is there")
        return
    columns = ["time", "monitor", "event", "frame", "label", "score", "face"]
    rows: Iterator[tuple[str, ...]] = map(_table_row, chain([first], found))
    if stationary:
        columns.append("stay")
    else:
        rows = (row[:-1] for row in rows)
    output.table(columns, rows, numbers=("frame", "score"), folding=("event",))


def _table_row(one: Sighting) -> tuple[str, ...]:
    time = one.captured_at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    face = one.name or one.verdict or ""
    if one.verdict == Identity.UNKNOWN and one.stranger is not None:
        face = stranger_name(one.stranger)
    if one.name and one.probability is not None:
        face = f"{one.name} {one.probability:.2f}"
    # A plain folder of pictures has no events, and its frame numbers may all be the same.
    event = one.event or PurePosixPath(one.path).name
    score, stay = f"{one.score:.2f}", one.stay or ""
    return time, one.monitor, event, str(one.frame), one.label, score, face, stay


def _csv_row(one: Sighting) -> tuple[object, ...]:
    box = one.box
    return (
        one.captured_at.isoformat(timespec="milliseconds"),
        *(one.monitor, one.event, one.frame, one.label, one.class_id, one.score),
        *(box.xmin, box.ymin, box.xmax, box.ymax),
        *(one.name, one.probability, one.verdict, one.path, one.stay),
        *(None if one.stranger is None else stranger_name(one.stranger), one.face_id),
    )
