"""`trainer`: what is done with the family's pictures. Each command is a file in `commands`."""

from __future__ import annotations

import sys

import click

from annotator import __version__
from annotator.cli.main import run
from trainer.commands.cluster import cluster
from trainer.commands.enrol import enrol
from trainer.commands.evaluate import evaluate
from trainer.commands.extract import extract
from trainer.commands.gallery import gallery
from trainer.commands.train import train


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="trainer")
def cli() -> None:
    """Work on the gallery of known people, and on the recogniser that learns from it."""


for command in (extract, cluster, enrol, gallery, train, evaluate):
    cli.add_command(command)


def main() -> None:
    sys.exit(run(cli))
