from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from annotator.cli import output
from annotator.cli.options import common_options, load_config
from annotator.errors import EXIT_OK, EXIT_PARTIAL, RuntimeUnavailable
from trainer.commands.shared import tell_left_out

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trainer.fit import Trained
    from trainer.judging import Candidate

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
FILE = click.Path(path_type=Path)
FEW = 4
"""Pictures of a person that hardly show what varies and what does not."""


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
    with output.bars() as tell:
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

    threshold = trained.winner.threshold
    numbers = ("known right", "strangers named", "F1", "threshold")
    rows = [_candidate(one, chosen=one is trained.winner) for one in trained.candidates]
    output.table(("classifier", "hyperparameters", *numbers, ""), rows, numbers=numbers)
    counts = ("pictures", "right", "unknown", "as another", "recall")
    output.table(("person", *counts), _people(trained), numbers=counts)
    sizes = ", ".join(f"{px:.0f} px {score:.3f}" for px, score in thresholds_by_size(threshold))
    blurs = ", ".join(f"{one:.0f} {score:.3f}" for one, score in thresholds_by_sharpness(threshold))
    output.note(f"a sharp face's score must be over, by its size: {sizes}")
    output.note(f"a large face's, by its sharpness: {blurs}")
    few = [name for name, count in trained.pictures.items() if name and count < FEW]
    if few:
        output.note(f"few pictures, 8 are good: {', '.join(few)}")


def _candidate(one: Candidate, *, chosen: bool) -> tuple[str, ...]:
    parameters = ", ".join(f"{key}={value}" for key, value in one.parameters.items())
    figures = one.known_right, one.strangers_named, one.f1, one.threshold
    return one.family, parameters, *(f"{n:.3f}" for n in figures), "chosen" if chosen else ""


def _people(trained: Trained) -> Iterator[tuple[str, ...]]:
    """A row for everybody; the last is of strangers, for whom `unknown` is right."""
    verdicts = trained.verdicts
    last = len(verdicts.names)
    for number, recall in enumerate(verdicts.recalls):
        name = verdicts.names[number] if number < last else ""
        answers = verdicts.matrix[number].tolist()
        right, unknown = answers[number], answers[last] if number < last else 0
        counts = trained.pictures.get(name, 0), right, unknown, sum(answers) - right - unknown
        share = "-" if recall is None else f"{recall:.3f}"
        yield name or "Unknown", *(str(count) for count in counts), share


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
