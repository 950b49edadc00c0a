from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from annotator.cli import output
from annotator.cli.filters import filter_options
from annotator.cli.options import common_options, load_config
from annotator.cli.when import DAY
from annotator.errors import EXIT_OK, EXIT_PARTIAL

if TYPE_CHECKING:
    from annotator.calendar import Span
    from annotator.domain import CaptureQuery

DAYS_OF_A_WEEK = 7


@click.command()
@common_options
@filter_options(when=False, order=False)
@click.option(
    "--daily/--weekly",
    default=True,
    show_default=True,
    help="A day, or the seven that end with it.",
)
@click.option(
    "--date", "span", type=DAY, default="yesterday", show_default=True, help="Which day is meant."
)
@click.option(
    "-o",
    "--output",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The page to write, or with .eml a mail.",
)
def report(question: CaptureQuery, daily: bool, span: Span, file: Path) -> int:
    """Write what a day was like: who came, where, when, and what was unlike the weeks before.

    A page holds its pictures. A file named .eml is a message with the pictures attached, which
    needs only From and To to be sent. Pictures that cannot be had are left out and named on stderr.

    \b
    Example:
      annotator report --daily --date yesterday -o report.html
    """
    from annotator.app import reporting
    from annotator.app.usual import Period

    last = (span.until - timedelta(microseconds=1)).astimezone().date()
    if span.since.astimezone().date() != last:
        raise click.UsageError("--date is one day; --weekly is for the seven that end with it")
    if span.since > datetime.now(UTC):
        raise click.UsageError(f"{last} is not there yet")
    output.refuse_database(file)  # before the work, not after it
    days = 1 if daily else DAYS_OF_A_WEEK
    period = Period(last - timedelta(days - 1), days)
    as_mail = file.suffix.lower() == ".eml"
    done = reporting.report(load_config(), question, period, as_mail=as_mail)
    with suppress(OSError):  # told below
        file.parent.mkdir(parents=True, exist_ok=True)
    with output.whole_file(file) as stream:
        stream.write(done.content)
    click.echo(str(file))
    for path, problem in done.problems:
        output.warn(f"{path}: {problem}")
    return EXIT_PARTIAL if done.problems else EXIT_OK
