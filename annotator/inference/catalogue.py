"""The models that annotator knows (`catalogue.toml`), which are here, and which one is meant.

A file is used only after its checksum agreed, and what runs are the very bytes that were checked.
Getting them is `fetch`'s business.
"""

from __future__ import annotations

import difflib
import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, BinaryIO, Literal

from annotator.config import is_own_model
from annotator.errors import ModelError

HERE = Path(__file__).parent
AUTO = "auto"
Delegate = Literal["auto", "cpu", "edgetpu"]
MAX_MODEL_BYTES = 128 * 2**20
"""No detector for such machines is near it; a larger file is a mistake or an attack."""


class Task(StrEnum):
    OBJECTS = "objects"
    FACES = "faces"


PREFERENCE: dict[Task, tuple[str, ...]] = {
    Task.OBJECTS: (
        "ssdlite_mobiledet_coco",
        "ssd_mobilenet_v2_coco",
        "efficientdet_lite0",
        "coco_ssd_mobilenet_v1",
        "efficientdet_lite1",
        "efficientdet_lite2",
        "efficientdet_lite3",
        "blazepose",
    ),
    Task.FACES: ("blazeface_full_range", "blazeface_short_range", "ssd_mobilenet_v2_face"),
}
"""What `auto` takes: the first that is here; what `annotator models fetch` gets: the first it can.

Objects: MobileDet has the highest mAP of Coral's fast detectors (32.9 against 25.6 for SSD v2, at
9.1 against 7.3 ms); EfficientDet costs four times as much and more, so the larger ones are for
those who ask; BlazePose knows only people, but a Python package index is enough to get it.
Faces: both BlazeFaces find faces down to 20 px in 3 to 6 ms on a CPU; the full range model's boxes
agree better with those that the embedder was trained on (see `faces.CALIBRATION`).
"""

COMPANIONS: dict[str, tuple[str, ...]] = {"blazeface_full_range": ("blazeface_short_range",)}
"""What is fetched along with a model that is the best of its task: where both are here, `auto` asks
the second for faces that the first does not find."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where files come from: one URL per file, a zip archive, or a wheel of the package index."""

    name: str
    kind: Literal["url", "zip", "wheel"]
    address: str
    python: str = ""
    platform: str = ""


@dataclass(frozen=True, slots=True)
class Asset:
    """One model file. `member` is its place inside a zip archive or wheel; `size` is in bytes."""

    file: str
    source: Source
    member: str = ""
    size: int | None = None
    sha256: str = ""
    git_blob: str = ""

    @property
    def checksum(self) -> str:
        """What the file must have, for people."""
        return f"sha256 {self.sha256}" if self.sha256 else f"git blob {self.git_blob}"

    def is_what(self, digests: Digests) -> bool:
        return digests.sha256 == self.sha256 if self.sha256 else digests.git_blob == self.git_blob


@dataclass(frozen=True, slots=True)
class Entry:
    """One model of the catalogue, as a file for the CPU and perhaps one for the Edge TPU."""

    name: str
    task: Task
    head: str
    width: int
    height: int
    labels: Path
    licence: str
    home: str
    about: str
    cpu: Asset
    edgetpu: Asset | None = None

    @property
    def assets(self) -> tuple[Asset, ...]:
        return (self.cpu, self.edgetpu) if self.edgetpu else (self.cpu,)


@dataclass(frozen=True, slots=True)
class Digests:
    sha256: str
    git_blob: str


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model file's bytes, checked; `provenance` is `name@sha256[:12]`."""

    content: bytes
    provenance: str


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A file on disk; `asset` says what it must be, None for a user's own."""

    name: str
    path: Path
    asset: Asset | None = None

    def load(self) -> Loaded:
        """Raises ModelError where it cannot be read or is not what the catalogue says."""
        try:
            with self.path.open("rb") as file:
                content = file.read(MAX_MODEL_BYTES + 1)
        except OSError as error:
            raise ModelError(
                f"cannot read the model {self.path}: {error.strerror}",
                "run `annotator models fetch`, or name another file",
            ) from error
        if len(content) > MAX_MODEL_BYTES:
            raise ModelError(
                f"{self.path} is larger than {MAX_MODEL_BYTES} bytes", "name a TFLite detector"
            )
        sha256 = hashlib.sha256(content).hexdigest()
        if self.asset is not None:
            digests = Digests(sha256, _git_blob(len(content), content))
            if not self.asset.is_what(digests):
                raise wrong_file(
                    self.asset,
                    digests,
                    str(self.path),
                    f"run `annotator models fetch {self.name}` to replace it",
                )
        return Loaded(content, f"{self.name}@{sha256[:12]}")


@dataclass(frozen=True, slots=True)
class ChosenModel:
    """What a setting came to: the model's files that are here; at least one is.

    `head` is None for a user's own file, whose outputs must tell; `labels` is None where nothing
    but the settings can name them.
    """

    name: str
    head: str | None
    labels: Path | None
    cpu: ModelFile | None
    edgetpu: ModelFile | None


class FileState(StrEnum):
    GOOD = "good"
    MISSING = "missing"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """One line of `annotator models list` or `verify`."""

    entry: Entry
    asset: Asset
    path: Path
    state: FileState


