from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import click

from annotator.cli import output
from annotator.cli.as_json import person_json
from annotator.cli.filters import filter_options
from annotator.cli.options import common_options, load_places
from annotator.domain import CaptureQuery, PersonSummary

CSV_COLUMNS = (
    *("name", "events", "faces", "first_at", "first_monitor", "first_path"),
    *("last_at", "last_monitor", "last_path"),
)


@click.command()
@common_options
@filter_options(order=False)
@click.argument("name", nargs=-1, metavar="[NAME]...")
@click.option(
    "--format", "form", type=click.Choice(["table", "json", "jsonl", "csv"]), default="table"
)
def people(question: CaptureQuery, name: tuple[str, ...], form: str) -> None:
    """Who was seen, when first and last, where, and in how many events.

    With NAME that person (or `unknown`), and how often each monitor saw them. Counted are faces as
    they are named now; `annotator events` has the vote of each event.

    \b
    Example:
      annotator people --since 30d
      annotator people anna
    """
    from annotator.app import asking

    if name:
        question = replace(question, names=(*question.names, *name))
    found = asking.people(load_places(), question)
    if form == "csv":
        output.csv_rows(CSV_COLUMNS, map(_csv_row, found))
    elif form != "table":
        output.encoded(form, map(person_json, found))
    elif not found:
        output.note("nobody was seen that fits; `trainer cluster` and `enrol` make people known")
    elif name:
        for one in found:
            _describe(one)
    else:
        output.table(
            ["name", "last seen", "where", "since", "events", "faces", "monitors"],
            list(map(_row, found)),
            numbers=("events", "faces"),
            folding=("name", "monitors"),
        )


def _row(one: PersonSummary) -> tuple[str, ...]:
    return (
        one.name,
        output.local_time(one.last.captured_at),
        one.last.monitor,
        output.local_time(one.first.captured_at).partition(" ")[0],
        str(one.events),
        str(one.faces),
        ", ".join(f"{seen.monitor} {seen.events}" for seen in one.monitors),
    )


def _describe(one: PersonSummary) -> None:
    click.secho(one.name, bold=True)
    last_ago = output.ago(one.last.captured_at, datetime.now(UTC))
    for word, seen, note in (("last", one.last, f" ({last_ago})"), ("first", one.first, "")):
        output.say(f"{word:>7}  {output.local_time(seen.captured_at)}{note}, {seen.monitor}")
        output.say(f"{'':>7}  {seen.path}")
    often = f"in {output.many(one.events, 'event')}, {output.many(one.faces, 'face')}"
    output.say(f"{'seen':>7}  {often}")
    output.table(
        ["monitor", "events", "faces", "last seen"],
        [
            (seen.monitor, str(seen.events), str(seen.faces), output.local_time(seen.last_at))
            for seen in one.monitors
        ],
        numbers=("events", "faces"),
    )


def _csv_row(one: PersonSummary) -> tuple[object, ...]:
    return (
        *(one.name, one.events, one.faces),
        *(output.utc_time(one.first.captured_at), one.first.monitor, one.first.path),
        *(output.utc_time(one.last.captured_at), one.last.monitor, one.last.path),
    )
