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
from typing import Any

from annotator.config import DetectionSettings, FaceSettings
from annotator.domain import (
    BoundingBox,
    Detection,
    Face,
    FaceModels,
    Gate,
    Identification,
    Identity,
    Provenance,
    Reason,
)
from annotator.errors import CaptureUnreadable

HEAD, TAIL = b"\xff\xd8\xff\xda\x00\x02", b"\xff\xd9"


def scripted(**script: Any) -> bytes:
    """`labels=[...]` to be seen; or `crash=True`, `hang=True`, `bug=True`, `corrupt=True`.

    `crash_faces` and `hang_faces` wait for the faces.
    """
    return HEAD + json.dumps(script).encode() + TAIL


@dataclass(frozen=True)
class ScriptedPicture:
    script: dict[str, Any]
    width: int = 640
    height: int = 480


class ScriptedVision:
    def decode(self, jpeg: bytes) -> ScriptedPicture:
        script = json.loads(jpeg.removeprefix(HEAD).removesuffix(TAIL))
        if script.get("corrupt"):
            raise CaptureUnreadable(Reason.CORRUPT, "the script says it is corrupt")
        return ScriptedPicture(script)

    def objects(
        self, picture: ScriptedPicture, settings: DetectionSettings
    ) -> tuple[Detection, ...]:
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
        self, picture: ScriptedPicture, persons: Sequence[BoundingBox], settings: FaceSettings
    ) -> Sequence[tuple[Face, ...]]:
        if picture.script.get("crash_faces"):
            os.kill(os.getpid(), signal.SIGSEGV)
        if picture.script.get("hang_faces"):
            signal.pause()
        nobody = Identification(Identity.NO_GALLERY)
        return [(Face(person, 0.8, 100.0, Gate.USABLE, bytes(512), nobody),) for person in persons]

    def provenance(self, settings: DetectionSettings) -> Provenance:
        return Provenance("scripted", "cpu")

    def face_models(self, settings: FaceSettings) -> FaceModels:
        return FaceModels("scripted finder", "scripted embedder")
