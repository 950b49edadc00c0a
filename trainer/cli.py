"""`trainer`: what is done with the family's pictures."""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from annotator import __version__
from annotator.cli import output
from annotator.cli.main import run
from annotator.cli.options import common_options, load_config
from annotator.errors import EXIT_OK, EXIT_PARTIAL

if TYPE_CHECKING:
    from trainer.gallery import GalleryPicture


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="trainer")
def cli() -> None:
    """Work on the gallery of known people."""


@cli.group()
def gallery() -> None:
    """Look after the folders of pictures, one folder per person."""


@gallery.command()
@common_options
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def check(folder: Path) -> int:
    """Tell which pictures of each person can be used, and why others cannot.

    \b
    Example:
      trainer gallery check ~/faces
    """
    from annotator.inference.vision import build_vision
    from trainer.gallery import read_gallery

    config = load_config()
    people: dict[str, Counter[str]] = defaultdict(Counter)
    unreadable = 0
    for picture in read_gallery(folder, build_vision(config), config.faces):
        verdict = _verdict(picture)
        people[picture.person][verdict] += 1
        if picture.problem:
            unreadable += 1
            output.warn(f"{picture.path}: {picture.problem}")
        elif verdict != "usable":
            output.note(f"{picture.path}: {verdict}")
    rows = [
        (person, str(verdicts.total()), str(verdicts["usable"]), _others(verdicts))
        for person, verdicts in sorted(people.items())
    ]
    output.table(("person", "pictures", "usable", "others"), rows, numbers=("pictures", "usable"))
    return EXIT_PARTIAL if unreadable else EXIT_OK


def _verdict(picture: GalleryPicture) -> str:
    from annotator.domain import Gate

    if picture.problem:
        return "not readable"
    usable = [face for face in picture.faces if face.gate is Gate.USABLE]
    if len(usable) > 1:
        return "several people"
    if usable:
        return str(Gate.USABLE)
    return str(picture.faces[0].gate) if picture.faces else "no face found"


def _others(verdicts: Counter[str]) -> str:
    return ", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items())
                     if verdict != "usable")  # fmt: skip


def main() -> None:
    sys.exit(run(cli))