@dataclass(frozen=True, slots=True)
class Catalogue:
    entries: tuple[Entry, ...]

    def entry(self, name: str) -> Entry:
        """Raises ModelError that names the nearest one."""
        for entry in self.entries:
            if entry.name == name:
                return entry
        names = [entry.name for entry in self.entries]
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "`annotator models list` names them"
        raise ModelError(f"there is no model {name!r} in the catalogue", hint)

    def preferred(self, task: Task) -> tuple[Entry, ...]:
        """The entries of a task, best first."""
        return tuple(self.entry(name) for name in PREFERENCE[task])

    def verify(self, directory: Path) -> tuple[CheckedFile, ...]:
        """Every file of the catalogue against what is in `directory`."""
        return tuple(
            CheckedFile(entry, asset, directory / asset.file, file_state(directory, asset))
            for entry in self.entries
            for asset in entry.assets
        )

    def installed(self, directory: Path) -> tuple[Entry, ...]:
        """The entries of which a file is in `directory`; by name only, not verified."""
        return tuple(
            entry
            for entry in self.entries
            if any((directory / asset.file).is_file() for asset in entry.assets)
        )

    def available(self, task: Task, directory: Path, delegate: Delegate) -> tuple[Entry, ...]:
        """The entries of a task that `delegate` can run with what is in `directory`, best first."""
        return tuple(
            entry
            for entry in self.preferred(task)
            if any(
                asset is not None and (directory / asset.file).is_file()
                for asset in (
                    entry.cpu if delegate != "edgetpu" else None,
                    entry.edgetpu if delegate != "cpu" else None,
                )
            )
        )

    def resolve(self, name: str, task: Task, directory: Path, delegate: Delegate) -> ChosenModel:
        """The model that a setting means: "auto", a name of the catalogue, or a file's path.

        Raises ModelError where it is not here.
        """
        if name == AUTO:
            available = self.available(task, directory, delegate)
            if not available:
                raise ModelError(
                    f"there is no model for {task} in {directory}", "run `annotator models fetch`"
                )
            return _chosen(available[0], directory)
        if is_own_model(name):
            return _own(Path(name).expanduser())
        entry = self.entry(name)
        if entry.task is not task:
            raise ModelError(
                f"{name} is a model for {entry.task}, not for {task}",
                f"name one of {', '.join(PREFERENCE[task])}",
            )
        if entry not in self.installed(directory):
            raise ModelError(
                f"the model {name} is not in {directory}", f"run `annotator models fetch {name}`"
            )
        return _chosen(entry, directory)


def load_catalogue(path: Path = HERE / "catalogue.toml") -> Catalogue:
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    sources = {name: _source(name, fields) for name, fields in data["sources"].items()}
    return Catalogue(
        tuple(_entry(name, fields, sources) for name, fields in data["models"].items())
    )


def file_state(directory: Path, asset: Asset) -> FileState:
    """Whether the file is there and, by its checksum, the one that is meant."""
    path = directory / asset.file
    try:
        if asset.size is not None and path.stat().st_size != asset.size:
            return FileState.WRONG
        with path.open("rb") as file:
            return FileState.GOOD if asset.is_what(digests_of(file)) else FileState.WRONG
    except FileNotFoundError:
        return FileState.MISSING
    except OSError:
        return FileState.WRONG


def digests_of(file: BinaryIO) -> Digests:
    """Both checksums, in one pass from the file's beginning."""
    size = file.seek(0, 2)
    file.seek(0)
    sha256 = hashlib.sha256()
    git_blob = hashlib.sha1(f"blob {size}\0".encode(), usedforsecurity=False)
    while chunk := file.read(1 << 20):
        sha256.update(chunk)
        git_blob.update(chunk)
    return Digests(sha256.hexdigest(), git_blob.hexdigest())


def wrong_file(asset: Asset, digests: Digests, place: str, next_step: str) -> ModelError:
    got = digests.sha256 if asset.sha256 else digests.git_blob
    return ModelError(
        f"{asset.file} at {place} is not the file that the catalogue means: "
        f"it has {got}, expected {asset.checksum}",
        next_step,
    )


def _git_blob(size: int, content: bytes) -> str:
    header = f"blob {size}\0".encode()
    return hashlib.sha1(header + content, usedforsecurity=False).hexdigest()


def _chosen(entry: Entry, directory: Path) -> ChosenModel:
    def here(asset: Asset | None) -> ModelFile | None:
        if asset is None or not (directory / asset.file).is_file():
            return None
        return ModelFile(entry.name, directory / asset.file, asset)

    return ChosenModel(entry.name, entry.head, entry.labels, here(entry.cpu), here(entry.edgetpu))


def _own(path: Path) -> ChosenModel:
    """A user's file and its twin: `x.tflite` and `x_edgetpu.tflite` side by side."""
    stem = path.stem.removesuffix("_edgetpu")
    cpu, edgetpu = path.with_name(f"{stem}.tflite"), path.with_name(f"{stem}_edgetpu.tflite")
    if not path.is_file():
        raise ModelError(f"there is no model file {path}", "name an existing .tflite file")
    return ChosenModel(
        stem,
        None,
        None,
        ModelFile(stem, cpu) if cpu.is_file() else None,
        ModelFile(stem, edgetpu) if edgetpu.is_file() else None,
    )


def _source(name: str, fields: Mapping[str, str]) -> Source:
    for kind in ("url", "zip", "wheel"):
        if kind in fields:
            return Source(
                name, kind, fields[kind], fields.get("python", ""), fields.get("platform", "")
            )
    raise ValueError(f"the source {name} has no url, zip or wheel")


def _entry(name: str, fields: Mapping[str, Any], sources: Mapping[str, Source]) -> Entry:
    def asset(which: str) -> Asset:
        given = dict(fields[which])
        return Asset(source=sources[given.pop("source")], **given)

    width, height = fields["input"]
    return Entry(
        name=name,
        task=Task(fields["task"]),
        head=fields["head"],
        width=width,
        height=height,
        labels=HERE / "labels" / fields["labels"],
        licence=fields["licence"],
        home=fields["home"],
        about=fields["about"],
        cpu=asset("cpu"),
        edgetpu=asset("edgetpu") if "edgetpu" in fields else None,
    )
