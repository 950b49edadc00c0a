"""Real worker processes around the scripted vision: `python -m tests.fakes.worker FD`.

The face process is the same program, greeted with "faces".
"""

from __future__ import annotations

import sys
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

from annotator.child import Child, Graveyard
from annotator.config import (
    Config,
    MonitorOverrides,
    SimilarSettings,
    StoreSettings,
    WorkerSettings,
)
from annotator.domain import Station
from annotator.nvr.tree import open_tree
from annotator.wire import FaceAnswer, decode_face_answer
from annotator.worker import HUNG_UP, serve, serve_faces, try_out
from tests.fakes.vision import ScriptedVision

COMMAND = (sys.executable, "-m", "tests.fakes.worker")
FACES = b"faces"


def start_faces() -> Child[FaceAnswer]:
    return Child(COMMAND, FACES, decode_face_answer, Graveyard())


def greeting(role: str, root: Path, station: Station, device: Path | None) -> bytes:
    words = (role, root, station.delegate, int(station.fallback), device or "")
    return "\n".join(map(str, words)).encode()


def main(connection: Connection) -> None:
    message = connection.recv_bytes()
    if message == FACES:
        serve_faces(connection, ScriptedVision, Config())
        return
    role, root, delegate, fallback, device = message.decode().split("\n")
    station = Station("edgetpu" if delegate == "edgetpu" else "cpu", "", bool(int(fallback)))

    def vision() -> ScriptedVision:
        return ScriptedVision(station, Path(device) if device else None)

    store = StoreSettings(root=Path(root), layout="deep", timezone="UTC")
    similar = SimilarSettings(enabled=True, max_changed=0.1)
    config = Config(
        store=store,
        worker=WorkerSettings(capture_timeout_s=1.0),
        monitors={"Yard": MonitorOverrides(similar=similar.model_dump())},
    )
    if role == "probe":
        try_out(connection, vision, config)
    else:
        serve(connection, open_tree(store), vision, config, start_faces)


if __name__ == "__main__":
    with Connection(int(sys.argv[1])) as connection, suppress(*HUNG_UP):
        main(connection)
