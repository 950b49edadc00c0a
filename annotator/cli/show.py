from __future__ import annotations

from pathlib import Path

import click

from annotator.cli.options import common_options, load_config


@click.command()
@common_options
@click.argument("captures", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", "folder", type=click.Path(path_type=Path), default=Path(), help="Write here."
)
def show(captures: tuple[Path, ...], folder: Path) -> None:
    """Draw what was seen on captures.

    The database tells boxes and names; the paths of the pictures written are printed.

    \b
    Example:
      annotator show FrontDoor/24/05/01/18/30/00/00012-capture.jpg -o pictures
    """
    from annotator.app import asking

    for _, written in asking.show(load_config(), captures, folder):
        click.echo(str(written))
