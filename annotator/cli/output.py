"""The only printer: data to stdout, all else to stderr.

The shapes of json (see `annotator.cli.as_json`), jsonl and csv are contracts; docs/cli.md describes
them and a test holds them.
"""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path
from time import monotonic
from typing import IO, TYPE_CHECKING, Any, TypeVar

import click

from annotator.errors import QueryError
from annotator.legible import legible

if TYPE_CHECKING:
    from annotator.domain import BoundingBox, Detection, Sighting


T = TypeVar("T")

UNLIMITED_COLUMNS = 10_000
BETWEEN, EDGES = 2, 2
"""What a table needs beside its columns."""
NARROWEST = 8
"""So much a column has that may break."""
SQLITE = b"SQLite format 3\0"
"""How its files begin (https://www.sqlite.org/fileformat2.html)."""


def note(message: str) -> None:
    """A line for the person, not for the next program."""
    click.echo(legible(message), err=True)


def warn(message: str) -> None:
    click.secho(legible(message), fg="yellow", err=True)


def say(line: str) -> None:
    """A line of an answer for people."""
    click.echo(legible(line))


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    numbers: Sequence[str] = (),
    folding: Sequence[str] = (),
) -> None:
    """A table: as wide as the terminal, or as its text where nobody looks at it.

    `numbers` are set flush right; `folding` are the columns that may break into several lines, the
    others are never cut: half a number is a wrong one. A terminal that is too narrow for that wraps
    the table's lines itself.
    """
    from rich import box
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    rows = [list(map(legible, row)) for row in rows]
    least_columns = EDGES
    for column, cells in zip(columns, zip(columns, *rows, strict=True), strict=True):
        folds, widest = column in folding, max(map(cell_len, cells))
        least_columns += BETWEEN + (min(widest, NARROWEST) if folds else widest)
        drawn.add_column(
            column,
            justify="right" if column in numbers else "left",
            overflow="fold",
            no_wrap=not folds,
            min_width=None if folds else widest,
        )
    for row in rows:
        drawn.add_row(*(Text(cell) for cell in row))
    console = Console() if sys.stdout.isatty() else Console(width=UNLIMITED_COLUMNS)
    console.width = max(console.width, least_columns)
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


