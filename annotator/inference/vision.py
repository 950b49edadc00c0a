"""The port `Vision`: detectors, faces and recogniser, each loaded when it is first needed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from annotator import ports
from annotator.config import Config, DetectionSettings, FaceSettings, InferenceSettings
from annotator.domain import BoundingBox, Detection, Face, FaceModels, Provenance, Station
from annotator.errors import ModelError
from annotator.inference.catalogue import (
    AUTO,
    PREFERENCE,
    Catalogue,
    ChosenModel,
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
from annotator.inference.glance import Glance, glance
from annotator.inference.heads import head_for
from annotator.inference.identify import NoGallery, Recogniser
from annotator.inference.image import Picture, decode
from annotator.inference.labels import Labels, read_labels
from annotator.inference.objects import ObjectDetector
from annotator.inference.runtime import load_graph

if TYPE_CHECKING:
    from annotator.inference.heads import Head
    from annotator.inference.runtime import Graph

HOG = "hog"
"""The face model that comes with dlib and needs no file."""

ON_CPU = Station()

def build_vision(
    config: Config, station: Station = ON_CPU, recogniser: Recogniser | None = None
) -> ModelVision:
    """What a worker looks with. Loads the catalogue only; networks come when they are needed."""
    return ModelVision(
        load_catalogue(),
        config.models_directory,
        config.inference,
        station,
        recogniser or NoGallery(),
    )


class ModelVision:
    """Fulfils `annotator.ports.Vision`; for one thread, as its networks are, but for `decode`.

    Faces are found on the CPU at any station: their networks take a few milliseconds there, and an
    Edge TPU that changes between two networks loads each anew every time.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        models_directory: Path,
        settings: InferenceSettings,
        station: Station,
        recogniser: Recogniser,
    ):
        self._catalogue = catalogue
        self._directory = models_directory
        self._settings = settings
        self._station = station
        self._recogniser = recogniser
        self._detectors: dict[tuple[str, str], tuple[ObjectDetector, Path | None]] = {}
        self._finders: dict[str, FaceFinder] = {}
        self._labels: dict[Path, Labels] = {}

    def decode(self, jpeg: bytes, settings: DetectionSettings | None) -> Picture:
        """Raises ModelError too, where the settings' detector cannot be loaded."""
        need = self._detector(settings)[0].need(settings) if settings else None
        return decode(jpeg, max_megapixels=self._settings.max_megapixels, need=need)

    def objects(self, picture: ports.Picture, settings: DetectionSettings) -> tuple[Detection, ...]:
        detector, model_labels = self._detector(settings)
        labels = self._labels_of(settings, model_labels)
        return detector.detect(_decoded_here(picture), labels, settings)

    def faces(
        self, picture: ports.Picture, persons: Sequence[BoundingBox], settings: FaceSettings
    ) -> tuple[tuple[Face, ...], ...]:
        finder = self._finder(settings.model)
        return self._reader.read(_decoded_here(picture), persons, finder, settings)

    def glance(self, picture: ports.Picture) -> Glance:
        return glance(_decoded_here(picture))

    def provenance(self, settings: DetectionSettings) -> Provenance:
        detector, model_labels = self._detector(settings)
        self._labels_of(settings, model_labels)
        return Provenance(detector.provenance, detector.delegate, self._station.fallback)

    def face_models(self, settings: FaceSettings) -> FaceModels:
        return FaceModels(
            face_detector=self._finder(settings.model).provenance,
            embedder=self._reader.embedder,
            recogniser=self._recogniser.provenance,
        )

    def reload(self) -> None:
        self._detectors.clear()

    @cached_property
    def _reader(self) -> FaceReader:
        return FaceReader(Embedder(), self._recogniser)

    def _detector(self, settings: DetectionSettings) -> tuple[ObjectDetector, Path | None]:
        """The detector and the label file that belongs to it."""
        key = settings.model, settings.head
        if key not in self._detectors:
            delegate = self._station.delegate
            chosen = self._catalogue.resolve(
                settings.model, Task.OBJECTS, self._directory, delegate
            )
            head = chosen.head if settings.head == AUTO else settings.head
            loaded = _loaded(chosen, head, self._station, self._settings)
            self._detectors[key] = ObjectDetector(*loaded), chosen.labels
        return self._detectors[key]

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
        if model == AUTO and not self._catalogue.available(Task.FACES, self._directory, "cpu"):
            model = HOG
        if model == HOG:
            return HogFinder()
        chosen = self._catalogue.resolve(model, Task.FACES, self._directory, "cpu")
        graph, head, provenance = _loaded(chosen, chosen.head, ON_CPU, self._settings)
        if head.name not in CALIBRATION:
            raise ModelError(
                f"{chosen.name} finds no faces: its head is {head.name}",
                f"name one of {', '.join(PREFERENCE[Task.FACES])} or {HOG}",
            )
        return GraphFinder(graph, head, CALIBRATION[head.name], provenance)


def _loaded(
    chosen: ChosenModel, head: str | None, station: Station, settings: InferenceSettings
) -> tuple[Graph, Head, str]:
    """The model's file for the station, with its head and its `name@sha256[:12]`."""
    file = chosen.edgetpu if station.delegate == "edgetpu" else chosen.cpu
    if file is None:
        option = " --edgetpu" if station.delegate == "edgetpu" else ""
        raise ModelError(
            f"the file of {chosen.name} for the {'Edge TPU' if option else 'CPU'} is not here",
            f"run `annotator models fetch{option} {chosen.name}`, or change `delegate`",
        )
    loaded = file.load()
    graph = load_graph(
        loaded.content, str(file.path), device=station.delegate, threads=settings.threads
    )
    return graph, head_for(graph, str(file.path), head), loaded.provenance


def _decoded_here(picture: ports.Picture) -> Picture:
    if not isinstance(picture, Picture):
        raise TypeError(f"{type(picture).__name__} was decoded by another Vision")
    return picture
