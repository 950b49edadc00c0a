from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from annotator.cli import output
from annotator.cli.options import NumberRange, common_options, load_config
from annotator.errors import EXIT_OK, EXIT_PARTIAL

if TYPE_CHECKING:
    from annotator.app.looking import Explained as ExplainedPicture
    from annotator.explain import Explained
    from annotator.filters import Check


@click.command()
@common_options
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--monitor", help="Use this monitor's settings; else those of the picture's own.")
@click.option(
    "--from-score",
    type=NumberRange(0, 1),
    default=0.2,
    show_default=True,
    help="Show candidates from this score on.",
)
@click.option("--format", "form", type=click.Choice(["table", "jsonl"]), default="table")
@click.option("--save", type=click.Path(path_type=Path), help="Write the pictures, drawn on, here.")
def explain(
    paths: tuple[Path, ...], monitor: str | None, from_score: float, form: str, save: Path | None
) -> int:
    """Say why pictures give the detections that they give.

    Every candidate and every face, each with the limits of the configuration that it meets or
    fails. With --save also as a picture, with the zones.

    \b
    Example:
      annotator explain driveway.jpg --monitor Driveway --save explained
    """
    from annotator.app import looking
    from annotator.domain import Failure

    config, unreadable = load_config(), 0
    for one in looking.explain(config, paths, monitor, from_score):
        if isinstance(one.result, Failure):
            unreadable += 1
            output.warn(f"{one.path}: {one.result.message}")
            continue
        if form == "table":
            _show(one)
        else:
            output.json_lines([_object(one)])
        if save:
            output.note(f"wrote {looking.draw_explanation(config, one, save)}")
    if unreadable:
        output.warn(f"{unreadable} could not be looked at")
    return EXIT_PARTIAL if unreadable else EXIT_OK


def _show(one: ExplainedPicture) -> None:
    from annotator.domain import Failure

    result = one.result
    assert not isinstance(result, Failure)
    made = f"{result.provenance.detector} on the {result.provenance.delegate}"
    output.note(f"{one.path}: {result.width} x {result.height}, {made}")
    if not result.candidates:
        output.note("the network saw nothing at all")
        return
    columns = ("candidate", "box", "check", "value", "limit", "passed")
    rows = (row for candidate in result.candidates for row in _rows(candidate))
    output.table(columns, rows, folding=("limit",))


def _rows(one: Explained) -> Iterator[tuple[str, ...]]:
    yield from _checked(one.candidate.label, _box(one.candidate.box), one.checks)
    for seen in one.faces:
        yield from _checked("  face", _box(seen.face.box), seen.checks)


def _checked(name: str, box: str, checks: tuple[Check, ...]) -> Iterator[tuple[str, ...]]:
    for at, check in enumerate(checks):
        head = (name, box) if at == 0 else ("", "")
        yield (*head, check.name, check.value, check.limit, "yes" if check.passed else "NO")


def _box(box: Any) -> str:
    return f"{box.xmin},{box.ymin} {box.xmax},{box.ymax}"


def _object(one: ExplainedPicture) -> dict[str, Any]:
    from annotator.domain import Failure

    assert not isinstance(one.result, Failure)
    return {
        "image": str(one.path),
        "width": one.result.width,
        "height": one.result.height,
        "detector": one.result.provenance.detector,
        "delegate": one.result.provenance.delegate,
        "candidates": [
            {
                "name": found.candidate.label,
                "score": found.candidate.score,
                "box": output.box_object(found.candidate.box),
                "passed": found.passed,
                "checks": _check_objects(found.checks),
                "faces": [
                    {
                        "score": seen.face.score,
                        "box": output.box_object(seen.face.box),
                        "passed": all(check.passed for check in seen.checks),
                        "checks": _check_objects(seen.checks),
                    }
                    for seen in found.faces
                ],
            }
            for found in one.result.candidates
        ],
    }


def _check_objects(checks: tuple[Check, ...]) -> list[dict[str, Any]]:
    return [
        {"name": one.name, "value": one.value, "limit": one.limit, "passed": one.passed}
        for one in checks
    ]
