"""Metrics as a file for the node exporter's textfile collector."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from annotator.errors import AnnotatorError

log = logging.getLogger(__name__)

READABLE = 0o644
"""The exporter is another user."""


class MetricsFile:
    """Writes the file anew every so often until `close`, which takes it away: old figures would be
    taken for new ones."""

    def __init__(self, path: Path, page: Callable[[], bytes], every_s: float) -> None:
        self._path = path
        self._page = page
        self._every_s = every_s
        self._stopping = threading.Event()
        self._failed = False
        self._thread = threading.Thread(target=self._run, name="metrics file")
        self._thread.start()

    def close(self) -> None:
        self._stopping.set()
        self._thread.join()
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            log.warning("metrics stay in %s: %s", self._path, error.strerror)

    def _run(self) -> None:
        while True:
            try:
                write_whole(self._path, self._page())
                self._failed = False
            except (OSError, AnnotatorError) as error:
                if not self._failed:
                    log.warning("metrics cannot be written to %s: %s", self._path, error)
                self._failed = True
            if self._stopping.wait(self._every_s):
                return


def write_whole(path: Path, content: bytes) -> None:
    """So that nobody ever reads half of it. Raises OSError."""
    part = path.with_name(f".{path.name}.part")  # the exporter reads *.prom only
    part.write_bytes(content)
    part.chmod(READABLE)
    part.replace(path)
