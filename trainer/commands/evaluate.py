from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from annotator.cli import output
from annotator.cli.options import common_options, load_config
from annotator.errors import EXIT_OK, EXIT_PARTIAL, ModelError, RuntimeUnavailable
from trainer.commands.shared import tell_left_out
from trainer.commands.train import FILE, FOLDER

if TYPE_CHECKING:
    from trainer.evaluate import Evaluation, Score


@click.command()
@common_options
@click.argument("folder", type=FOLDER)
@click.option("--bundle", type=FILE, help="By default the recogniser in use.")
@click.option("--picture", type=FILE, help="The DET curve's PNG; by default beside the bundle.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table")
def evaluate(folder: Path, bundle: Path | None, picture: Path | None, form: str) -> int:
    """Hold the recogniser against labelled pictures that it was not trained with.

    FOLDER has a folder per person; those called Unknown, and whoever the recogniser does not know,
    are strangers who should be given no name.

    \b
    Example:
      trainer evaluate ~/faces-for-testing
    """
    from annotator.inference.bundle import read_bundle
    from trainer import evaluate as judging
    from trainer import plots
    from trainer.faces import gallery_faces

    config = load_config()
    path = bundle or config.recogniser_path
    loaded = read_bundle(path)
    with output.bars() as tell:
        samples, embedder = gallery_faces(
            config, [folder], lambda done, total: tell("looking", done, total)
        )
    incomplete = tell_left_out(samples)
    read_bundle(path, embedder)
    if not samples.usable:
        raise ModelError(
            f"no picture in {folder} shows one usable face",
            f"`trainer gallery check {folder}` tells why",
        )
    evaluation = judging.evaluate(samples.usable, loaded.recogniser())
    if form == "json":
        output.json_array([_object(evaluation, loaded.provenance)])
    else:
        numbers = ("known", "nearest right", "right", "wrong", "strangers", "named")
        output.table(("size", *numbers), _rows(evaluation), numbers=numbers)
    if evaluation.curve:
        target = picture or path.with_name(f"{path.name}.det.png")
        try:
            plots.det_curve(target, evaluation)
            output.note(f"drew {target}")
        except RuntimeUnavailable as error:
            output.note(f"{error}; {error.next_step}")
    else:
        output.note("no DET curve: that needs both known people and strangers")
    return EXIT_PARTIAL if incomplete else EXIT_OK


def _rows(evaluation: Evaluation) -> list[tuple[str, ...]]:
    classes = evaluation.sizes
    ends = [*(one.from_px for one in classes[1:]), None]
    rows = [
        (f"{one.from_px} px" + (f" to {end - 1}" if end else " and more"), *_cells(one.score))
        for one, end in zip(classes, ends, strict=True)
    ]
    return [*rows, ("all", *_cells(evaluation.overall))]


def _cells(score: Score) -> tuple[str, ...]:
    return (
        str(score.known),
        _percent(score.closed_set),
        _percent(score.right_share),
        _percent(score.wrong_share),
        str(score.strangers),
        _percent(score.strangers_share),
    )


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _object(evaluation: Evaluation, recogniser: str) -> dict[str, Any]:
    return {
        "recogniser": recogniser,
        "overall": _score_object(evaluation.overall),
        "sizes": [{"from_px": one.from_px, **_score_object(one.score)} for one in evaluation.sizes],
        "det": [
            {
                "threshold": point.threshold,
                "false_accept": point.false_accept,
                "false_reject": point.false_reject,
            }
            for point in evaluation.curve
        ],
    }


def _score_object(score: Score) -> dict[str, Any]:
    return {
        "known": score.known,
        "nearest_right": score.nearest_right,
        "right": score.right,
        "wrong": score.wrong,
        "strangers": score.strangers,
        "strangers_named": score.strangers_named,
    }
