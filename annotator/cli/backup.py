from __future__ import annotations

from pathlib import Path

import click

from annotator.cli import output
from annotator.cli.options import common_options, load_config
from annotator.errors import EXIT_INTERRUPTED, EXIT_OK


@click.command()
@common_options
@click.argument("target", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Replace FILE where it is there.")
@click.option(
    "--keep",
    type=click.IntRange(min=1),
    help="FILE is a folder: give the copy a dated name, and keep only so many of them.",
)
def backup(target: Path, force: bool, keep: int | None) -> int:
    """Copy the database while others write in it.

    The copy is one state of the whole, is checked before it gets its name, and takes the database's
    place as it is. Keep it on another disk.

    \b
    Example:
      annotator backup copy.sqlite
      annotator backup --keep 7 backups
    """
    from annotator.app import keeping

    with output.bars() as tell:
        done = keeping.backup(load_config(), target, overwrite=force, keep=keep, tell=tell)
    if done is None:
        output.note("stopped; nothing was left behind")
        return EXIT_INTERRUPTED
    click.echo(str(done.path))
    output.note(f"{output.megabytes(done.size_bytes)}, checked")
    for old in done.dropped:
        output.note(f"removed {old}")
    return EXIT_OK
