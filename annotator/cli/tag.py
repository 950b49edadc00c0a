from __future__ import annotations

import click

from annotator.cli import output
from annotator.cli.options import common_options, load_config


@click.command()
@common_options
@click.argument("words", nargs=-1, required=True, metavar="TARGET... [NAME]")
@click.option("--not", "denied", metavar="NAME", help="Say who it is not.")
@click.option(
    "--forget",
    is_flag=True,
    help="Forget what was said of the faces; of an event or capture, also of those that were "
    "there before it was annotated anew.",
)
@click.option("--all", "everybody", is_flag=True, help="Mean every person of an event or capture.")
def tag(words: tuple[str, ...], denied: str | None, forget: bool, everybody: bool) -> None:
    """Say who a face is; no recogniser overrules it.

    A TARGET is a face by its number (`face_id` of `annotator query --format jsonl`), a stranger
    such as stranger-017, an event or a capture by its path. `trainer train` learns from what you
    say.

    \b
    Example:
      annotator tag stranger-017 anna
      annotator tag 4711 --not anna
    """
    from annotator.app import naming

    if forget and denied is not None:
        raise click.UsageError("--forget and --not do not go together")
    config = load_config()
    if forget:
        gone = naming.untag(config, words)
        output.note(f"forgotten of {gone.faces} faces, which are what they were before")
        if gone.homeless:
            output.note(f"and {gone.homeless} words about faces that are not there any more")
        return
    *targets, name = (*words, denied) if denied is not None else words
    if not targets:
        raise click.UsageError(
            "give a target and a name, such as `annotator tag stranger-017 anna`"
        )
    done = naming.tag(config, targets, name, negated=denied is not None, everybody=everybody)
    said = f"not {done.name}" if denied is not None else done.name
    output.note(
        f"tagged as {said}: {done.faces} faces; {done.changed} have another name than before"
    )
    if done.near is not None:
        output.note(f"{done.name} is new here; did you mean {done.near}?")
    output.note("next: `trainer train` learns from it")
