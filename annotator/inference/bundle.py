"""A trained recogniser in one file: a zip with known members, and nothing in it that could run.

    manifest.json     what it is, whose it is, and the thresholds
    report.json       what training measured, for people
    people.centres.npy, people.axes.npy, people.axis_owner.npy, people.strangers.npy
    svm.vectors.npy, svm.weights.npy, svm.biases.npy      where an SVM takes part
    trees.ubj                                             where XGBoost does, in its own format
    SHA256SUMS        of all members above

The sums find damage and carelessness; who can write the file can also write new sums.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
import time
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from annotator.domain import FaceEvidence, Identification
from annotator.errors import AnnotatorError, ModelError
from annotator.inference.classify import SupportVectors, Trees
from annotator.inference.identify import LENGTH, Decision, NoGallery, OpenSet, People, Recogniser

if TYPE_CHECKING:
    from annotator.inference.identify import Classifier

log = logging.getLogger(__name__)

FORMAT = 1
MANIFEST, REPORT, SUMS, TREES = "manifest.json", "report.json", "SHA256SUMS", "trees.ubj"
PEOPLE = ("people.centres", "people.axes", "people.axis_owner", "people.strangers")
SVM = ("svm.vectors", "svm.weights", "svm.biases")
DTYPES = {"people.axis_owner": "<i4"}
"""Of all other arrays it is <f8."""

MAX_BUNDLE_BYTES = 64 * 10**6
MAX_CONTENT_BYTES = 256 * 10**6
"""1000 people with 20 pictures each come to some 20 MB, and with an SVM to 180 MB."""
MAX_TEXT_BYTES = 1 << 20
MAX_PEOPLE = 1000

HUGE = (MemoryError, OverflowError)
"""What NumPy makes of an array that says it has more elements than there can be."""

LOOK_EVERY_S = 5.0

TRAIN = "train it again: `trainer train`"


class Manifest(BaseModel):
    """What a bundle says of itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1]
    created_at: str
    made_by: str
    embedder: str
    names: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=200)], ...],
        Field(min_length=1, max_length=MAX_PEOPLE),
    ]
    classifier: Literal["none", "svm", "xgboost"]
    gamma: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    false_accept_rate: Annotated[float, Field(gt=0, lt=1)]
    threshold: Annotated[float, Field(allow_inf_nan=False)]
    slope: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    offset: Annotated[float, Field(allow_inf_nan=False)]


@dataclass(frozen=True, slots=True)
class Bundle:
    """Everything that a file holds; `report` is JSON for people and for later comparison."""

    manifest: Manifest
    people: People
    classifier: Classifier | None
    report: Mapping[str, Any]
    digest: str = ""

    @property
    def provenance(self) -> str:
        return f"recogniser@{self.digest[:12]}"

    def recogniser(self) -> OpenSet:
        said = self.manifest
        decision = Decision(said.threshold, said.slope, said.offset)
        return OpenSet(said.names, self.people, self.classifier, decision, self.provenance)


def load_recogniser(path: Path, embedder: str | None = None) -> OpenSet:
    """The recogniser of a bundle. Raises ModelError."""
    return read_bundle(path, embedder).recogniser()


