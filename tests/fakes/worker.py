"""Real worker processes around the scripted vision: `python -m tests.fakes.worker FD`.

The greeting is the store's root. The face process is the same program, greeted with "faces".
"""

from __future__ import annotations

import sys
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

from annotator.child import Child, Graveyard
from annotator.config import Config, StoreSettings, WorkerSettings
from annotator.nvr.tree import open_tree
from annotator.wire import FaceAnswer, decode_face_answer
from annotator.worker import HUNG_UP, serve, serve_faces
from tests.fakes.vision import ScriptedVision

COMMAND = (sys.executable, "-m", "tests.fakes.worker")
FACES = b"faces"


def start_faces() -> Child[FaceAnswer]:
    return Child(COMMAND, FACES, decode_face_answer, Graveyard())


if __name__ == "__main__":
    with Connection(int(sys.argv[1])) as connection, suppress(*HUNG_UP):
        greeting = connection.recv_bytes()
        if greeting == FACES:
            serve_faces(connection, ScriptedVision, Config())
        else:
            store = StoreSettings(root=Path(greeting.decode()), layout="deep", timezone="UTC")
            config = Config(store=store, worker=WorkerSettings(capture_timeout_s=1.0))
            serve(connection, open_tree(store), ScriptedVision, config, start_faces)
