from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from annotator.cli import output
from annotator.cli.options import common_options, load_config
from annotator.errors import EXIT_OK, EXIT_PARTIAL

if TYPE_CHECKING:
    from annotator.app.looking import Looked


@click.command()
@common_options
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--format", "form", type=click.Choice(["table", "json", "jsonl"]), default="table")
@click.option("--save", type=click.Path(path_type=Path), help="Write the pictures with boxes here.")
def detect(paths: tuple[Path, ...], form: str, save: Path | None) -> int:
    """Look at pictures now, without the database.

    A folder stands for all pictures below it. What cannot be looked at is named on stderr.

    \b
    Example:
      annotator detect driveway.jpg --format json
    """
    from annotator.app import looking
    from annotator.domain import Failure

    unreadable = 0

    def looked() -> Iterator[Looked]:
        nonlocal unreadable
        for one in looking.detect(load_config(), paths):
            if isinstance(one.result, Failure):
                unreadable += 1
                output.warn(f"{one.path}: {one.result.message}")
                continue
            if save:
                drawn = looking.draw_detections(one.path, one.result.detections, save)
                output.note(f"wrote {drawn}")
            yield one

    if form == "table":
        columns = ("path", "label", "score", "box", "face")
        output.table(columns, _rows(looked()), numbers=("score",), folding=("path",))
    else:
        output.objects(form, (_object(one) for one in looked()), flush=True)
    if unreadable:
        output.warn(f"{unreadable} could not be looked at")
    return EXIT_PARTIAL if unreadable else EXIT_OK


def _object(one: Looked) -> dict[str, Any]:
    from annotator.domain import Annotation

    assert isinstance(one.result, Annotation)
    return {"image": str(one.path), "labels": output.seed_labels(one.result.detections)}


def _rows(looked: Iterator[Looked]) -> Iterator[tuple[str, ...]]:
    from annotator.domain import Annotation

    for one in looked:
        assert isinstance(one.result, Annotation)
        if not one.result.detections:
            yield str(one.path), "nothing", "", "", ""
        for found in one.result.detections:
            faces = ", ".join(
                (face.identification.name if face.identification else None) or face.verdict
                for face in found.faces
            )
            box = f"{found.box.xmin},{found.box.ymin} {found.box.xmax},{found.box.ymax}"
            yield str(one.path), found.label, f"{found.score:.2f}", box, faces