def read_bundle(path: Path, embedder: str | None = None) -> Bundle:
    """A bundle that is whole, and for faces of `embedder` if that is given. Raises ModelError."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BUNDLE_BYTES + 1)
    except OSError as error:
        raise ModelError(
            f"cannot read the recogniser {path}: {error.strerror}", "`trainer train` makes one"
        ) from error
    if len(content) > MAX_BUNDLE_BYTES:
        raise _unfit(path, f"is larger than {MAX_BUNDLE_BYTES // 10**6} MB")
    try:
        bundle = _bundle(_members(content))
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error, *HUGE) as error:
        raise _unfit(path, f"cannot be used: {_first_line(error)}") from error
    except (NotImplementedError, RuntimeError) as error:
        raise _unfit(path, f"is packed in a way that no bundle is: {error}") from error
    if embedder is not None and bundle.manifest.embedder != embedder:
        raise _unfit(
            path, f"knows faces as {bundle.manifest.embedder} sees them, and this is {embedder}"
        )
    return Bundle(
        bundle.manifest,
        bundle.people,
        bundle.classifier,
        bundle.report,
        hashlib.sha256(content).hexdigest(),
    )


def write_bundle(path: Path, bundle: Bundle) -> None:
    """In one step; what was there stays as `NAME.previous`. Raises ModelError."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    previous = path.with_name(f"{path.name}.previous")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as out:
            out.write(packed(bundle))
            out.flush()
            os.fsync(out.fileno())
        if path.exists():
            # A second name first, so that there is a recogniser at every moment.
            spare = path.with_name(f"{path.name}.{os.getpid()}.spare")
            spare.unlink(missing_ok=True)
            os.link(path, spare)
            spare.replace(previous)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise ModelError(
            f"cannot write the recogniser {path}: {error.strerror}",
            "name another place with --output, or as `recogniser` in [faces]",
        ) from error


def packed(bundle: Bundle) -> bytes:
    """The file's content; the same bundle gives the same bytes."""
    members = {
        MANIFEST: bundle.manifest.model_dump_json(indent=1).encode(),
        REPORT: json.dumps(bundle.report, indent=1, ensure_ascii=False).encode(),
    }
    people = bundle.people
    arrays: dict[str, Any] = dict(
        zip(PEOPLE, (people.centres, people.axes, people.axis_owner, people.strangers), strict=True)
    )
    if isinstance(bundle.classifier, SupportVectors):
        svm = bundle.classifier
        arrays |= dict(zip(SVM, (svm.vectors, svm.weights, svm.biases), strict=True))
    for name, array in arrays.items():
        members[f"{name}.npy"] = _npy(array.astype(DTYPES.get(name, "<f8")))
    if isinstance(bundle.classifier, Trees):
        members[TREES] = bytes(bundle.classifier.booster.save_raw("ubj"))
    members[SUMS] = sums_of(members)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return out.getvalue()


class BundleWatch:
    """The recogniser in a file that may be replaced, or appear, while it is in use.

    A new file that cannot be used is told of once and the one before stays.
    """

    def __init__(
        self,
        path: Path,
        embedder: str,
        now_s: Callable[[], float] = time.monotonic,
    ):
        """Raises ModelError where there is a bundle that cannot be used."""
        self._path = path
        self._embedder = embedder
        self._now_s = now_s
        self._looked_at_s = now_s()
        self._state = self._stat()
        self._recogniser: Recogniser = NoGallery()
        if self._state is not None:
            self._recogniser = load_recogniser(path, embedder)

    @property
    def provenance(self) -> str | None:
        return self._recogniser.provenance

    def identify(self, faces: Sequence[FaceEvidence]) -> tuple[Identification, ...]:
        return self._recogniser.identify(faces)

    def refresh(self) -> None:
        now_s = self._now_s()
        if now_s - self._looked_at_s < LOOK_EVERY_S:
            return
        self._looked_at_s = now_s
        state = self._stat()
        if state == self._state:
            return
        self._state = state
        if state is None:
            log.warning("the recogniser %s has gone; the one that was there stays", self._path)
            return
        try:
            self._recogniser = load_recogniser(self._path, self._embedder)
        except AnnotatorError as error:
            log.warning("%s; the recogniser in use stays", error)
        else:
            log.info("faces are named by %s from now on", self.provenance)

    def _stat(self) -> tuple[int, int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino


def _members(content: bytes) -> dict[str, bytes]:
    """Every member, unpacked and held against its sum. Raises ValueError and zipfile's errors."""
    allowed = {MANIFEST, REPORT, SUMS, TREES, *(f"{name}.npy" for name in PEOPLE + SVM)}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        infos = archive.infolist()
        names = [info.filename for info in infos]
        if len(names) != len(set(names)) or not set(names) <= allowed:
            raise ValueError("it has members that no bundle has")
        if sum(info.file_size for info in infos) > MAX_CONTENT_BYTES:
            raise ValueError(f"it unpacks to more than {MAX_CONTENT_BYTES // 10**6} MB")
        # A member that is longer than it says is cut there, and its checksum is wrong then.
        members = {name: archive.read(name) for name in names}
    if sums_of({name: members[name] for name in names if name != SUMS}) != members[SUMS]:
        raise ValueError("it has been changed since it was made (its checksums differ)")
    return members


def _bundle(members: Mapping[str, bytes]) -> Bundle:
    said, report = _json(members[MANIFEST]), _json(members[REPORT])
    if said.get("format") != FORMAT:
        raise ValueError(f"it has format {said.get('format')!r}, and this program reads {FORMAT}")
    try:
        manifest = Manifest.model_validate(said)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in problem["loc"])
        raise ValueError(f"{MANIFEST}: {where}: {problem['msg']}") from error
    count = len(manifest.names)
    if len(set(manifest.names)) != count:
        raise ValueError(f"{MANIFEST}: a name is there twice")
    centres, axes, owner, strangers = (_array(members, name) for name in PEOPLE)
    _expect("people.centres", centres, (count, LENGTH))
    _expect("people.axes", axes, (len(axes), LENGTH))
    _expect("people.axis_owner", owner, (len(axes),))
    _expect("people.strangers", strangers, (count,))
    if len(owner) and not (
        owner.min() >= 0 and owner.max() < count and (owner[1:] >= owner[:-1]).all()
    ):
        raise ValueError("people.axis_owner: belongs to nobody")
    people = People(centres, axes, owner, strangers)
    return Bundle(manifest, people, _classifier(manifest, members, count), report)


