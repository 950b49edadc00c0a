from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from annotator.cli import output
from annotator.cli.options import NumberRange, common_options, load_config
from annotator.errors import EXIT_OK, EXIT_PARTIAL

if TYPE_CHECKING:
    from annotator.app.judging import Evaluation, Judgement
    from annotator.scoring import Score


def _tiles(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    import re

    from annotator.config import TILES

    if value is not None and not re.fullmatch(TILES, value):
        raise click.BadParameter(f"{value!r} is not off, auto, or columns x rows such as 2x2")
    return value


@click.command()
@common_options
@click.argument("labels_file", metavar="LABELS", type=click.Path(exists=True, path_type=Path))
@click.option("--pictures", type=click.Path(exists=True, path_type=Path), help="Where they are.")
@click.option("--model", "models", multiple=True, help="A known model, or a .tflite file.")
@click.option(
    "--labels-file", "names", type=click.Path(path_type=Path), help="For a file's classes."
)
@click.option("--head", help="What reads a file's outputs.")
@click.option("--tiles", callback=_tiles, help="off, auto, or columns x rows such as 2x2.")
@click.option("--fit", type=click.Choice(["auto", "stretch", "letterbox"]))
@click.option("--label", "labels", multiple=True, help="Judge this label only.")
@click.option("--min-score", type=NumberRange(0, 1), help="For all but AP50.")
@click.option("--limit", type=click.IntRange(min=1), help="So many pictures, spread evenly.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table")
def evaluate(
    labels_file: Path,
    pictures: Path | None,
    models: tuple[str, ...],
    labels: tuple[str, ...],
    limit: int | None,
    form: str,
    names: Path | None,
    **changed: Any,
) -> int:
    """Hold detectors against your own labelled pictures.

    LABELS is a COCO instances file, as CVAT and Label Studio write it, or a plain list; pictures
    are looked for beside it. Without --model every object detector that is here is judged.

    \b
    Example:
      annotator evaluate labels/instances.json --label person --tiles 2x2
    """
    from annotator.app import judging

    config = load_config()
    given = {key: value for key, value in changed.items() if value is not None}
    if names is not None:
        given["labels_file"] = names
    detection = config.detection.model_copy(update=given)
    with output.bars() as tell:
        evaluation = judging.evaluate(
            config.model_copy(update={"detection": detection}),
            labels_file,
            pictures=pictures,
            models=models,
            labels=labels,
            limit=limit,
            tell=tell,
        )
    if form == "json":
        output.json_array(_object(judged) for judged in evaluation.judgements)
    else:
        numbers = ("boxes", "found", "right", "precision", "recall", "F1", "AP50", "ms")
        output.table(("model", "label", *numbers), _rows(evaluation), numbers=numbers)
    for judged in evaluation.judgements:
        if judged.unknown_labels:
            output.note(f"{judged.model} does not know {', '.join(judged.unknown_labels)}")
    for one in evaluation.left_out:
        output.warn(f"{one.path}: {one.message}")
    if evaluation.left_out:
        output.warn(f"{len(evaluation.left_out)} pictures could not be looked at")
    return EXIT_PARTIAL if evaluation.left_out else EXIT_OK


def _rows(evaluation: Evaluation) -> Iterator[tuple[str, ...]]:
    for judged in evaluation.judgements:
        yield judged.model, *_cells(judged.overall), f"{judged.ms_per_picture:.1f}"
        for score in judged.labels:
            yield "", *_cells(score), ""


def _cells(score: Score) -> tuple[str, ...]:
    ratios = score.precision, score.recall, score.f1, score.ap50
    return (
        score.label,
        *(str(count) for count in (score.boxes, score.found, score.right)),
        *("-" if ratio is None else f"{ratio:.3f}" for ratio in ratios),
    )


def _object(judged: Judgement) -> dict[str, Any]:
    return {
        "model": judged.model,
        "pictures": judged.pictures,
        "ms_per_picture": judged.ms_per_picture,
        "overall": _score_object(judged.overall),
        "labels": [_score_object(score) for score in judged.labels],
        "unknown_labels": list(judged.unknown_labels),
    }


def _score_object(score: Score) -> dict[str, Any]:
    return {
        "label": score.label,
        "boxes": score.boxes,
        "found": score.found,
        "right": score.right,
        "precision": score.precision,
        "recall": score.recall,
        "f1": score.f1,
        "ap50": score.ap50,
    }
