"""Databases for tests: real files, migrated once and opened once for many tests."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from db.engine import Database, open_database


class Databases:
    """Copies of one that was migrated, one after another.

    To migrate takes ten times as long as to copy, and to compile a statement longer than to run it
    on as few rows as tests have. An engine remembers what it has compiled, so it goes from test to
    test; connections and files do not. Those who want several at a time get several.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._idle: list[Database] = []
        self._opened = 0
        self.migrated = folder / "migrated.sqlite"
        """Empty and of the newest schema; not to be changed."""
        open_database(self.migrated, forbidden_root=None).close()

    def put(self, path: Path) -> Path:
        """An empty one there, for those who open it themselves."""
        shutil.copyfile(self.migrated, path)
        return path

    @contextmanager
    def fresh(self, content: Path | None = None) -> Iterator[Database]:
        """An empty one, or a copy of `content`, in a directory of its own that goes with it."""
        opened = self._idle.pop() if self._idle else self._another()
        shutil.copyfile(content or self.migrated, opened.path)
        try:
            # Who listens to this engine does not listen to the next test's.
            yield replace(opened, engine=opened.engine.execution_options())
        finally:
            opened.close()
            shutil.rmtree(opened.path.parent)
            opened.path.parent.mkdir()
        self._idle.append(opened)

    def _another(self) -> Database:
        place = self._folder / str(self._opened)
        place.mkdir()
        self._opened += 1
        opened = open_database(self.put(place / "annotator.sqlite"), forbidden_root=None)
        opened.close()  # its connections; new ones are made when they are needed
        return opened
