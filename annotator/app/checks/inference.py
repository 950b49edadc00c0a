"""Runtimes, the Edge TPU, model files, and whether they work together."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING

from annotator.app.checks import Check, Patient, ok, problem, skipped, warning
from annotator.config import Config, DetectionSettings
from annotator.domain import Station
from annotator.errors import AnnotatorError, DeviceLost, ModelError, RuntimeUnavailable

if TYPE_CHECKING:
    from annotator.app.stations import Device
    from annotator.child import Child
    from annotator.inference.catalogue import Catalogue, ChosenModel
    from annotator.wire import Answer, FaceAnswer

MOST_PATIENCE_S = 60.0
ON_CPU = Station()


def runtime(_: Patient) -> Iterator[Check]:
    from annotator.inference.tflite import has_google_pycoral, installed_runtimes

    found = ", ".join(map(str, installed_runtimes()))
    yield ok("runtime", f"{found}, Google's pycoral" if has_google_pycoral() else found)


def library(patient: Patient) -> Iterator[Check]:
    name, wanted = "edgetpu library", patient.config.inference.delegate
    if wanted == "cpu":
        yield skipped(name, 'delegate = "cpu"')
        return
    told = patient.inventory
    if told.trouble and (wanted == "edgetpu" or told.is_passing):
        yield problem(name, RuntimeUnavailable(told.trouble, told.next_step))
    elif told.trouble and patient.nodes:
        yield warning(name, f"{told.trouble}, but an Edge TPU is plugged in", told.next_step)
    elif told.trouble:
        yield skipped(name, f"no Edge TPU is plugged in ({told.trouble})")
    elif told.commit is None:
        yield warning(
            name,
            f"{told.file} does not say for which TensorFlow it was built ({told.version})",
            "if inference crashes, install one that was built for a newer TensorFlow than 2.11",
        )
    else:
        built = f"built from TensorFlow {told.commit[:8]}"
        yield ok(name, f"{told.file}, {built}, fits {told.runtime}")


def devices(patient: Patient) -> Iterator[Check]:
    from annotator.inference.nodes import is_driver_missing

    name, settings = "edgetpu devices", patient.config.inference
    if settings.delegate == "cpu" or patient.inventory.trouble:
        yield skipped(name, "the library is not asked")
        return
    if is_driver_missing():
        lacking = RuntimeUnavailable(
            "an Edge TPU on PCIe has no driver", "install gasket-dkms (docs/edgetpu.md)"
        )
        yield problem(name, lacking)
    found = patient.inventory.devices
    for device in found:
        described = f"{device.name} ({device.path})"
        if not device.is_held:
            yield ok(name, f"{described} is free")
        elif patient.running and _is_child(device.holder_pid, patient.running.pid):
            yield ok(name, f"{described} works for `annotator {patient.running.role}`")
        else:
            who = f"process {device.holder_pid}" if device.holder_pid else "another process"
            held = DeviceLost(
                f"{described} is in use by {who}",
                "stop that one: an Edge TPU serves one process only",
            )
            yield problem(name, held)
    wanted = settings.devices or ((":0",) if settings.delegate == "edgetpu" else ())
    for absent in (device for device in wanted if not _meant(device, patient)):
        missing = DeviceLost(
            f"there is no Edge TPU {absent}",
            "plug it in; `lsusb` shows 1a6e:089a or 18d1:9302, PCIe is /dev/apex_0",
        )
        yield problem(name, missing)
    if not found and not wanted:
        yield skipped(name, "none is plugged in")


def rights(patient: Patient) -> Iterator[Check]:
    name = "edgetpu rights"
    if patient.config.inference.delegate == "cpu":
        yield skipped(name, 'delegate = "cpu"')
        return
    if not patient.nodes:
        yield skipped(name, "no Edge TPU is plugged in")
    for node in patient.nodes:
        if node.usable:
            yield ok(name, f"this user may use {node.device} (group {node.group})")
            continue
        closed = RuntimeUnavailable(
            f"this user may not use {node.device} (group {node.group})",
            f"`sudo usermod -aG {node.group} $USER` and log in anew; where the group is root, "
            "`annotator service install` brings the udev rule: then plug the device in again",
        )
        yield problem(name, closed)


def models(patient: Patient) -> Iterator[Check]:
    from annotator.inference.catalogue import Task, load_catalogue

    config, catalogue = patient.config, load_catalogue()
    for settings in config.detectors():
        try:
            chosen = catalogue.resolve(
                settings.model, Task.OBJECTS, config.models_directory, "auto"
            )
            yield _examined(f"model {_short(settings.model)}", chosen, settings, patient)
        except ModelError as error:
            yield problem(f"model {_short(settings.model)}", error)
    for model in _face_models(config):
        yield _examined_finder(model, catalogue, config)


def inference(patient: Patient) -> Iterator[Check]:
    """One timed inference per model and station, each in a process that may crash or hang."""
    from annotator.app.children import start_probe
    from annotator.app.stations import stations_for
    from annotator.wire import Broken, Ready, Unplugged

    stations = stations_for(patient.config, lambda _: patient.inventory)
    for settings in patient.config.detectors():
        alone = patient.config.model_copy(update={"detection": settings, "monitors": {}})
        # The CPU too, which stands in for a device that fails.
        for station in dict.fromkeys((*stations, ON_CPU)):
            name = f"inference {_short(settings.model)} on {station}"
            if station.delegate == "edgetpu" and _is_held(station.device, patient):
                yield skipped(name, "another process has it")
                continue
            with TemporaryFile() as said:
                child = start_probe(alone, station, patient.graveyard, stderr=said)
                try:
                    answer = _answer(child, patient.config, said)
                except AnnotatorError as error:
                    yield problem(name, error)
                    continue
            match answer:
                case Ready():
                    yield ok(name, f"{answer.inference_ms:.1f} ms a picture")
                case Broken():
                    yield problem(name, answer.error())
                case Unplugged():
                    yield problem(name, DeviceLost(answer.message, answer.next_step))


def faces(patient: Patient) -> Iterator[Check]:
    from annotator.app.children import start_faces
    from annotator.wire import Broken

    if not _face_models(patient.config):
        yield skipped("faces", "not looked for")
        return
    with TemporaryFile() as said:
        child = start_faces(patient.config, patient.graveyard, stderr=said)
        answer = _answer(child, patient.config, said)
    if isinstance(answer, Broken):
        yield problem("faces", answer.error())
    else:
        yield ok("faces", "finder and embedder can be loaded")


def _answer(
    child: Child[Answer] | Child[FaceAnswer], config: Config, said: IO[bytes]
) -> Answer | FaceAnswer:
    """The first thing that it says. Raises RuntimeUnavailable where it crashes or hangs."""
    from annotator.child import ChildLost

    patience_s = min(config.worker.start_timeout_s, MOST_PATIENCE_S)
    try:
        if child.connection.poll(patience_s):
            return child.messages(most=1)[0]
        raise RuntimeUnavailable(
            f"it did not answer within {patience_s:g} s",
            "an Edge TPU that hangs has to be unplugged; a slow machine needs a smaller model",
        )
    except ChildLost as lost:
        said.seek(0)
        lines = said.read(100_000).decode(errors="replace").splitlines()
        worth_telling = [line for line in lines if line.strip() and not line.startswith("INFO:")]
        words = f"; its last words: {worth_telling[-1]}" if worth_telling else ""
        raise RuntimeUnavailable(
            f"its process {lost}{words}",
            "an Edge TPU that crashes: see docs/edgetpu.md for cables, power and versions",
        ) from lost
    finally:
        child.kill()


def _examined(
    name: str, chosen: ChosenModel, settings: DetectionSettings, patient: Patient
) -> Check:
    """Its files by their checksums, its labels, and whether what is plugged in can run it."""
    from annotator.inference.labels import read_labels

    files = [file for file in (chosen.cpu, chosen.edgetpu) if file]
    loaded = [file.load().provenance for file in files]
    places = ", ".join(file.path.name for file in files)
    labels = settings.labels_file or chosen.labels
    named = f"{read_labels(labels).count} classes" if labels else "labels inside"
    described = f"{loaded[0]}: {places}; {named}"
    missing = [
        which
        for which, file, is_wanted in (
            ("the CPU", chosen.cpu, True),
            ("the Edge TPU", chosen.edgetpu, _wants_edgetpu(patient)),
        )
        if is_wanted and file is None
    ]
    if not missing:
        return ok(name, described)
    option = " --edgetpu" if chosen.edgetpu is None else ""
    return warning(
        name,
        f"{described}; no file for {' and '.join(missing)}",
        f"`annotator models fetch{option} {chosen.name}`, or put it beside the other",
    )


def _examined_finder(model: str, catalogue: Catalogue, config: Config) -> Check:
    from annotator.inference.catalogue import AUTO, Task

    name, directory = f"face model {_short(model)}", config.models_directory
    is_here = bool(catalogue.available(Task.FACES, directory, "cpu"))
    if model == "hog" or (model == AUTO and not is_here):
        return ok(name, "dlib's own, which needs no file")
    try:
        file = catalogue.resolve(model, Task.FACES, directory, "cpu").cpu
        return ok(name, file.load().provenance if file else "no file for the CPU")
    except ModelError as error:
        return problem(name, error)


def _wants_edgetpu(patient: Patient) -> bool:
    delegate = patient.config.inference.delegate
    return delegate == "edgetpu" or (delegate == "auto" and bool(patient.nodes))


def _face_models(config: Config) -> tuple[str, ...]:
    settings = (monitor.faces for monitor in config.for_all())
    return tuple(dict.fromkeys(one.model for one in settings if one.enabled))


def _meant(device: str, patient: Patient) -> tuple[Device, ...]:
    """The devices that are plugged in and that a device string allows."""
    from annotator.inference.edgetpu import EdgeTpu, meant_by

    found = {EdgeTpu(one.kind, one.path, one.name): one for one in patient.inventory.devices}
    return tuple(found[one] for one in meant_by(device, tuple(found)))


def _is_held(device: str, patient: Patient) -> bool:
    meant = _meant(device, patient)
    return bool(meant) and all(one.is_held for one in meant)


def _short(model: str) -> str:
    """A name of the catalogue, or the file's of one's own."""
    return Path(model).name


def _is_child(pid: int | None, parent: int | None) -> bool:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return False
    return os.getpid() != pid and parent is not None and int(fields[1]) == parent
