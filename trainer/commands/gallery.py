from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import click

from annotator.cli import output
from annotator.cli.options import common_options, load_config
from annotator.errors import EXIT_OK, EXIT_PARTIAL

if TYPE_CHECKING:
    from annotator.config import Config
    from trainer.roll import Member
    from trainer.samples import Samples

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.group()
def gallery() -> None:
    """Look after the folders of pictures, one folder per person."""


@gallery.command("list")
@common_options
@click.argument("folders", metavar="[FOLDER]...", nargs=-1, type=FOLDER)
def list_people(folders: tuple[Path, ...]) -> int:
    """Who is known: by pictures in the gallery, and by faces that were tagged in the database.

    \b
    Example:
      trainer gallery list
    """
    from trainer.roll import roll

    config = load_config()
    members = roll(_faces(config, folders, may_be_empty=True), _tagged(config))
    numbers = ("pictures", "usable", "tagged faces")
    output.table(("person", *numbers, "last added"), map(_row, members), numbers=numbers)
    return EXIT_OK


@gallery.command()
@common_options
@click.argument("folders", metavar="[FOLDER]...", nargs=-1, type=FOLDER)
def check(folders: tuple[Path, ...]) -> int:
    """Tell what is probably wrong with the gallery, and what would help.

    Pictures of somebody else, people who are in two folders or in Unknown, pictures that cannot be
    used or are there twice, people with few pictures, people who look alike. The exit code is 3
    where something is probably wrong, 0 where there is only advice.

    \b
    Example:
      trainer gallery check
    """
    from trainer.check import SERIOUS, check_gallery
    from trainer.roll import roll

    config = load_config()
    samples = _faces(config, folders)
    findings = list(check_gallery(samples))
    for kind, group in groupby(findings, key=lambda one: one.kind):
        click.secho(kind, bold=True)
        for one in group:
            click.echo(f"  {one.picture or one.person}: {one.why}")
            click.echo(f"      {one.next_step}")
    serious = sum(one.kind in SERIOUS for one in findings)
    people = roll(samples, {})
    pictures, usable = sum(one.pictures for one in people), sum(one.usable for one in people)
    output.note(
        f"{len(people)} folders, {pictures} pictures, {usable} usable; "
        f"probably wrong: {serious}, advice: {len(findings) - serious}"
    )
    return EXIT_PARTIAL if serious else EXIT_OK


def _faces(config: Config, folders: tuple[Path, ...], *, may_be_empty: bool = False) -> Samples:
    from trainer.faces import gallery_faces

    with output.bars() as tell:
        samples, _ = gallery_faces(
            config,
            folders,
            lambda done, total: tell("looking", done, total),
            may_be_empty=may_be_empty,
        )
    return samples


def _tagged(config: Config) -> dict[str, int]:
    from annotator.app.opening import questions
    from trainer.roll import tagged_faces

    if not config.database_path.exists():
        return {}
    with questions(config) as queries:
        return tagged_faces(queries)


def _row(one: Member) -> tuple[str, ...]:
    added = one.last_added.astimezone().strftime("%Y-%m-%d %H:%M") if one.last_added else ""
    return one.name, str(one.pictures), str(one.usable), str(one.tagged), added
