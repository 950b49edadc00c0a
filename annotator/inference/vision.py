"""The port `Vision`: detectors, faces and recogniser, each loaded when it is first needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from statistics import median
from threading import Lock
from time import perf_counter
from typing import TYPE_CHECKING

from annotator import ports
from annotator.config import Config, DetectionSettings, FaceSettings, InferenceSettings
from annotator.domain import (
    BoundingBox,
    Detection,
    Face,
    FaceModels,
    FaceMoment,
    Provenance,
    Station,
)
from annotator.errors import ModelError
from annotator.inference.bundle import BundleWatch
from annotator.inference.catalogue import (
    AUTO,
    PREFERENCE,
    Catalogue,
    ChosenModel,
    Loaded,
    Task,
    load_catalogue,
)
from annotator.inference.embedder import Embedder
from annotator.inference.faces import FaceReader
from annotator.inference.finders import (
    CALIBRATION,
    CloseUpFinder,
    FaceFinder,
    GraphFinder,
    HogFinder,
)
from annotator.inference.glance import Glance, glance
from annotator.inference.heads import head_for
from annotator.inference.identify import Recogniser
from annotator.inference.image import Picture, decode
from annotator.inference.labels import Labels, labels_inside, read_labels
from annotator.inference.objects import ObjectDetector
from annotator.inference.runtime import load_graph

if TYPE_CHECKING:
    from annotator.inference.heads import Head
    from annotator.inference.runtime import Graph

HOG = "hog"
"""The face model that comes with dlib and needs no file."""
FULL_RANGE, SHORT_RANGE = "blazeface_full_range", "blazeface_short_range"
"""Together they are `auto`: the second one for what the first one is too close to."""

ON_CPU = Station()
MOST_TRIES = 5
ENOUGH_TRIED_S = 0.5
"""The middle of so many inferences is told; of fewer, where they take longer than this in all."""


def build_vision(
    config: Config, station: Station = ON_CPU, recogniser: Recogniser | None = None
) -> ModelVision:
    """What a worker looks with. Loads the catalogue only; networks come when they are needed, and
    so does the recogniser: by default that of the configuration's bundle, now and as it changes."""

    def open_recogniser(embedder: str) -> Recogniser:
        return recogniser or BundleWatch(config.recogniser_path, embedder)

    return ModelVision(
        load_catalogue(),
        config.models_directory,
        config.inference,
        station,
        open_recogniser,
        mirrored=config.faces.mirrored,
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
        open_recogniser: Callable[[str], Recogniser],
        *,
        mirrored: bool,
    ):
        self._catalogue = catalogue
        self._directory = models_directory
        self._settings = settings
        self._station = station
        self._open_recogniser = open_recogniser
        self._mirrored = mirrored
        self._detectors: dict[tuple[str, str], tuple[ObjectDetector, Labels | None]] = {}
        self._finders: dict[str, FaceFinder] = {}
        self._labels: dict[Path, Labels] = {}
        # `decode` may find that a detector has to be loaded anew while `objects` finds the same.
        self._loading = Lock()

    def decode(self, jpeg: bytes, settings: DetectionSettings | None) -> Picture:
        """Raises ModelError too, where the settings' detector cannot be loaded."""
        need = self._detector(settings)[0].need(settings) if settings else None
        return decode(jpeg, max_megapixels=self._settings.max_megapixels, need=need)

    def objects(self, picture: ports.Picture, settings: DetectionSettings) -> tuple[Detection, ...]:
        detector, _ = self._detector(settings)
        labels = self._labels_of(settings)
        return detector.detect(_decoded_here(picture), labels, settings)

    def faces(
        self,
        picture: ports.Picture,
        persons: Sequence[BoundingBox],
        settings: FaceSettings,
        moment: FaceMoment | None = None,
    ) -> tuple[tuple[Face, ...], ...]:
        finder = self._finder(settings.model)
        return self._reader.read(_decoded_here(picture), persons, finder, settings, moment)

    def glance(self, picture: ports.Picture) -> Glance:
        return glance(_decoded_here(picture))

    def provenance(self, settings: DetectionSettings) -> Provenance:
        detector, _ = self._detector(settings)
        self._labels_of(settings)
        return Provenance(detector.provenance, detector.delegate, self._station.fallback)

    def face_models(self, settings: FaceSettings) -> FaceModels:
        return FaceModels(
            face_detector=self._finder(settings.model).provenance,
            embedder=self._embedder.provenance,
            recogniser=self._recogniser.provenance,
        )

    def try_out(self, settings: DetectionSettings) -> float:
        empty = decode(_grey_jpeg(), max_megapixels=self._settings.max_megapixels)
        self.objects(empty, settings)  # the first one also hands over the parameters
        took_s: list[float] = []
        while len(took_s) < MOST_TRIES and sum(took_s) < ENOUGH_TRIED_S:
            began_s = perf_counter()
            self.objects(empty, settings)
            took_s.append(perf_counter() - began_s)
        return 1000 * median(took_s)

    def labels(self, settings: DetectionSettings) -> frozenset[str]:
        """Every label that the settings' detector can give. Raises ModelError."""
        return frozenset(self._labels_of(settings).names.values())

    def detectors(self) -> tuple[str, ...]:
        """The object detectors of the catalogue that are here, best first. Raises ModelError."""
        entries = self._catalogue.available(Task.OBJECTS, self._directory, self._station.delegate)
        if not entries:
            raise ModelError(
                f"there is no model for objects in {self._directory}",
                "run `annotator models fetch`",
            )
        return tuple(entry.name for entry in entries)

    def reload(self) -> None:
        with self._loading:
            for detector, _ in self._detectors.values():
                detector.close()
            self._detectors.clear()

    @cached_property
    def _reader(self) -> FaceReader:
        return FaceReader(self._embedder, self._recogniser, mirrored=self._mirrored)

    @cached_property
    def _embedder(self) -> Embedder:
        return Embedder()

    @cached_property
    def _recogniser(self) -> Recogniser:
        return self._open_recogniser(self._embedder.provenance)

    def _detector(self, settings: DetectionSettings) -> tuple[ObjectDetector, Labels | None]:
        """The detector and the labels that belong to it."""
        key = settings.model, settings.head
        with self._loading:
            if key not in self._detectors:
                self._detectors[key] = self._load(settings)
            return self._detectors[key]

    def _load(self, settings: DetectionSettings) -> tuple[ObjectDetector, Labels | None]:
        chosen = self._catalogue.resolve(
            settings.model, Task.OBJECTS, self._directory, self._station.delegate
        )
        head = chosen.head if settings.head == AUTO else settings.head
        graph, fitting, loaded = _loaded(chosen, head, self._station, self._settings)
        labels = read_labels(chosen.labels) if chosen.labels else labels_inside(loaded.content)
        return ObjectDetector(graph, fitting, loaded.provenance), labels

    def _labels_of(self, settings: DetectionSettings) -> Labels:
        detector, labels = self._detector(settings)
        path = settings.labels_file
        if path is not None:
            if path not in self._labels:
                self._labels[path] = read_labels(path)
            labels = self._labels[path]
        if labels is None:
            raise ModelError(
                f"nothing says what the classes of {settings.model} are called",
                "name its label file as `labels_file` in [detection]",
            )
        if detector.classes not in (None, labels.count):
            raise ModelError(
                f"{path or 'its label file'} names {labels.count} classes, but {settings.model} "
                f"tells {detector.classes} apart",
                "name the label file that the network was trained with as `labels_file`",
            )
        return labels

    def _finder(self, model: str) -> FaceFinder:
        if model not in self._finders:
            self._finders[model] = self._new_finder(model)
        return self._finders[model]

    def _new_finder(self, model: str) -> FaceFinder:
        if model == AUTO:
            available = self._catalogue.available(Task.FACES, self._directory, "cpu")
            here = {entry.name for entry in available}
            if not here:
                model = HOG
            elif {FULL_RANGE, SHORT_RANGE} <= here:
                return CloseUpFinder(self._finder(FULL_RANGE), self._finder(SHORT_RANGE))
        if model == HOG:
            return HogFinder()
        chosen = self._catalogue.resolve(model, Task.FACES, self._directory, "cpu")
        graph, head, loaded = _loaded(chosen, chosen.head, ON_CPU, self._settings)
        if head.name not in CALIBRATION:
            raise ModelError(
                f"{chosen.name} finds no faces: its head is {head.name}",
                f"name one of {', '.join(PREFERENCE[Task.FACES])} or {HOG}",
            )
        return GraphFinder(graph, head, CALIBRATION[head.name], loaded.provenance)


def _loaded(
    chosen: ChosenModel, head: str | None, station: Station, settings: InferenceSettings
) -> tuple[Graph, Head, Loaded]:
    """The model's file for the station, with its head."""
    file = chosen.edgetpu if station.delegate == "edgetpu" else chosen.cpu
    if file is None:
        option = " --edgetpu" if station.delegate == "edgetpu" else ""
        raise ModelError(
            f"the file of {chosen.name} for the {'Edge TPU' if option else 'CPU'} is not here",
            f"run `annotator models fetch{option} {chosen.name}`, or change `delegate`",
        )
    loaded = file.load()
    graph = load_graph(
        loaded.content,
        str(file.path),
        station=station,
        library=settings.edgetpu_library,
        threads=settings.threads,
    )
    return graph, head_for(graph, str(file.path), head), loaded


def _grey_jpeg() -> bytes:
    import io

    from PIL import Image

    out = io.BytesIO()
    Image.new("RGB", (640, 360), (128, 128, 128)).save(out, "JPEG")
    return out.getvalue()


def _decoded_here(picture: ports.Picture) -> Picture:
    if not isinstance(picture, Picture):
        raise TypeError(f"{type(picture).__name__} was decoded by another Vision")
    return picture
