"""`annotator`: parse, call one function of `annotator.app`, print."""

from __future__ import annotations

import errno
import logging
import os
import sys
from collections.abc import Sequence
from importlib import import_module

import click

from annotator import __version__, journal
from annotator.cli.options import common_options
from annotator.errors import EXIT_INTERRUPTED, EXIT_OK, AnnotatorError, QueryError
from annotator.legible import legible

COMMANDS = {
    "Label": ("watch", "backfill", "detect", "explain"),
    "Ask": ("query", "events", "people", "last", "stats", "empty-events", "sql"),
    "Look": ("show", "gallery", "plot", "report", "browse"),
    "Name faces": ("tag", "relabel"),
    "Look after": (
        "status",
        "failures",
        "doctor",
        "notify",
        "config",
        "service",
        "accept-store",
    ),
    "Keep house": ("prune", "backup", "vacuum", "export", "import"),
    "Choose models": ("models", "evaluate", "compare"),
}
"""By what they are for. Each is in a module of its name, with `_` for `-`."""


class Commands(click.Group):
    """Loads the command that is meant, and no other: a start has little else to do."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for names in COMMANDS.values() for name in names]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        # `import` is a word of Python's.
        module = "import_" if cmd_name == "import" else cmd_name.replace("-", "_")
        command: click.Command = getattr(import_module(f"annotator.cli.{module}"), module)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for section, names in COMMANDS.items():
            rows = []
            for name in names:
                command = self.get_command(ctx, name)
                assert command is not None
                rows.append((name, command.get_short_help_str(72)))
            with formatter.section(section):
                formatter.write_dl(rows, col_max=14)


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done, 1 a bug, 2 wrong use, 3 done but some captures could not be "
    "looked at, 4 configuration, 5 store, 6 models, 7 database, 8 another annotator runs, "
    "9 inference runtime, 10 service, 11 a notice not delivered, 130 Ctrl-C.",
)
@click.version_option(__version__, prog_name="annotator")
@common_options
def cli() -> None:
    """Turn the picture archive of a ZoneMinder-like recorder into answers.

    \b
    annotator watch                    label captures as they arrive (the daemon)
    annotator backfill --since 7d      label what is already there
    annotator query --label person     ask what was seen
    """


def run(command: click.Command, arguments: Sequence[str] | None = None) -> int:
    """The exit code of a command line, by default this process's.

    Every foreseen error becomes a message, a next step and its code.
    """
    _open_closed_streams()
    logging.captureWarnings(True)
    try:
        code = command.main(arguments, standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("stopped", err=True)
        return EXIT_INTERRUPTED
    except SystemExit:
        # So click and rich end where nobody reads on, as in `annotator query | head`. Python's last
        # flush has had enough too.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OK
    except AnnotatorError as error:
        _complain(error)
        return error.exit_code
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        full = QueryError("no room left on the disk", "free some, or let it write elsewhere")
        _complain(full)
        return full.exit_code
    return code if isinstance(code, int) else EXIT_OK


def _open_closed_streams() -> None:
    """Where there are none, as after `annotator query >&-`: else the next file to be opened would
    take their place."""
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest descriptor that is free
            setattr(sys, name, os.fdopen(descriptor, "w" if descriptor else "r", closefd=False))


def _complain(error: AnnotatorError) -> None:
    next_step = f"  next: {error.next_step}" if error.next_step else ""
    if journal.is_stderr():
        click.echo(journal.marked(f"{error}\n{next_step}".rstrip(), logging.ERROR), err=True)
        return
    click.secho(legible(f"annotator: {error}"), fg="red", err=True)
    if next_step:
        click.echo(legible(next_step), err=True)


def main() -> None:
    sys.exit(run(cli))
