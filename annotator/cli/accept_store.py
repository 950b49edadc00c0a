from __future__ import annotations

import click

from annotator.cli import output
from annotator.cli.options import common_options, load_config


@click.command("accept-store")
@common_options
def accept_store() -> None:
    """Take the store as it is mounted now for the right one.

    The daemon remembers where its captures came from and refuses any other store at the same
    place. Needed once after the recorder has moved to another machine or disk.

    \b
    Example:
      annotator accept-store
    """
    from annotator.app import running

    click.echo(running.accept_store(load_config()))
    output.note("this is the right store from now on")
