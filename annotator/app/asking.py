"""Questions, answered from the database without changing it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from annotator.app.opening import questions
from annotator.config import Config
from annotator.domain import CaptureQuery, Failure, Sighting, Totals
from annotator.errors import StoreError

if TYPE_CHECKING:
    from annotator.health import Health
    from db.lock import LockHolder


def query(config: Config, question: CaptureQuery) -> Iterator[Sighting]:
    """Newest first. Raises QueryError, DatabaseError."""
    with questions(config) as queries:
        yield from queries.sightings(question)


def failures(config: Config, limit: int) -> Iterator[Failure]:
    """What could not be looked at, newest first."""
    with questions(config) as queries:
        yield from queries.failures(limit)


@dataclass(frozen=True, slots=True)
class Status:
    """How things stand."""

    database: Path
    store: Path | None
    running: LockHolder | None
    health: Health | None
    totals: Totals
    failures: tuple[Failure, ...]


def status(config: Config, failures: int) -> Status:
    from annotator.health import read_health
    from db.lock import holder

    with questions(config) as queries:
        return Status(
            database=config.database_path,
            store=config.store.root,
            running=holder(config.database_path),
            health=read_health(config.database_path),
            totals=queries.totals(),
            failures=tuple(queries.failures(failures)),
        )


def show(config: Config, paths: Sequence[Path], output: Path) -> Iterator[tuple[Path, Path]]:
    """Draw what the database knows about captures; (capture, picture written) for each."""
    from annotator.nvr.tree import open_tree
    from annotator.view.draw import draw, save_drawing

    tree = open_tree(config.store)
    with questions(config) as queries:
        for path in paths:
            capture = tree.capture(path.resolve() if path.exists() else path)
            known = queries.seen_in(capture) if capture else None
            if capture is None or known is None:
                raise StoreError(
                    f"{path} has not been annotated",
                    f"run `annotator backfill {path}` first, or `annotator detect --save DIR`",
                )
            yield (
                tree.absolute(capture),
                save_drawing(draw(tree.read(capture).jpeg, known), capture.path, output),
            )
