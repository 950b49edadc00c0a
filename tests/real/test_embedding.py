"""Our embeddings are those of `face_recognition`, on the same pixels and boxes.

The reference runs in a process of its own: importing it loads 140 MB of models, changes Pillow's
settings for everybody, and needs the `pkg_resources` that newer setuptools no longer have.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from annotator.domain import BoundingBox
from annotator.inference.embedder import Embedder

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("face_recognition") is None,
    reason="face_recognition is not installed (pip install --no-deps face_recognition)",
)

REFERENCE = """
import importlib.util, json, sys, types
from pathlib import Path

models = Path(importlib.util.find_spec("face_recognition_models").origin).parent
stand_in = types.ModuleType("pkg_resources")
stand_in.resource_filename = lambda package, name: str(models / name)
sys.modules["pkg_resources"] = stand_in

import face_recognition

answers = []
for path, boxes in json.load(sys.stdin):
    pixels = face_recognition.load_image_file(path)
    found = face_recognition.face_locations(pixels)
    known = [tuple(box) for box in boxes] or found
    encodings = face_recognition.face_encodings(pixels, known)
    answers.append([[list(box), list(map(float, e))] for box, e in zip(known, encodings)])
json.dump(answers, sys.stdout)
"""


def reference(questions: list[tuple[str, list[tuple[int, int, int, int]]]]) -> list[list]:
    """Per picture, for its boxes (top, right, bottom, left; none: those it finds), the numbers."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", REFERENCE],
        input=json.dumps(questions),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return json.loads(done.stdout)


def test_embeddings_are_those_of_face_recognition(shared: Path) -> None:
    gallery = sorted((shared / "data" / "faces" / "gallery").glob("*/*.jpg"))[::90]
    hopper = shared / "data" / "coral" / "grace_hopper.bmp"
    questions = [(str(path), []) for path in [*gallery, hopper]]
    # Also where the box is not its own, and where it touches the picture's edge.
    questions += [(str(hopper), [(130, 380, 340, 170), (0, 400, 300, 0)])]
    embedder = Embedder()
    compared = 0
    for (path, _), answers in zip(questions, reference(questions), strict=True):
        with Image.open(path) as picture:
            pixels = np.asarray(picture.convert("RGB"))
        for (top, right, bottom, left), theirs in answers:
            # dlib's maxima are inclusive; a box of ours begins inside the picture.
            box = BoundingBox(max(left, 0), max(top, 0), right + 1, bottom + 1)
            ours = np.frombuffer(embedder.embed(pixels, embedder.align(pixels, box)), dtype="<f4")
            assert np.linalg.norm(ours - np.array(theirs)) < 1e-5
            compared += 1
    assert compared >= 8