def _classifier(manifest: Manifest, members: Mapping[str, bytes], count: int) -> Classifier | None:
    if manifest.classifier == "xgboost":
        return Trees.load(members[TREES], count)
    if manifest.classifier == "none":
        return None
    vectors, weights, biases = (_array(members, name) for name in SVM)
    _expect("svm.vectors", vectors, (len(vectors), LENGTH))
    _expect("svm.weights", weights, (count, len(vectors)))
    _expect("svm.biases", biases, (count,))
    return SupportVectors(vectors, weights, biases, manifest.gamma)


def _json(content: bytes) -> dict[str, Any]:
    if len(content) > MAX_TEXT_BYTES:
        raise ValueError("its texts are too long")
    said = json.loads(content)
    if not isinstance(said, dict):
        raise ValueError("its texts are no objects")
    return said


def _array(members: Mapping[str, bytes], name: str) -> Any:
    import numpy as np

    array = np.load(io.BytesIO(members[f"{name}.npy"]), allow_pickle=False)
    if array.dtype != np.dtype(DTYPES.get(name, "<f8")):
        raise ValueError(f"{name} is of type {array.dtype}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} has values that are no numbers")
    return array


def _expect(name: str, array: Any, shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise ValueError(f"{name} has the shape {array.shape}, not {shape}")


def _npy(array: Any) -> bytes:
    import numpy as np

    out = io.BytesIO()
    np.save(out, array, allow_pickle=False)
    return out.getvalue()


def sums_of(members: Mapping[str, bytes]) -> bytes:
    lines = (f"{hashlib.sha256(members[name]).hexdigest()}  {name}\n" for name in sorted(members))
    return "".join(lines).encode()


def _first_line(error: Exception) -> str:
    said = f"{error} is missing in it" if isinstance(error, KeyError) else str(error)
    return said.splitlines()[0] if said else type(error).__name__


def _unfit(path: Path, why: str) -> ModelError:
    previous = path.with_name(f"{path.name}.previous")
    restore = f", or go back to {previous}" if previous.is_file() else ""
    return ModelError(f"the recogniser {path} {why}", f"{TRAIN}{restore}")
