from __future__ import annotations

from datetime import datetime

import click

from annotator.cli import output
from annotator.cli.options import common_options, load_config
from annotator.cli.when import WHEN


@click.command()
@common_options
@click.option("--dry-run", is_flag=True, help="Only show what would change.")
@click.option("--since", type=WHEN, help="Only faces from this time on.")
@click.option("--until", type=WHEN, help="Only faces before this time.")
@click.option("--undo", is_flag=True, help="Take the last relabelling back.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table")
def relabel(
    dry_run: bool, since: datetime | None, until: datetime | None, undo: bool, form: str
) -> None:
    """Identify every stored face anew.

    With the recogniser that `trainer train` made last, from the embeddings in the database: no
    picture is read. What people said with `annotator tag` stays.

    \b
    Example:
      annotator relabel --dry-run --since 30d
    """
    from annotator.app import naming
    from annotator.domain import FaceQuestion

    if undo and (dry_run or since or until):
        raise click.UsageError("--undo takes back all of the last relabelling; give it alone")
    config = load_config()
    if undo:
        done = naming.undo_relabelling(config)
    else:
        done = naming.relabel(config, FaceQuestion(since=since, until=until), dry_run=dry_run)
    if form == "json":
        changes = [
            {"before": before, "after": after, "faces": count}
            for before, after, count in done.changes
        ]
        told = {"faces": done.faces, "changed": done.changed, "changes": changes, "run": done.run}
        output.json_lines([told])
    else:
        for before, after, count in done.changes:
            click.echo(f"{count} {before} -> {after}")
    if undo:
        output.note(f"taken back for {done.changed} of {done.faces} faces")
    elif not done.changed:
        output.note(f"nothing changes for any of {done.faces} faces")
    elif dry_run:
        output.note("nothing was written; `annotator relabel` applies it")
    else:
        output.note("applied; `annotator relabel --undo` takes it back")
