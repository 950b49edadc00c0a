from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from annotator.cli import output
from annotator.cli.options import common_options, load_places
from annotator.cli.when import WHEN


@click.command()
@common_options
@click.option("--monitor", "monitors", multiple=True, help="Only this monitor; may be repeated.")
@click.option("--since", type=WHEN, help="Only events from this time on.")
@click.option("--until", type=WHEN, help="Only events before this time.")
@click.option(
    "-o", "--output", "target", type=click.Path(path_type=Path), help="Write here, not to stdout."
)
def export(
    monitors: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    target: Path | None,
) -> None:
    """Write all that is known of captures as lines of JSON, for `annotator import`.

    With what people said of faces, and with embeddings, by which these can be recognised: keep it
    as you keep the database.

    \b
    Example:
      annotator export --since 30d -o annotations.jsonl
      annotator export --monitor Garden | gzip > garden.jsonl.gz
    """
    from annotator.app import transferring
    from annotator.domain import Window

    window = Window(monitors=monitors, since=since, until=until)
    lines = 0
    with output.whole_file(target) as stream, output.bars() as tell:
        for line in transferring.export(load_places(), window, tell):
            stream.write(line)
            lines += 1
    output.note(f"{lines} lines")
