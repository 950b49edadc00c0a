from __future__ import annotations

from datetime import UTC, datetime

import click

from annotator.cli import output
from annotator.cli.as_json import sighting_json
from annotator.cli.filters import filter_options
from annotator.cli.options import common_options, load_places
from annotator.domain import CaptureQuery


@click.command()
@common_options
@filter_options(order=False)
@click.argument("word", metavar="NAME|LABEL")
@click.option("--format", "form", type=click.Choice(["text", "json", "paths"]), default="text")
def last(question: CaptureQuery, word: str, form: str) -> None:
    """When and where a person or a thing was seen last.

    NAME may also be `unknown` or a stranger such as stranger-017.

    \b
    Example:
      annotator last anna
      annotator last car --monitor Drive
    """
    from annotator.app import asking

    found = asking.last(load_places(), word, question)
    if found is None:
        output.note(f"no sighting of {word} fits")
        return
    if form == "json":
        click.echo(sighting_json(found))
    elif form == "paths":
        output.paths([found.path], null=False)
    else:
        sure = found.probability if found.name else found.score
        said = f" {sure:.2f}" if sure is not None else ""
        when = output.local_time(found.captured_at)
        output.say(f"{when} ({output.ago(found.captured_at, datetime.now(UTC))}), {found.monitor}")
        output.say(f"{found.name or found.label}{said}, event {found.event}, frame {found.frame}")
        output.say(found.path)
