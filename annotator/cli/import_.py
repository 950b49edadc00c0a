from __future__ import annotations

from typing import IO

import click

from annotator.cli import output
from annotator.cli.options import common_options, load_config
from annotator.errors import EXIT_INTERRUPTED, EXIT_OK


@click.command("import")
@common_options
@click.argument("file", type=click.File("rb"))
@click.option("--replace", is_flag=True, help="Record anew what is annotated here already.")
def import_(file: IO[bytes], replace: bool) -> int:
    """Take in what `annotator export` wrote; `-` for stdin.

    Into the database that is there, or a new one. A capture that is known stays as it is, so it can
    be stopped and started again. The daemon must not run meanwhile.

    \b
    Example:
      annotator import --database merged.sqlite garden.jsonl
      annotator export --monitor Garden | annotator import --database merged.sqlite -
    """
    from annotator.app import transferring

    with output.counter("lines") as tell:
        done = transferring.import_lines(load_config(), file, replace=replace, tell=tell)
    output.note(
        f"{done.lines} lines: {done.annotated} captures that were annotated, {done.others} that "
        f"failed or were left out; {done.known} were known"
    )
    if done.interrupted:
        output.note("stopped; start it again to go on")
        return EXIT_INTERRUPTED
    return EXIT_OK
