from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from annotator.cli import output
from annotator.cli.options import common_options, config_file, load_config
from annotator.errors import EXIT_OK

if TYPE_CHECKING:
    from annotator.app.checks import Check

COLOURS = {"ok": "green", "warning": "yellow", "problem": "red", "skipped": "bright_black"}


@click.command()
@common_options
@click.option(
    "--format",
    "shape",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="For people, or for programs.",
)
def doctor(shape: str) -> int:
    """Check everything this installation needs, and say what to do about what is wrong.

    Times one inference per model on every Edge TPU and on the CPU. Changes nothing. The exit code
    is that of the first problem (docs/cli.md), 0 where there is none.

    \b
    Example:
      annotator doctor
    """
    from annotator.app import doctoring

    code = EXIT_OK
    shown = []
    for check in doctoring.examine(config_file(), load_config):
        code = code or check.exit_code
        if shape == "table":
            _show(check)
        else:
            shown.append(_object(check))
    if shape == "json":
        output.json_array(shown)
    return code


def _show(check: Check) -> None:
    state = click.style(f"{check.state:8}", fg=COLOURS[check.state])
    click.echo(f"{state} {check.name}: {check.found}")
    if check.next_step:
        click.echo(f"{'':8}   {click.style('next:', bold=True)} {check.next_step}")


def _object(check: Check) -> dict[str, Any]:
    return {
        "check": check.name,
        "state": str(check.state),
        "found": check.found,
        "next_step": check.next_step or None,
        "exit_code": check.exit_code,
    }
