from __future__ import annotations

import click

from annotator.cli import output
from annotator.cli.options import common_options, load_config


@click.group()
def config() -> None:
    """Check or show the configuration."""


@config.command()
@common_options
def check() -> None:
    """Read the configuration and name every problem in it at once.

    \b
    Example:
      annotator config check --config annotator.toml
    """
    load_config()
    output.note("the configuration is good")


@config.command()
@common_options
@click.option("--monitor", help="What holds for this monitor.")
def show(monitor: str | None) -> None:
    """Print the whole configuration in force, defaults included, as JSON.

    \b
    Example:
      annotator config show --monitor FrontDoor
    """
    loaded = load_config()
    shown = loaded.for_monitor(monitor) if monitor else loaded
    click.echo(shown.model_dump_json(indent=2))
