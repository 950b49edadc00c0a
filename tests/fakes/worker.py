"""A real worker process around the scripted vision: `python -m tests.fakes.worker FD`.

The greeting is the store's root.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

from annotator.config import Config, StoreSettings
from annotator.nvr.tree import open_tree
from annotator.worker import HUNG_UP, serve
from tests.fakes.vision import ScriptedVision

if __name__ == "__main__":
    with Connection(int(sys.argv[1])) as connection, suppress(*HUNG_UP):
        root = Path(connection.recv_bytes().decode())
        settings = StoreSettings(root=root, layout="deep", timezone="UTC")
        serve(connection, open_tree(settings), ScriptedVision, Config(store=settings))
