from __future__ import annotations

from dataclasses import replace

import click

from annotator.cli import output
from annotator.cli.events import print_events
from annotator.cli.filters import filter_options
from annotator.cli.options import common_options, load_config, load_places
from annotator.domain import CaptureQuery
from annotator.errors import EXIT_PARTIAL


@click.command("empty-events")
@common_options
@filter_options(what=False)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "jsonl", "csv", "paths", "ids"]),
    default="table",
)
@click.option("-0", "--null", is_flag=True, help="Paths that end with NUL, for `xargs -0`.")
def empty_events(question: CaptureQuery, form: str, null: bool) -> int | None:
    """Events in which nothing was found, to be deleted in the recorder.

    Only those of which every capture was looked at: what waits, failed, or still goes on is not
    among them. `ids` are the recorder's own numbers, for its delete filter; where the folders are
    not named by them, the store is asked.

    \b
    Example:
      annotator empty-events --until 7d --format paths
      annotator empty-events --monitor Garden --until 30d --format ids
    """
    from annotator.app import asking

    places = load_places()
    if null:
        form = "paths"
    if form == "table":
        found = output.first_of(
            lambda limit: asking.empty_events(places, replace(question, limit=limit)),
            question.limit,
        )
        if not found:
            output.note("no event that fits was looked at without seeing anything")
            return None
        output.table(
            ["began", "length", "monitor", "event", "captures"],
            [
                (
                    output.local_time(one.began_at),
                    output.duration(one.duration),
                    one.event.monitor,
                    one.event.path,
                    str(one.captures),
                )
                for one in found
            ],
            numbers=("length", "captures"),
            folding=("event",),
        )
        return None
    if form == "ids":
        without = 0
        events = (one.event for one in asking.empty_events(places, question))
        for number in asking.event_numbers(load_config(), events):
            if number is None:
                without += 1
            else:
                click.echo(number)
        if without:
            output.warn(
                f"{without} events have no number that the store tells; --format paths names them"
            )
            return EXIT_PARTIAL
        return None
    print_events(asking.empty_events(places, question), form, places, null=null)
    return None
