"""Model files: what is known, fetched and verified."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from annotator.config import Config


@dataclass(frozen=True, slots=True)
class Model:
    """A known model; `cpu` and `edgetpu` tell how its files are: good, missing or wrong."""

    name: str
    task: str
    width: int
    height: int
    licence: str
    about: str
    cpu: str
    edgetpu: str | None


@dataclass(frozen=True, slots=True)
class FetchedModel:
    name: str
    task: str
    about: str
    complaints: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CheckedModelFile:
    path: Path
    good: bool


Download = Callable[[str, int, int | None], None]
"""Called with a file's name, the bytes that are here, and the bytes in all where they are known."""


def models(config: Config) -> tuple[Model, ...]:
    from annotator.inference.catalogue import file_state, load_catalogue

    directory = config.models_directory
    return tuple(
        Model(
            name=entry.name,
            task=entry.task,
            width=entry.width,
            height=entry.height,
            licence=entry.licence,
            about=entry.about,
            cpu=file_state(directory, entry.cpu),
            edgetpu=file_state(directory, entry.edgetpu) if entry.edgetpu else None,
        )
        for entry in load_catalogue().entries
    )


def fetch_models(
    config: Config, names: Sequence[str], mirror: str, edgetpu: bool, tell: Download
) -> tuple[FetchedModel, ...]:
    """The named models, else the best that can be had for each task. Raises ModelError."""
    from annotator.inference import fetch
    from annotator.inference.catalogue import load_catalogue

    def progress(step: fetch.Progress) -> None:
        tell(step.file, step.done_bytes, step.total_bytes)

    catalogue, directory = load_catalogue(), config.models_directory
    if names:
        entries = [catalogue.entry(name) for name in names]
        fetch.fetch(entries, directory, mirror=mirror, edgetpu=edgetpu, progress=progress)
        fetched = tuple(fetch.Fetched(entry) for entry in entries)
    else:
        fetched = fetch.fetch_best(
            catalogue, directory, mirror=mirror, edgetpu=edgetpu, progress=progress
        )
    return tuple(
        FetchedModel(one.entry.name, one.entry.task, one.entry.about, one.complaints)
        for one in fetched
    )


def verify_models(config: Config) -> Iterator[CheckedModelFile]:
    """Every model file that is here."""
    from annotator.inference.catalogue import FileState, load_catalogue

    for checked in load_catalogue().verify(config.models_directory):
        if checked.state is not FileState.MISSING:
            yield CheckedModelFile(checked.path, checked.state is FileState.GOOD)
