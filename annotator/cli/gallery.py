from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from annotator.cli import output
from annotator.cli.filters import filter_options
from annotator.cli.options import common_options, load_config
from annotator.errors import EXIT_OK, EXIT_PARTIAL

if TYPE_CHECKING:
    from annotator.domain import CaptureQuery

EVENTS = 500
FRAMES_PER_EVENT = 8
PROBLEMS_SHOWN = 10


@click.command()
@common_options
@filter_options(limit=EVENTS)
@click.option(
    "-o",
    "--output",
    "folder",
    type=click.Path(path_type=Path),
    required=True,
    help="A folder for the page and its pictures; with --single-file, the page.",
)
@click.option(
    "--frames-per-event",
    type=click.IntRange(min=1, max=1000),
    default=FRAMES_PER_EVENT,
    show_default=True,
    help="At most so many pictures of an event.",
)
@click.option("--single-file", is_flag=True, help="One file with everything in it.")
def gallery(question: CaptureQuery, folder: Path, frames_per_event: int, single_file: bool) -> int:
    """Write a page of pictures: an event each, with boxes and names.

    Open it in any browser, on a phone too; it needs no server and no network. At most 500 events,
    or --limit. Writing into the same folder again makes only what is new, and removes pictures that
    are no longer needed.

    \b
    Example:
      annotator gallery --label person --since 7d -o pictures
    """
    from annotator.app import galleries
    from annotator.view.words import many

    with output.bars() as tell:
        made = galleries.gallery(
            load_config(),
            question,
            folder,
            frames_per_event=frames_per_event,
            single_file=single_file,
            tell=lambda done, total: tell("pictures", done, total),
        )
    click.echo(str(made.page))
    if made.events:
        before = f", {made.reused} were there already" if made.reused else ""
        events, drawn = many(made.events, "event"), many(made.drawn, "picture")
        output.note(f"{events}; {drawn} drawn{before}")
    else:
        output.note("nothing was seen that fits; `annotator status` tells what is there")
    if made.more:
        output.note("more events fit: --limit says how many are on the page")
    for path, problem in made.problems[:PROBLEMS_SHOWN]:
        output.warn(f"{path}: {problem}")
    if made.problems:
        output.warn(f"{many(len(made.problems), 'capture')} could not be shown")
    return EXIT_PARTIAL if made.problems else EXIT_OK
