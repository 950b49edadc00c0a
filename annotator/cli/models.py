from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from annotator.cli import output
from annotator.cli.options import common_options, load_config
from annotator.errors import EXIT_OK, ModelError

if TYPE_CHECKING:
    from annotator.app.modelling import Download


@click.group()
def models() -> None:
    """List, fetch and verify model files."""


@models.command("list")
@common_options
def list_models() -> None:
    """Every known model, and which files are here.

    \b
    Example:
      annotator models list
    """
    from annotator.app import modelling

    columns = ("model", "for", "input", "cpu", "edgetpu", "licence", "about")
    rows = [
        (
            model.name,
            model.task,
            f"{model.width}x{model.height}",
            model.cpu,
            model.edgetpu or "-",
            model.licence,
            model.about,
        )
        for model in modelling.models(load_config())
    ]
    output.table(columns, rows, folding=("licence", "about"))


@models.command()
@common_options
@click.argument("names", nargs=-1)
@click.option("--edgetpu", is_flag=True, help="Get the Edge TPU's files too.")
@click.option("--mirror", metavar="DIR|URL", help="Look here first.")
def fetch(names: tuple[str, ...], edgetpu: bool, mirror: str | None) -> None:
    """Get model files: the named ones, else the best object and face detectors that can be had.

    \b
    Example:
      annotator models fetch
      annotator models fetch ssd_mobilenet_v2_coco --edgetpu
    """
    from annotator.app import modelling

    config = load_config()
    place = mirror or os.environ.get("ANNOTATOR_MODEL_MIRROR") or config.models.mirror
    with _bars() as tell:
        fetched = modelling.fetch_models(config, names, place, edgetpu, tell)
    for model in fetched:
        if model.complaints:
            output.warn(model.complaints[0])
        if (others := len(model.complaints) - 1) > 0:
            output.warn(f"nor could {others} more that would be better")
        click.echo(f"{model.task}: {model.name} is ready ({model.about})")
    output.note(f"in {config.models_directory}")


@models.command()
@common_options
def verify() -> int:
    """Hold every model file that is here against its checksum; exit code 6 where one is wrong.

    \b
    Example:
      annotator models verify
    """
    from annotator.app import modelling

    wrong = 0
    for checked in modelling.verify_models(load_config()):
        wrong += not checked.good
        click.echo(f"{'good ' if checked.good else 'WRONG'} {checked.path}")
    return ModelError.exit_code if wrong else EXIT_OK


@contextmanager
def _bars() -> Iterator[Download]:
    """A progress bar per file on stderr; silent where stderr is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    console = Console(stderr=True)
    bars: dict[str, int] = {}
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    ) as progress:

        def tell(file: str, done_bytes: int, total_bytes: int | None) -> None:
            if file not in bars:
                bars[file] = progress.add_task(file)
            progress.update(bars[file], completed=done_bytes, total=total_bytes)  # type: ignore[arg-type]

        yield tell
