from __future__ import annotations

import click

from annotator.cli import output
from annotator.cli.options import common_options, load_config
from annotator.errors import EXIT_INTERRUPTED, EXIT_OK


@click.command()
@common_options
def vacuum() -> int:
    """Give back the room that pruned rows took, by writing the database file anew.

    Needs up to twice its size of free space beside it, and nobody else at it: stop the daemon
    before. Seldom needed, since new captures take the room that old ones left.

    \b
    Example:
      annotator vacuum
    """
    from annotator.app import keeping

    done = keeping.vacuum(load_config())
    if done is None:
        output.note("stopped; the database is as it was")
        return EXIT_INTERRUPTED
    before, after = output.megabytes(done.before_bytes), output.megabytes(done.after_bytes)
    click.echo(f"{before} before, {after} now")
    if done.page_bytes_before != done.page_bytes_after:
        output.note(f"pages of {done.page_bytes_after} bytes instead of {done.page_bytes_before}")
    return EXIT_OK
