from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from annotator.cli import output
from annotator.cli.options import common_options, load_config
from annotator.cli.when import WHEN
from annotator.errors import EXIT_OK, EXIT_PARTIAL

if TYPE_CHECKING:
    from trainer.cluster import Clustering, Stranger

MANY = 1000
"""Sheets take a capture for each picture on them; of more strangers those seen most have one."""


@click.command()
@common_options
@click.option(
    "--since", type=WHEN,
    help="Of older faces only those that are a stranger's already: 2024-05-01, 30d.",
)  # fmt: skip
@click.option(
    "--min-faces", type=click.IntRange(min=1), default=3, show_default=True,
    help="Who was seen less often gets no number.",
)  # fmt: skip
@click.option(
    "--max-distance", type=click.FloatRange(0.2, 0.9), default=0.56, show_default=True,
    help="Lower keeps more people apart, higher joins more faces of one person.",
)  # fmt: skip
@click.option(
    "-o", "--output", "folder", type=click.Path(path_type=Path),
    help="A folder for a contact sheet per stranger.",
)  # fmt: skip
def cluster(
    since: datetime | None, min_faces: int, max_distance: float, folder: Path | None
) -> int:
    """Group all unknown faces into strangers, each with a number that stays.

    A stranger keeps the number in later runs, also with more faces. The exit code is 3 where
    captures for the contact sheets could not be read.

    \b
    Example:
      trainer cluster -o strangers
    """
    from annotator.app.opening import face_book, questions
    from trainer.cluster import cluster as group

    config = load_config()
    with output.bars() as tell, questions(config) as queries, face_book(config) as (book, _):
        found = group(
            queries,
            book,
            since=since,
            min_faces=min_faces,
            max_distance=max_distance,
            tell=lambda done, total: tell("comparing", done, total),
        )
    _print(found)
    if folder is None or not found.strangers:
        return EXIT_OK
    from annotator.nvr.tree import open_tree
    from trainer.sheet import write_sheets

    tree = open_tree(config.store)
    tree.check()
    with output.bars() as tell, questions(config) as queries:
        sheets = write_sheets(
            found.strangers[:MANY], queries, tree, folder,
            max_megapixels=config.inference.max_megapixels,
            tell=lambda done, total: tell("drawing", done, total),
        )  # fmt: skip
    output.note(f"{len(sheets.files)} contact sheets written to {folder}")
    if sheets.gone:
        output.warn(f"{len(sheets.gone)} captures could not be read, such as {sheets.gone[0]}")
        return EXIT_PARTIAL
    return EXIT_OK


def _print(found: Clustering) -> None:
    if not found.faces:
        output.note("no face is unknown; `annotator query --name unknown` tells the same")
        return
    columns = ("stranger", "faces", "events", "first seen", "last seen", "where", "")
    output.table(columns, map(_row, found.strangers), numbers=("faces", "events"))
    output.note(
        f"{found.faces} unknown faces: {len(found.strangers)} strangers, and {found.alone} faces "
        "of people who were seen too little"
    )
    if found.strangers:
        output.note("who of them is known to you: `trainer enrol NAME stranger-NNN`")


def _row(one: Stranger) -> tuple[str, ...]:
    from annotator.names import stranger_name

    first, last = (at.astimezone().strftime("%Y-%m-%d %H:%M") for at in (one.first_at, one.last_at))
    more = f" and {len(one.monitors) - 3} more" if len(one.monitors) > 3 else ""
    where = ", ".join(one.monitors[:3]) + more
    new = "new" if one.is_new else ""
    return stranger_name(one.number), str(one.faces), str(one.events), first, last, where, new
