"""`annotator`: parse, call one function of `annotator.app`, print."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence

import click

from annotator import __version__, journal
from annotator.cli.accept_store import accept_store
from annotator.cli.backfill import backfill
from annotator.cli.compare import compare
from annotator.cli.config import config
from annotator.cli.detect import detect
from annotator.cli.doctor import doctor
from annotator.cli.evaluate import evaluate
from annotator.cli.explain import explain
from annotator.cli.failures import failures
from annotator.cli.models import models
from annotator.cli.options import common_options
from annotator.cli.query import query
from annotator.cli.relabel import relabel
from annotator.cli.service import service
from annotator.cli.show import show
from annotator.cli.status import status
from annotator.cli.tag import tag
from annotator.cli.watch import watch
from annotator.errors import EXIT_INTERRUPTED, EXIT_OK, AnnotatorError


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done, 1 a bug, 2 wrong use, 3 done but some captures could not be "
    "looked at, 4 configuration, 5 store, 6 models, 7 database, 8 another annotator runs, "
    "9 inference runtime, 10 service, 130 Ctrl-C.",
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


for command in (
    watch,
    backfill,
    query,
    show,
    status,
    failures,
    tag,
    relabel,
    detect,
    explain,
    evaluate,
    compare,
    models,
    config,
    doctor,
    service,
    accept_store,
):
    cli.add_command(command)


def run(command: click.Command, arguments: Sequence[str] | None = None) -> int:
    """The exit code of a command line, by default this process's.

    Every foreseen error becomes a message, a next step and its code.
    """
    logging.captureWarnings(True)
    try:
        code = command.main(arguments, standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("stopped", err=True)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # `annotator query | head`: the reader has had enough, and so has Python's last flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OK
    except AnnotatorError as error:
        _complain(error)
        return error.exit_code
    return code if isinstance(code, int) else EXIT_OK


def _complain(error: AnnotatorError) -> None:
    next_step = f"  next: {error.next_step}" if error.next_step else ""
    if journal.is_stderr():
        click.echo(journal.marked(f"{error}\n{next_step}".rstrip(), logging.ERROR), err=True)
        return
    click.secho(f"annotator: {error}", fg="red", err=True)
    if next_step:
        click.echo(next_step, err=True)


def main() -> None:
    sys.exit(run(cli))
