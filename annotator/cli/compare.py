from __future__ import annotations

from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from annotator.cli import output
from annotator.cli.options import common_options, load_config
from annotator.cli.when import WHEN
from annotator.errors import EXIT_OK, EXIT_PARTIAL

if TYPE_CHECKING:
    from annotator.app.comparing import Agreement, Comparison
    from annotator.domain import Detection

SHOWN = 10


@click.command()
@common_options
@click.argument("model_a")
@click.argument("model_b")
@click.option(
    "--sample",
    type=click.IntRange(min=1, max=100_000),
    default=200,
    show_default=True,
    help="So many captures, spread evenly over the history.",
)
@click.option("--monitor", "monitors", multiple=True, help="Only this monitor; may be repeated.")
@click.option("--since", type=WHEN, help="Only events from this time on: 2024-05-01, 7d.")
@click.option("--until", type=WHEN, help="Only events before this time.")
@click.option("--save", type=click.Path(path_type=Path), help="Draw where they differ, into here.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table")
def compare(
    model_a: str,
    model_b: str,
    sample: int,
    monitors: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    save: Path | None,
    form: str,
) -> int:
    """Look at your own history with two detectors, and see where they differ.

    Each is a model of `annotator models list` or a .tflite file. Every monitor's own limits hold;
    nothing is written to the database.

    \b
    Example:
      annotator compare coco_ssd_mobilenet_v1 yolov8n.tflite --sample 500 --save differ
    """
    from annotator.app import comparing
    from annotator.domain import Window

    config = load_config()
    window = Window(monitors=monitors, since=since, until=until)
    with output.bars() as tell:
        compared = comparing.compare(
            config, (model_a, model_b), window, sample, partial(tell, "looking")
        )
    if form == "json":
        output.json_array([_object(compared)])
    else:
        _show(compared)
    for one in compared.differences if save else ():
        assert save is not None
        output.note(f"wrote {comparing.draw_difference(config, one, save)}")
    for path, message in compared.left_out:
        output.warn(f"{path}: {message}")
    return EXIT_PARTIAL if compared.left_out else EXIT_OK


def _show(compared: Comparison) -> None:
    a, b = compared.a, compared.b
    output.note(f"A {a.model}: {a.ms_per_picture:.1f} ms a picture")
    output.note(f"B {b.model}: {b.ms_per_picture:.1f} ms a picture")
    numbers = ("both", "only A", "only B", "agree")
    output.table(
        ("label", *numbers),
        (
            (one.label, str(one.both), str(one.only_a), str(one.only_b), _share(one))
            for one in compared.agreements
        ),
        numbers=numbers,
    )
    output.note(f"they differ on {compared.differing} of {compared.pictures} pictures")
    if compared.differences:
        shown = compared.differences[:SHOWN]
        pictures = ("most on", "only A", "only B")
        output.table(
            pictures,
            ((str(one.path), _words(one.only_a), _words(one.only_b)) for one in shown),
            folding=pictures,
        )


def _share(one: Agreement) -> str:
    return f"{one.both / (one.both + one.only_a + one.only_b):.0%}"


def _words(found: tuple[Detection, ...]) -> str:
    return ", ".join(f"{one.label} {one.score:.2f}" for one in found)


def _object(compared: Comparison) -> dict[str, Any]:
    return {
        "a": {"model": compared.a.model, "ms_per_picture": compared.a.ms_per_picture},
        "b": {"model": compared.b.model, "ms_per_picture": compared.b.ms_per_picture},
        "pictures": compared.pictures,
        "differing": compared.differing,
        "labels": [
            {"label": one.label, "both": one.both, "only_a": one.only_a, "only_b": one.only_b}
            for one in compared.agreements
        ],
        "differences": [
            {
                "path": str(one.path),
                "only_a": output.seed_labels(one.only_a),
                "only_b": output.seed_labels(one.only_b),
            }
            for one in compared.differences
        ],
    }
