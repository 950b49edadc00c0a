"""`export` and `import`: what is known of captures, as lines of JSON."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import IO, TYPE_CHECKING

from annotator.app.signals import stop_signals
from annotator.clock import SystemClock
from annotator.errors import InputError

if TYPE_CHECKING:
    from annotator.config import Config
    from annotator.domain import Window
    from annotator.places import Places
    from annotator.transfer import Record

Tell = Callable[[str, int, int], None]


def export(places: Places, window: Window, tell: Tell) -> Iterator[bytes]:
    """The lines, as they are read; a daemon goes on meanwhile. Raises DatabaseError."""
    from annotator.transfer import EventRecord, encode_record
    from db.engine import open_read_only
    from db.export import SqlExport

    with open_read_only(places.database_path) as database:
        source = SqlExport(database, window)
        total, done = source.count(), 0
        for record in source.records():
            yield encode_record(record) + b"\n"
            if isinstance(record, EventRecord):
                done += 1
                tell("events", done, total)


@dataclass(slots=True)
class Imported:
    """What came in, in captures: annotated, failed or left out, and those that stayed as they were
    since they were known here. `lines` were read."""

    annotated: int = 0
    others: int = 0
    known: int = 0
    lines: int = 0
    interrupted: bool = False


def import_lines(
    config: Config, stream: IO[bytes], *, replace: bool, tell: Callable[[int], None]
) -> Imported:
    """Take in what `export` wrote, into a database that is made where there is none.

    Raises InputError with the number of the first line that is wrong; what came before it stays.
    Raises BusyError where an annotator works on the database.
    """
    from annotator.transfer import decode_record
    from db.engine import open_database
    from db.intake import SqlIntake
    from db.lock import SupervisorLock

    done, clock = Imported(), SystemClock()
    lines = _lines(stream)
    first = tuple(islice(lines, 2))
    if not first:
        raise InputError("there is nothing in it, not even a header", "did the export end well?")
    origin = hashlib.sha256(b"".join(line for _, line in first)).hexdigest()
    with (
        stop_signals() as signalled,
        open_database(config.database_path, forbidden_root=config.store.root) as database,
        SupervisorLock(config.database_path).acquire("import"),
    ):
        intake = SqlIntake(
            database,
            clock,
            lambda monitor: config.for_monitor(monitor).stationary,
            origin=origin,
            replace=replace,
        )

        def records() -> Iterator[tuple[int, Record]]:
            for number, line in chain(first, lines):
                if signalled:
                    return
                done.lines = number
                yield number, decode_record(line, number)

        for taken in intake.take_in(records()):
            done.annotated += taken.annotated
            done.others += taken.others
            done.known += taken.known
            tell(done.lines)
        done.interrupted = bool(signalled)
    return done


def _lines(stream: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Numbered, without empty ones. Raises InputError for one that is too long."""
    from annotator.transfer import MAX_LINE_BYTES, NEXT_STEP

    number = 0
    while line := stream.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(line) > MAX_LINE_BYTES:
            raise InputError(f"line {number} has more than {MAX_LINE_BYTES} bytes", NEXT_STEP)
        if line.strip():
            yield number, line