@contextmanager
def counter(word: str) -> Iterator[Callable[[int], None]]:
    """How many there are so far, on stderr; silent where stderr is no terminal."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda count: None
        return
    with console.status(f"0 {word}") as status:
        yield lambda count: status.update(f"{count} {word}")


@contextmanager
def whole_file(target: Path | None) -> Iterator[IO[bytes]]:
    """A file that has its name only once it is whole; stdout where there is none.

    What is no file, such as /dev/stdout or a pipe, is written to and stays what it is. Raises
    QueryError where it cannot be written, or is a database.
    """
    if target is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    part = None
    try:
        if target.exists() and not target.is_file():
            with target.open("wb") as stream:
                yield stream
            return
        target = target.resolve()  # a link stays one
        refuse_database(target)
        part = target.with_name(f".{target.name}.part")
        with part.open("wb") as stream:
            yield stream
        part.replace(target)
    except OSError as error:
        raise QueryError(
            f"{target} cannot be written: {error.strerror}", "name another place, or free some room"
        ) from error
    finally:
        if part is not None:
            with suppress(OSError):
                part.unlink(missing_ok=True)


def refuse_database(target: Path) -> None:
    """Raise QueryError rather than write over one."""
    with suppress(OSError):  # whoever may not look will not be able to write either
        if target.is_file():  # to read of a terminal or a pipe would wait
            with target.open("rb") as there:
                if there.read(len(SQLITE)) == SQLITE:
                    raise QueryError(f"{target} is a database", "name another place")


def megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.1f} MB"


def objects(form: str, rows: Iterable[dict[str, Any]], *, flush: bool = False) -> None:
    """As `json` or `jsonl`; with `flush` each line is out before the next row is asked for."""
    encoded(form, map(_encode, rows), flush=flush)


def json_lines(objects: Iterable[dict[str, Any]], *, flush: bool = False) -> None:
    """One object per line; with `flush` each is out before the next is asked for."""
    encoded("jsonl", map(_encode, objects), flush=flush)


def json_array(objects: Iterable[dict[str, Any]]) -> None:
    """One array, written as its members come."""
    encoded("json", map(_encode, objects))


def encoded(form: str, rows: Iterable[str], *, flush: bool = False) -> None:
    """As `objects`, of what is JSON already, such as that of `annotator.cli.as_json`."""
    if form == "json":
        _write(_array(rows))
    else:
        _write((f"{row}\n" for row in rows), flush=flush)


def _array(rows: Iterable[str]) -> Iterator[str]:
    separator = "["
    for row in rows:
        yield separator + row
        separator = ",\n "
    yield "[]\n" if separator == "[" else "]\n"


_encode = json.JSONEncoder(ensure_ascii=False).encode
FLUSH_S = 0.1


def _write(pieces: Iterable[str], *, flush: bool = False) -> None:
    """Faster than `click.echo`, which flushes each: there may be millions. Where they come slowly,
    `flush` gets each out at once."""
    stdout, flushed_s = sys.stdout, monotonic()
    for piece in pieces:
        stdout.write(piece)
        if flush or monotonic() - flushed_s > FLUSH_S:
            stdout.flush()
            flushed_s = monotonic()
    stdout.flush()


def csv_rows(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, flush: bool = False
) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow(row)
        if flush:
            sys.stdout.flush()


ROWS_OF_A_TABLE = 100


def first_of(ask: Callable[[int], Iterable[T]], limit: int | None) -> list[T]:
    """What is asked for, or, where nobody said how many, as much as a person may read."""
    if limit is not None:
        return list(ask(limit))
    found = list(ask(ROWS_OF_A_TABLE + 1))
    if len(found) > ROWS_OF_A_TABLE:
        note(f"these are the first {ROWS_OF_A_TABLE}; --limit asks for more")
        found.pop()
    return found


def seed_pictures(found: Iterable[Sighting]) -> Iterator[dict[str, Any]]:
    """What `detect --format json` says, from rows of which those of one picture come together."""
    for path, rows in groupby(found, key=lambda one: one.path):
        detections: dict[tuple[object, ...], list[Sighting]] = {}
        for one in rows:
            detections.setdefault((one.label, one.score, one.box), []).append(one)
        yield {"image": path, "labels": [_seed_label(faces) for faces in detections.values()]}


def _seed_label(faces: Sequence[Sighting]) -> dict[str, Any]:
    best = max(faces, key=lambda one: (one.name is not None, one.probability or 0))
    return {
        "name": best.label,
        "id": best.class_id,
        "score": best.score,
        "box": box_object(best.box),
        "face": best.name,
        "faceProba": best.probability,
    }


def paths(found: Iterable[str], *, null: bool) -> None:
    """One path per line, each once where it comes several times in a row.

    With `null` each ends with NUL, for `xargs -0`: a path may hold anything else.
    """
    stdout = sys.stdout.buffer
    end, before = (b"\0" if null else b"\n"), None
    for path in found:
        if path != before:
            stdout.write(os.fsencode(path) + end)
        before = path
    stdout.flush()


def local_time(moment: datetime) -> str:
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def utc_time(moment: datetime) -> str:
    """As all machine-readable formats have it."""
    return moment.isoformat("T", "milliseconds")


def duration(length: timedelta) -> str:
    """As people read it: 0:07, 12:30, 1:02:03."""
    minutes, seconds = divmod(round(length.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


def many(count: int, thing: str) -> str:
    """1 event, 2 events."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def ago(moment: datetime, now: datetime) -> str:
    """How long ago, in the largest unit of which there are two or more."""
    seconds = (now - moment).total_seconds()
    for unit, length_s in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= 2 * length_s:
            return f"{seconds / length_s:.0f} {unit}s ago"
    return "just now" if seconds < 60 else "a minute ago"


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
