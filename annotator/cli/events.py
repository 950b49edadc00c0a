from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from annotator.cli import output
from annotator.cli.as_json import event_json
from annotator.cli.filters import filter_options
from annotator.cli.options import common_options, load_places
from annotator.domain import CaptureQuery

if TYPE_CHECKING:
    from annotator.domain import EventSummary
    from annotator.places import Places

CSV_COLUMNS = (
    *("began_at", "duration_s", "monitor", "event", "captures", "unseen"),
    *("labels", "people", "best", "gone"),
)
MOST_LABELS = 4


@click.command()
@common_options
@filter_options()
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "jsonl", "csv", "paths"]),
    default="table",
)
@click.option("-0", "--null", is_flag=True, help="Paths that end with NUL, for `xargs -0`.")
def events(question: CaptureQuery, form: str, null: bool) -> None:
    """One row per event in which something fits: when, how long, what, who.

    Labels come with their best score and the number of captures' detections, people by the vote of
    the event's faces; `frame` is the best one, for `annotator show`.

    \b
    Example:
      annotator events --label person --on yesterday
      annotator events --name anna --since 7d --format json
    """
    from annotator.app import asking

    places = load_places()
    if form == "table" and not null:
        found = output.first_of(
            lambda limit: asking.events(places, replace(question, limit=limit)), question.limit
        )
        if not found:
            output.note("no event has anything that fits; `annotator status` tells what is there")
            return
        rows = [
            (
                *_when(one),
                one.event.path,
                _labels(one),
                _people(one),
                str(one.best.frame) if one.best else "",
            )
            for one in found
        ]
        columns = ["began", "length", "monitor", "event", "labels", "people", "frame"]
        output.table(columns, rows, numbers=("length", "frame"), folding=("event", "labels"))
        return
    print_events(asking.events(places, question), "paths" if null else form, places, null=null)


def print_events(found: Iterable[EventSummary], form: str, places: Places, *, null: bool) -> None:
    """In any form but a table."""
    if form == "csv":
        output.csv_rows(CSV_COLUMNS, map(_csv_row, found))
    elif form == "paths":
        root = places.store_root
        output.paths(
            (str(root / one.event.directory) if root else one.event.directory for one in found),
            null=null,
        )
    else:
        output.encoded(form, map(event_json, found))


def _when(one: EventSummary) -> tuple[str, str, str]:
    return output.local_time(one.began_at), output.duration(one.duration), one.event.monitor


def _labels(one: EventSummary) -> str:
    said = [f"{seen.label} {seen.best_score:.2f} ×{seen.detections}" for seen in one.labels]
    more = [f"and {len(said) - MOST_LABELS} more"] if len(said) > MOST_LABELS else []
    return ", ".join(said[:MOST_LABELS] + more)


def _people(one: EventSummary) -> str:
    return ", ".join(seen.name for seen in one.people)


def _csv_row(one: EventSummary) -> tuple[object, ...]:
    return (
        output.utc_time(one.began_at),
        one.duration.total_seconds(),
        *(one.event.monitor, one.event.path, one.captures, one.unseen),
        ";".join(f"{seen.label}:{seen.detections}:{seen.best_score:.4f}" for seen in one.labels),
        ";".join(f"{seen.name}:{seen.share:.4f}" for seen in one.people),
        one.best.path if one.best else None,
        int(one.gone),
    )
