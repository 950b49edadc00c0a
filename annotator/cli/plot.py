from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from annotator.cli.filters import filter_options
from annotator.cli.options import common_options, load_config

if TYPE_CHECKING:
    from annotator.domain import CaptureQuery

KINDS = ("heatmap", "timeline", "monitors")
ENDINGS = (".png", ".svg")


@click.command()
@common_options
@filter_options(order=False)
@click.option(
    "--kind",
    type=click.Choice(KINDS),
    default=KINDS[0],
    show_default=True,
    help="Events by day and hour; when each person was seen; events per monitor and label.",
)
@click.option(
    "-o",
    "--output",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The picture to write: .png or .svg.",
)
def plot(question: CaptureQuery, kind: str, file: Path) -> None:
    """Draw when, who or where.

    Needs Matplotlib, which comes with the `trainer` extra. The path of the picture is printed.

    \b
    Example:
      annotator plot --label person --since 30d --kind heatmap -o plot.png
    """
    from annotator.app import plotting

    if file.suffix.lower() not in ENDINGS:
        raise click.UsageError(f"{file}: a plot is a .png or an .svg")
    click.echo(str(plotting.plot(load_config(), question, plotting.Kind(kind), file)))
