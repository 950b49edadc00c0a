from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from annotator.cli import output
from annotator.cli.options import common_options, load_config
from annotator.cli.when import WHEN
from annotator.errors import EXIT_OK, EXIT_PARTIAL

if TYPE_CHECKING:
    from annotator.config import Config
    from trainer.extract import Extracted, Tell

PATH = click.Path(exists=True, path_type=Path)
ONLY_STORED = ("unknown", "names", "strangers", "monitors", "since", "until")
NAMED_AT_MOST = 20


class StrangerNumber(click.ParamType):  # type: ignore[type-arg]  # generic only in newer versions
    """`stranger-017`, or 17."""

    name = "stranger"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        from annotator.names import stranger_number

        text = str(value)
        number = int(text) if text.isdecimal() else stranger_number(text)
        if number is None:
            self.fail(f"{text!r} is no stranger; write stranger-017, or 17", param, ctx)
        return number


@click.command()
@common_options
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=PATH)
@click.option(
    "-o", "--output", "folder", type=click.Path(path_type=Path), required=True,
    help="The folder for the pictures.",
)  # fmt: skip
@click.option("--what", type=click.Choice(["faces", "persons"]), default="faces", show_default=True)
@click.option("--unknown", is_flag=True, help="Only those of nobody known.")
@click.option("--name", "names", multiple=True, help="Only this person; may be repeated.")
@click.option(
    "--stranger", "strangers", multiple=True, type=StrangerNumber(),
    help="Only this stranger, as `trainer cluster` numbers them; may be repeated.",
)  # fmt: skip
@click.option("--monitor", "monitors", multiple=True, help="Only this monitor; may be repeated.")
@click.option("--since", type=WHEN, help="From this time on: 2024-05-01, 3d, 'yesterday 18:00'.")
@click.option("--until", type=WHEN, help="Before this time.")
@click.option(
    "--min-size", "min_size_px", type=click.IntRange(min=0), default=0,
    help="The shorter side in pixels.",
)  # fmt: skip
@click.option(
    "--per-event", type=click.IntRange(min=1), help="So many of each event.  [default: 5]"
)
@click.option("--limit", type=click.IntRange(min=1), help="So many in all.")
@click.pass_context
def extract(
    context: click.Context,
    paths: tuple[Path, ...],
    folder: Path,
    what: str,
    unknown: bool,
    names: tuple[str, ...],
    strangers: tuple[int, ...],
    monitors: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    min_size_px: int,
    per_event: int | None,
    limit: int | None,
) -> int:
    """Cut faces or people out of what was annotated, as pictures to be sorted into folders.

    With PATHs out of these pictures and folders instead, which are looked at now. Of each event the
    best come first. What is in the folder stays; a second run adds what is new. The exit code is 3
    where pictures could not be read.

    \b
    Example:
      trainer extract --unknown --since 30d -o unknown-faces
    """
    config = load_config()
    given = context.params
    if paths:
        stored = [name for name in (*ONLY_STORED, "per_event") if given[name]]
        if stored:
            option = next(
                one for one in context.command.params if one.name == stored[0]
            ).opts[-1]  # fmt: skip
            raise click.UsageError(f"{option} is for what is in the database, without PATHs")
        with output.bars() as tell:
            done = _from_pictures(
                config, paths, folder, what, min_size_px, limit,
                lambda at, total: tell("looking", at, total),
            )  # fmt: skip
        return _tell(done, folder)
    if strangers and what == "persons":
        raise click.UsageError("--stranger is for faces; leave --what persons out")
    if unknown and names:
        raise click.UsageError("--unknown and --name exclude each other")
    from annotator.app.opening import questions
    from annotator.domain import CaptureQuery, FaceQuestion
    from annotator.nvr.tree import open_tree
    from trainer import extract as extracting
    from trainer.crops import FACE_MARGIN, PERSON_MARGIN

    tree = open_tree(config.store)
    tree.check()
    most = extracting.PER_EVENT if per_event is None else per_event
    with questions(config) as queries:
        if what == "faces":
            faces = FaceQuestion(
                names=names, strangers=strangers, monitors=monitors, since=since, until=until
            )
            wanted = extracting.wanted_faces(
                queries, faces,
                unknown=unknown, min_size_px=min_size_px, per_event=most, limit=limit,
            )  # fmt: skip
        else:
            people = CaptureQuery(
                monitors=monitors,
                labels=config.faces.person_labels,
                names=names,
                since=since,
                until=until,
            )
            wanted = extracting.wanted_people(
                queries, people, tree.capture,
                unknown=unknown, min_size_px=min_size_px, per_event=most, limit=limit,
            )  # fmt: skip
    if not wanted:
        output.note("nothing in the database fits; `annotator query` tells what is there")
        return EXIT_OK
    with output.bars() as tell:
        done = extracting.extract(
            wanted, tree, folder,
            margin=FACE_MARGIN if what == "faces" else PERSON_MARGIN,
            max_megapixels=config.inference.max_megapixels,
            tell=lambda at, total: tell("cutting out", at, total),
        )  # fmt: skip
    return _tell(done, folder)


def _from_pictures(
    config: Config,
    paths: tuple[Path, ...],
    folder: Path,
    what: str,
    min_size_px: int,
    limit: int | None,
    tell: Tell,
) -> Extracted:
    from annotator.app.looking import vision_for
    from trainer.crops import FACE_MARGIN, PERSON_MARGIN
    from trainer.extract import extract_from, faces_found, people_found
    from trainer.gallery import whole_picture

    vision = vision_for(config)
    faces = what == "faces"
    find = (
        faces_found(whole_picture(vision, config.faces))
        if faces
        else people_found(vision, config.for_monitor(""))
    )
    return extract_from(
        paths,
        find,
        folder,
        margin=FACE_MARGIN if faces else PERSON_MARGIN,
        max_megapixels=config.inference.max_megapixels,
        min_size_px=min_size_px,
        limit=limit,
        tell=tell,
    )


def _tell(done: Extracted, folder: Path) -> int:
    for one in done.missing[:NAMED_AT_MOST]:
        output.warn(f"{one.path}: {one.why}")
    if len(done.missing) > NAMED_AT_MOST:
        output.warn(f"and {len(done.missing) - NAMED_AT_MOST} more")
    before = f", {done.there} were there already" if done.there else ""
    output.note(f"{done.written} pictures written to {folder}{before}")
    if done.missing:
        output.note(f"{len(done.missing)} captures could not be read")
        return EXIT_PARTIAL
    return EXIT_OK
