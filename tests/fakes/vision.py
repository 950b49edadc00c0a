"""A Vision that does what the picture says, crashing and hanging included.

A scripted picture is JSON between a JPEG's first and last marker, so that the real store takes it
for complete.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from annotator.config import DetectionSettings, FaceSettings
from annotator.domain import (
    BoundingBox,
    Detection,
    Face,
    FaceModels,
    FaceMoment,
    Gate,
    Identification,
    Identity,
    Provenance,
    Reason,
    Station,
)
from annotator.errors import CaptureUnreadable, DeviceLost
from annotator.ports import Glance

HEAD, TAIL = b"\xff\xd8\xff\xda\x00\x02", b"\xff\xd9"


def scripted(**script: Any) -> bytes:
    """`labels=[...]` to be seen; or `crash=True`, `hang=True`, `bug=True`, `corrupt=True`.

    `crash_decoder` does not even get there; `crash_faces` and `hang_faces` wait for the faces.
    `faces_alone=[[xmin, ymin, xmax, ymax]]` are in nobody's box.
    """
    return HEAD + json.dumps(script).encode() + TAIL


@dataclass(frozen=True)
class ScriptedPicture:
    script: dict[str, Any]
    width: int = 640
    height: int = 480


@dataclass(frozen=True)
class ScriptedGlance:
    """`view=...` is what is to be seen from afar."""

    view: float

    def changed(self, before: Glance) -> float:
        assert isinstance(before, ScriptedGlance)
        return min(1.0, abs(self.view - before.view))


class ScriptedVision:
    """`device` is a file that says how an Edge TPU is: "well", "gone", "failing", "hanging" or
    "crashing"; None works on the CPU."""

    def __init__(self, station: Station | None = None, device: Path | None = None) -> None:
        self._station = station or Station()
        self._device = device if self._station.delegate == "edgetpu" else None
        self._tracks: dict[tuple[str, BoundingBox], int] = {}

    def decode(self, jpeg: bytes, settings: DetectionSettings | None) -> ScriptedPicture:
        script = json.loads(jpeg.removeprefix(HEAD).removesuffix(TAIL))
        if script.get("crash_decoder"):
            os.kill(os.getpid(), signal.SIGSEGV)
        if script.get("corrupt"):
            raise CaptureUnreadable(Reason.CORRUPT, "the script says it is corrupt")
        return ScriptedPicture(script)

    def objects(
        self, picture: ScriptedPicture, settings: DetectionSettings
    ) -> tuple[Detection, ...]:
        self._use_device()
        if picture.script.get("crash"):
            os.kill(os.getpid(), signal.SIGSEGV)
        if picture.script.get("hang"):
            signal.pause()
        if picture.script.get("bug"):
            raise ZeroDivisionError("as the script says")
        labels = picture.script.get("labels", [])
        return tuple(
            Detection(label, 0, 0.9, BoundingBox(10 * at, 0, 10 * at + 8, 100))
            for at, label in enumerate(labels)
        )

    def faces(
        self,
        picture: ScriptedPicture,
        persons: Sequence[BoundingBox],
        settings: FaceSettings,
        moment: FaceMoment | None = None,
    ) -> Sequence[tuple[Face, ...]]:
        if picture.script.get("crash_faces"):
            os.kill(os.getpid(), signal.SIGSEGV)
        if picture.script.get("hang_faces"):
            signal.pause()
        faces = [(self._face(person, moment),) for person in persons]
        if settings.outside_persons:
            passers_by = [BoundingBox(*box) for box in picture.script.get("faces_alone", [])]
            faces.append(tuple(self._face(box, moment) for box in passers_by))
        return faces

    def _face(self, box: BoundingBox, moment: FaceMoment | None) -> Face:
        nobody = Identification(Identity.NO_GALLERY)
        if moment is None:
            return Face(box, 0.8, 100.0, Gate.USABLE, bytes(512), nobody, turn=0.1)
        # Who stands in the same place is the same person.
        place = moment.event, box
        first = place not in self._tracks
        track = self._tracks.setdefault(place, moment.frame << 32 | box.xmin)
        if first:
            return Face(box, 0.8, 100.0, Gate.USABLE, bytes(512), nobody, track)
        return Face(box, 0.8, 100.0, Gate.SEEN_BETTER, None, nobody, track)

    def glance(self, picture: ScriptedPicture) -> ScriptedGlance:
        return ScriptedGlance(picture.script.get("view", 0.0))

    def provenance(self, settings: DetectionSettings) -> Provenance:
        if self._device and self._device.read_text() == "gone":
            raise DeviceLost("the device is gone", "plug it in")
        return Provenance("scripted", self._station.delegate, self._station.fallback)

    def face_models(self, settings: FaceSettings) -> FaceModels:
        return FaceModels("scripted finder", "scripted embedder")

    def try_out(self, settings: DetectionSettings) -> float:
        self._use_device()
        return 1.0

    def reload(self) -> None:
        if self._device and self._device.read_text() == "failing once":
            self._device.write_text("well")

    def _use_device(self) -> None:
        state = self._device.read_text() if self._device else "well"
        if state.startswith("failing") or state == "gone":
            raise DeviceLost(f"the device is {state}", "reload it")
        if state == "hanging":
            signal.pause()
        if state == "crashing":
            os.kill(os.getpid(), signal.SIGABRT)
