from __future__ import annotations

import click

from annotator.cli.options import common_options, load_config, start_logging


@click.command()
@common_options
def watch() -> None:
    """Label captures as they arrive (the daemon).

    Runs until SIGTERM or Ctrl-C. What arrived while it did not run is caught up.

    \b
    Example:
      annotator watch --config /etc/annotator/annotator.toml
    """
    from annotator.app import running

    start_logging()
    running.watch(load_config())
