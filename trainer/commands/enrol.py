from __future__ import annotations

from pathlib import Path

import click

from annotator.cli import output
from annotator.cli.options import common_options, load_config
from annotator.errors import EXIT_OK, EXIT_PARTIAL


@click.command()
@common_options
@click.argument("name")
@click.argument("sources", metavar="PATH|stranger-NNN...", nargs=-1, required=True)
def enrol(name: str, sources: tuple[str, ...]) -> int:
    """Make somebody known: by pictures, by folders of them, or as strangers of the database.

    Pictures are copied to the person's folder in the gallery, where nothing is overwritten. All
    faces of a stranger are said to be NAME's; no retraining takes that back. The exit code is 3
    where files could not be used.

    \b
    Example:
      trainer enrol anna ~/Pictures/anna stranger-017
    """
    from annotator.names import stranger_number

    strangers = [source for source in sources if stranger_number(source) is not None]
    paths = [Path(source) for source in sources if source not in strangers]
    for path in paths:
        if not path.exists():
            raise click.UsageError(f"{path} is neither there nor a stranger such as stranger-017")
    from annotator.app import naming
    from annotator.app.opening import questions
    from trainer.enrol import checked_name, copy_pictures, known_names

    config = load_config()
    name = checked_name(name, known_names(config.gallery_path), pictures_only=not strangers)
    refused = False
    if strangers:
        with questions(config) as queries:
            name = checked_name(name, queries.names(), pictures_only=False)
        tagged = naming.tag(config, strangers, name, negated=False, everybody=True)
        output.note(f"{tagged.faces} faces of {', '.join(strangers)} are {name} now")
        if tagged.near:
            output.warn(f"{tagged.near} is known already; is {name} somebody else?")
    if paths:
        copied = copy_pictures(paths, config.gallery_path, name)
        for one in copied.refused:
            output.warn(f"{one.path}: {one.why}")
        there = f", {copied.there} were there already" if copied.there else ""
        output.note(f"{len(copied.written)} pictures copied to {copied.folder}{there}")
        refused = bool(copied.refused)
    checked = "`trainer gallery check`, " if paths else ""
    output.note(f"next: {checked}`trainer train`, then `annotator relabel`")
    return EXIT_PARTIAL if refused else EXIT_OK
