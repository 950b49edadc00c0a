from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from annotator.cli import output
from annotator.cli.options import common_options, load_config
from annotator.errors import EXIT_OK, EXIT_PARTIAL

if TYPE_CHECKING:
    from annotator.view.inline import Protocol, Screen


@click.command()
@common_options
@click.argument("targets", metavar="CAPTURE|EVENT...", nargs=-1, required=True)
@click.option(
    "-o", "--output", "folder", type=click.Path(path_type=Path), default=Path(), help="Write here."
)
@click.option("--all", "everything", is_flag=True, help="Every capture of an event.")
@click.option("--sheet", is_flag=True, help="An event's captures on one page.")
@click.option(
    "--inline/--no-inline",
    default=None,
    help="Show them on the terminal too; by default where it says that it can.",
)
def show(
    targets: tuple[str, ...], folder: Path, everything: bool, sheet: bool, inline: bool | None
) -> int:
    """Draw what was seen on captures, and on the best one of an event.

    The database tells boxes, names and scores; the paths of the pictures written are printed. Name
    captures and events as `annotator query` does. What is no longer in the store is named on
    stderr.

    \b
    Example:
      annotator show FrontDoor/24/05/01/18/30/00 -o pictures
    """
    from annotator.app import showing
    from annotator.app.showing import Which
    from annotator.view.inline import inline as drawn_inline
    from annotator.view.words import many

    if everything and sheet:
        raise click.UsageError("--all writes a picture each, --sheet one page: leave out one")
    terminal = _terminal(inline)
    which = Which.ALL if everything else Which.SHEET if sheet else Which.BEST
    problems = 0
    for one in showing.show(load_config(), targets, folder, which):
        if one.written is None:
            problems += 1
            output.warn(f"{one.path}: {one.problem}")
            continue
        if terminal:
            click.echo(drawn_inline(one.jpeg, *terminal), nl=False)
        click.echo(str(one.written))
    if problems:
        output.warn(f"{many(problems, 'capture')} could not be shown")
    return EXIT_PARTIAL if problems else EXIT_OK


def _terminal(wanted: bool | None) -> tuple[Protocol, Screen] | None:
    """How to show pictures on stdout; None where they are not, click.UsageError where they cannot
    be. Never where stdout is no terminal."""
    from annotator.view.inline import Screen, protocol_of

    if wanted is False:
        return None
    protocol = protocol_of(os.environ) if sys.stdout.isatty() else None
    if protocol is None:
        if wanted:
            raise click.UsageError(
                "stdout is no terminal that says it can show pictures (kitty, Ghostty, Konsole, "
                "WezTerm, iTerm2 and mintty can, outside tmux and screen): leave out --inline"
            )
        return None
    return protocol, Screen(shutil.get_terminal_size().columns, _width_px())


def _width_px() -> int:
    """The terminal's width in pixels; 0 where it does not tell."""
    import fcntl
    import struct
    import termios

    try:
        told = fcntl.ioctl(sys.stdout.fileno(), termios.TIOCGWINSZ, bytes(8))
    except OSError:
        return 0
    _, _, width_px, _ = struct.unpack("HHHH", told)
    return int(width_px)
