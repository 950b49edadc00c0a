from __future__ import annotations

import click

from annotator.cli import output
from annotator.cli.filters import filter_options
from annotator.cli.options import common_options, load_places
from annotator.domain import By, CaptureQuery

BAR_CELLS = 30
EIGHTHS = " ▏▎▍▌▋▊▉█"


@click.command()
@common_options
@filter_options(order=False)
@click.option(
    "--by",
    "keys",
    type=click.Choice([str(one) for one in By]),
    multiple=True,
    help="One key, or two.  [required]",
)
@click.option(
    "--format", "form", type=click.Choice(["table", "json", "jsonl", "csv"]), default="table"
)
def stats(question: CaptureQuery, keys: tuple[str, ...], form: str) -> None:
    """How often something was seen, by hour, day, weekday, monitor, label or name.

    `events` are those in which it was seen, `sightings` the detections (faces, by name). Hours and
    days are by the local clock.

    \b
    Example:
      annotator stats --by hour --label person --since 30d
      annotator stats --by monitor --by label
    """
    from annotator.app import asking

    if not 1 <= len(keys) <= 2 or len(set(keys)) < len(keys):
        raise click.UsageError("say by what to count: --by hour, or two different keys")
    found = asking.stats(load_places(), question, [By(key) for key in keys])
    if form == "csv":
        rows = ((*one.keys, one.events, one.sightings) for one in found)
        output.csv_rows([*keys, "events", "sightings"], rows)
    elif form != "table":
        output.objects(
            form,
            (
                {
                    **dict(zip(keys, one.keys, strict=True)),
                    "events": one.events,
                    "sightings": one.sightings,
                }
                for one in found
            ),
        )
    elif not found:
        output.note("nothing was seen that fits; `annotator status` tells what is there")
    else:
        most = max(one.events for one in found)
        output.table(
            [*keys, "events", "", "sightings"],
            [
                (*one.keys, str(one.events), _bar(one.events / most), str(one.sightings))
                for one in found
            ],
            numbers=("events", "sightings"),
        )


def _bar(share: float) -> str:
    """A bar of text as long as the share of the longest one, to an eighth of a cell."""
    eighths = round(share * BAR_CELLS * 8)
    return (EIGHTHS[-1] * (eighths // 8) + EIGHTHS[eighths % 8]).rstrip()
