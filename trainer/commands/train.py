from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from annotator.cli import output
from annotator.cli.options import common_options, load_config
from annotator.errors import EXIT_OK, EXIT_PARTIAL, RuntimeUnavailable
from trainer.commands.shared import bars, tell_left_out

if TYPE_CHECKING:
    from trainer.fit import Trained

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
FILE = click.Path(path_type=Path)


@click.command()
@common_options
@click.argument("folders", metavar="[FOLDER]...", nargs=-1, type=FOLDER)
@click.option(
    "--false-accept-rate",
    type=click.FloatRange(0.0001, 0.2),
    default=0.005,
    show_default=True,
    help="The share of strangers that may be given a name.",
)
@click.option(
    "--classifier",
    type=click.Choice(["auto", "none", "svm", "xgboost"]),
    default="auto",
    show_default=True,
    help="auto takes the best in cross-validation.",
)
@click.option("--output", "target", type=FILE, help="Where to write the recogniser.")
@click.option("--pictures", type=FILE, help="Folder for the PNGs; by default the recogniser's.")
@click.option("--promote", is_flag=True, help="Take it even if it is worse than the one in use.")
def train(
    folders: tuple[Path, ...],
    false_accept_rate: float,
    classifier: str,
    target: Path | None,
    pictures: Path | None,
    promote: bool,
) -> int:
    """Learn who is who: from folders of pictures, one per person, and from tagged faces.

    A folder called Unknown holds people who are to stay nobody. What was in use before is kept
    beside the new recogniser as .previous, and a running daemon takes up the new one by itself.

    \b
    Example:
      trainer train ~/faces
    """
    from trainer import fit
    from trainer import promote as promoting
    from trainer.faces import gallery_faces, tagged_faces

    config = load_config()
    path = target or config.recogniser_path
    with bars() as tell:
        samples, embedder = gallery_faces(
            config, folders, lambda done, total: tell("looking", done, total), may_be_empty=True
        )
        incomplete = tell_left_out(samples)
        tagged = tagged_faces(config, embedder)
        if tagged:
            output.note(f"with {len(tagged)} faces that people tagged in the database")
        trained = fit.train(
            (*samples.usable, *tagged),
            embedder=embedder,
            false_accept_rate=false_accept_rate,
            families=fit.FAMILIES if classifier == "auto" else (classifier,),
            tell=tell,
        )
    for one in trained.doubtful:
        output.warn(f"{one.source}: looks like {one.looks_like}, not {one.person}; not used")
    _print(trained)
    promoting.promote(path, trained.bundle, anyway=promote)
    output.note(f"wrote {path}")
    _draw(trained, pictures or path.parent, path.name)
    return EXIT_PARTIAL if incomplete else EXIT_OK


def _print(trained: Trained) -> None:
    from trainer.judging import thresholds_by_sharpness, thresholds_by_size

    winner, verdicts = trained.winner, trained.verdicts
    numbers = ("known right", "strangers named", "F1", "threshold")
    output.table(
        ("classifier", "hyperparameters", *numbers, ""),
        (
            (
                one.family,
                ", ".join(f"{key}={value:g}" if isinstance(value, float) else f"{key}={value}"
                          for key, value in one.parameters.items()),
                *(f"{n:.3f}" for n in
                  (one.known_right, one.strangers_named, one.f1, one.threshold)),
                "chosen" if one is winner else "",
            )
            for one in trained.candidates
        ),
        numbers=numbers,
    )  # fmt: skip
    answers = ("right", "unknown", "as another")
    rows = []
    for number, (name, recall) in enumerate(
        zip((*verdicts.names, "Unknown"), verdicts.recalls, strict=True)
    ):
        row = verdicts.matrix[number]
        unknown = int(row[-1]) if name != "Unknown" or number < len(verdicts.names) else 0
        right, asked = int(row[number]), int(row.sum())
        count = trained.pictures.get(name if number < len(verdicts.names) else "", 0)
        others = asked - right - (unknown if number < len(verdicts.names) else 0)
        share = "-" if recall is None else f"{recall:.3f}"
        rows.append((name, str(count), str(right), str(unknown), str(others), share))
    output.table(
        ("person", "pictures", *answers, "recall"), rows, numbers=("pictures", *answers, "recall")
    )
    sizes = ", ".join(f"{px:.0f} px {t:.3f}" for px, t in thresholds_by_size(winner.threshold))
    sharp = ", ".join(f"{s:.0f}: {t:.3f}" for s, t in thresholds_by_sharpness(winner.threshold))
    output.note(f"a sharp face's score must be over, by its size: {sizes}")
    output.note(f"a large face's, by its sharpness: {sharp}")
    few = [name for name, count in trained.pictures.items() if name and count < 4]
    if few:
        output.note(f"few pictures, 8 are good: {', '.join(few)}")


def _draw(trained: Trained, folder: Path, name: str) -> None:
    from trainer import plots

    matrix, histogram = folder / f"{name}.confusion.png", folder / f"{name}.scores.png"
    try:
        plots.confusion_matrix(matrix, trained.verdicts)
        plots.score_histogram(histogram, trained.verdicts, trained.winner.threshold)
    except RuntimeUnavailable as error:
        output.note(f"{error}; {error.next_step}")
    else:
        output.note(f"drew {matrix} and {histogram}")
