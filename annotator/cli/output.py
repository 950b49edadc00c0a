"""The only printer: data to stdout, all else to stderr.

The shapes of json, jsonl and csv are contracts; docs/cli.md describes them and a test holds them.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from annotator.names import stranger_name

if TYPE_CHECKING:
    from annotator.domain import BoundingBox, Detection, Sighting


UNLIMITED_COLUMNS = 10_000


def note(message: str) -> None:
    """A line for the person, not for the next program."""
    click.echo(message, err=True)


def warn(message: str) -> None:
    click.secho(message, fg="yellow", err=True)


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    numbers: Sequence[str] = (),
    folding: Sequence[str] = (),
) -> None:
    """A table: as wide as the terminal, or as its text where nobody looks at it.

    `numbers` are set flush right; `folding` are the columns that may break into several lines.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    terminal = sys.stdout.isatty()
    console = Console() if terminal else Console(width=UNLIMITED_COLUMNS)
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for column in columns:
        drawn.add_column(
            column,
            justify="right" if column in numbers else "left",
            overflow="fold",
            no_wrap=column not in folding,
        )
    for row in rows:
        drawn.add_row(*(Text(cell) for cell in row))
    console.print(drawn)


@contextmanager
def bars() -> Iterator[Callable[[str, int, int], None]]:
    """Progress bars on stderr, one per word; silent where stderr is no terminal."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    tasks: dict[str, Any] = {}
    with Progress(console=console, disable=not console.is_terminal, transient=True) as progress:

        def tell(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what)
            progress.update(tasks[what], completed=done, total=total)

        yield tell


def json_lines(objects: Iterable[dict[str, Any]]) -> None:
    for one in objects:
        click.echo(json.dumps(one, ensure_ascii=False))


def json_array(objects: Iterable[dict[str, Any]]) -> None:
    """One array, written as its members come."""
    separator = "["
    for one in objects:
        click.echo(separator + json.dumps(one, ensure_ascii=False), nl=False)
        separator = ",\n "
    click.echo("[]" if separator == "[" else "]")


def csv_rows(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)


def seed_labels(detections: Iterable[Detection]) -> list[dict[str, Any]]:
    """The `labels` of one picture as edge-tpu-servers writes them.

    A detection with several faces gives its best named one.
    """
    return [
        {
            "name": found.label,
            "id": found.class_id,
            "score": found.score,
            "box": box_object(found.box),
            **_seed_face(found),
        }
        for found in detections
    ]


def _seed_face(found: Detection) -> dict[str, Any]:
    known = [face.identification for face in found.faces if face.identification]
    best = max(known, key=lambda who: (who.name is not None, who.probability or 0), default=None)
    return {
        "face": best.name if best else None,
        "faceProba": best.probability if best else None,
    }


def box_object(box: BoundingBox) -> dict[str, int]:
    return {"xmin": box.xmin, "ymin": box.ymin, "xmax": box.xmax, "ymax": box.ymax}


def sighting_object(sighting: Sighting) -> dict[str, Any]:
    """One row of `query --format json|jsonl`; times are UTC."""
    return {
        "captured_at": sighting.captured_at.isoformat(timespec="milliseconds"),
        "monitor": sighting.monitor,
        "event": sighting.event,
        "frame": sighting.frame,
        "label": sighting.label,
        "id": sighting.class_id,
        "score": sighting.score,
        "box": box_object(sighting.box),
        "face": sighting.name,
        "faceProba": sighting.probability,
        "faceBox": box_object(sighting.face_box) if sighting.face_box else None,
        "verdict": sighting.verdict,
        "path": sighting.path,
        "stay": sighting.stay,
        "stranger": None if sighting.stranger is None else stranger_name(sighting.stranger),
        "face_id": sighting.face_id,
    }
