from __future__ import annotations

import click

from annotator.cli import output
from annotator.cli.options import common_options, load_config
from annotator.domain import Reason


@click.group()
def failures() -> None:
    """List captures that could not be looked at, or try them again."""


@failures.command("list")
@common_options
@click.option("--limit", type=click.IntRange(min=1), default=1000, show_default=True)
@click.option("--format", "form", type=click.Choice(["table", "jsonl"]), default="table")
def list_failures(limit: int, form: str) -> None:
    """What could not be looked at, newest first.

    \b
    Example:
      annotator failures list --limit 20
    """
    from annotator.app import asking

    found = asking.failures(load_config(), limit)
    if form == "table":
        rows = ((one.path, str(one.reason), str(one.attempts), one.message) for one in found)
        columns = ("path", "reason", "attempts", "message")
        output.table(columns, rows, numbers=("attempts",), folding=("path", "message"))
        return
    output.json_lines(
        {
            "path": one.path,
            "reason": str(one.reason),
            "attempts": one.attempts,
            "message": one.message,
            "monitor": one.capture.monitor if one.capture else None,
        }
        for one in found
    )


@failures.command()
@common_options
@click.argument("paths", nargs=-1)
@click.option(
    "--reason",
    "reasons",
    multiple=True,
    type=click.Choice([str(reason) for reason in Reason]),
    help="Only what failed for this; may be repeated.",
)
def retry(paths: tuple[str, ...], reasons: tuple[str, ...]) -> None:
    """Make failed captures wait again.

    All of them, or those at or below PATHS (relative to the store). The daemon takes them up by
    itself; without one run `annotator backfill`.

    \b
    Example:
      annotator failures retry --reason truncated FrontDoor
    """
    from annotator.app import running

    count = running.retry_failures(load_config(), reasons, paths)
    output.note(f"{count} captures wait again")
