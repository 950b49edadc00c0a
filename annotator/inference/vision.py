"""The port `Vision`: detectors, faces and recogniser, each loaded when it is first needed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from annotator import ports
from annotator.config import Config, DetectionSettings, FaceSettings
from annotator.domain import BoundingBox, Detection, Face, FaceModels, Provenance
from annotator.errors import ModelError, RuntimeUnavailable
from annotator.inference.catalogue import (
    AUTO,
    PREFERENCE,
    Catalogue,
    ChosenModel,
    Delegate,
    ModelFile,
    Task,
    load_catalogue,
)
from annotator.inference.faces import (
    CALIBRATION,
    Embedder,
    FaceFinder,
    FaceReader,
    GraphFinder,
    HogFinder,
)
from annotator.inference.heads import head_for
from annotator.inference.identify import NoGallery, Recogniser
from annotator.inference.image import Picture, decode
from annotator.inference.labels import Labels, read_labels
from annotator.inference.objects import ObjectDetector
from annotator.inference.runtime import load_graph

if TYPE_CHECKING:
    from annotator.inference.heads import Head
    from annotator.inference.runtime import Device, Graph

HOG = "hog"
"""The face model that comes with dlib and needs no file."""

FIRST_DECODE_PX = 320
"""The input of most detectors: what the first capture is decoded for, before one is loaded."""


def build_vision(config: Config, recogniser: Recogniser | None = None) -> ModelVision:
    """What a worker looks with. Loads the catalogue only; networks come when they are needed."""
    return ModelVision(
        load_catalogue(),
        config.models_directory,
        delegate=config.inference.delegate,
        threads=config.inference.threads,
        max_megapixels=config.inference.max_megapixels,
        recogniser=recogniser or NoGallery(),
    )


class ModelVision:
    """Fulfils `annotator.ports.Vision`; for one thread, as its networks are."""

    def __init__(
        self,
        catalogue: Catalogue,
        models_directory: Path,
        *,
        delegate: Delegate,
        threads: int,
        max_megapixels: float,
        recogniser: Recogniser,
    ):
        self._catalogue = catalogue
        self._directory = models_directory
        self._delegate: Delegate = delegate
        self._threads = threads
        self._max_megapixels = max_megapixels
        self._recogniser = recogniser
        self._detectors: dict[str, tuple[ObjectDetector, Path | None]] = {}
        self._finders: dict[str, FaceFinder] = {}
        self._labels: dict[Path, Labels] = {}

    def decode(self, jpeg: bytes) -> Picture:
        """As coarse as the finest detector in use allows; finer needs are met when they arise."""
        detectors = [detector for detector, _ in self._detectors.values()]
        return decode(
            jpeg,
            max_megapixels=self._max_megapixels,
            min_width=max((detector.width for detector in detectors), default=FIRST_DECODE_PX),
            min_height=max((detector.height for detector in detectors), default=FIRST_DECODE_PX),
        )

    def objects(self, picture: ports.Picture, settings: DetectionSettings) -> tuple[Detection, ...]:
        detector, model_labels = self._detector(settings.model)
        labels = self._labels_of(settings, model_labels)
        return detector.detect(_decoded_here(picture), labels, settings)

    def faces(
        self, picture: ports.Picture, persons: Sequence[BoundingBox], settings: FaceSettings
    ) -> tuple[tuple[Face, ...], ...]:
        finder = self._finder(settings.model)
        return self._reader.read(_decoded_here(picture), persons, finder, settings)

    def provenance(self, settings: DetectionSettings) -> Provenance:
        detector, _ = self._detector(settings.model)
        return Provenance(detector.provenance, detector.delegate)

    def face_models(self, settings: FaceSettings) -> FaceModels:
        return FaceModels(
            face_detector=self._finder(settings.model).provenance,
            embedder=self._reader.embedder,
            recogniser=self._recogniser.provenance,
        )

    @cached_property
    def _reader(self) -> FaceReader:
        return FaceReader(Embedder(), self._recogniser)

    def _detector(self, model: str) -> tuple[ObjectDetector, Path | None]:
        """The detector and the label file that belongs to it."""
        if model not in self._detectors:
            chosen = self._catalogue.resolve(model, Task.OBJECTS, self._directory, self._delegate)
            graph, head, provenance = _loaded(chosen, self._delegate, self._threads)
            detector = ObjectDetector(graph, head, provenance)
            self._detectors[model] = detector, chosen.labels
        return self._detectors[model]

    def _labels_of(self, settings: DetectionSettings, model_labels: Path | None) -> Labels:
        path = settings.labels_file or model_labels
        if path is None:
            raise ModelError(
                f"nothing says what the classes of {settings.model} are called",
                "name its label file as `labels_file` in [detection]",
            )
        if path not in self._labels:
            self._labels[path] = read_labels(path)
        return self._labels[path]

    def _finder(self, model: str) -> FaceFinder:
        if model not in self._finders:
            self._finders[model] = self._new_finder(model)
        return self._finders[model]

    def _new_finder(self, model: str) -> FaceFinder:
        # A face network takes milliseconds, so "edgetpu" does not insist on one that has a twin.
        delegate: Delegate = "cpu" if self._delegate == "cpu" else "auto"
        if model == AUTO and not self._catalogue.available(Task.FACES, self._directory, delegate):
            model = HOG
        if model == HOG:
            return HogFinder()
        chosen = self._catalogue.resolve(model, Task.FACES, self._directory, delegate)
        graph, head, provenance = _loaded(chosen, delegate, self._threads)
        if head.name not in CALIBRATION:
            raise ModelError(
                f"{chosen.name} finds no faces: its head is {head.name}",
                f"name one of {', '.join(PREFERENCE[Task.FACES])} or {HOG}",
            )
        return GraphFinder(graph, head, CALIBRATION[head.name], provenance)


def _loaded(chosen: ChosenModel, delegate: Delegate, threads: int) -> tuple[Graph, Head, str]:
    """The model on the Edge TPU or the CPU, and its `name@sha256[:12]`.

    "auto" takes the Edge TPU where one answers and the model's twin for it is here.
    """
    if chosen.edgetpu is not None and delegate != "cpu":
        try:
            return _on("edgetpu", chosen.edgetpu, chosen.head, threads)
        except RuntimeUnavailable:
            if delegate == "edgetpu" or chosen.cpu is None:
                raise
    if chosen.cpu is None or delegate == "edgetpu":
        option = " --edgetpu" if delegate == "edgetpu" else ""
        raise ModelError(
            f"the file of {chosen.name} for the {'Edge TPU' if option else 'CPU'} is not here",
            f"run `annotator models fetch{option} {chosen.name}`, or change `delegate`",
        )
    return _on("cpu", chosen.cpu, chosen.head, threads)


def _on(device: Device, file: ModelFile, head: str | None, threads: int) -> tuple[Graph, Head, str]:
    loaded = file.load()
    graph = load_graph(loaded.content, str(file.path), device=device, threads=threads)
    return graph, head_for(graph, str(file.path), head), loaded.provenance


def _decoded_here(picture: ports.Picture) -> Picture:
    if not isinstance(picture, Picture):
        raise TypeError(f"{type(picture).__name__} was decoded by another Vision")
    return picture
