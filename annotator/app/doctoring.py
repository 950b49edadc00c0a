"""`doctor`: everything that a first-time user gets wrong, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from annotator.app.checks import Check, Checker, Patient, ok, problem, skipped
from annotator.config import Config
from annotator.errors import AnnotatorError


def examine(source: Path | None, load: Callable[[], Config]) -> Iterator[Check]:
    """Every check, as it is done; one that goes wrong is a problem and the next one follows.

    `source` is the configuration file that `load` reads.
    """
    from annotator.app.checks import database, inference, machine, names, store, telling

    by_machine = (("python", machine.python), ("memory", machine.memory), ("clock", machine.clock))
    by_config: tuple[tuple[str, Checker], ...] = (
        ("runtime", inference.runtime),
        ("edgetpu library", inference.library),
        ("edgetpu devices", inference.devices),
        ("edgetpu rights", inference.rights),
        ("models", inference.models),
        ("inference", inference.inference),
        ("faces", inference.faces),
        ("store", store.store),
        ("mount", store.mount),
        ("database", database.database),
        ("disk", database.disk),
        ("names", names.names),
        ("notify", telling.telling),
        ("service", machine.service),
    )
    for name, look in by_machine:
        yield from isolated(name, look)
    try:
        patient = Patient(load(), source)
    except AnnotatorError as error:
        yield problem("configuration", error)
        for name, _ in by_config:
            yield skipped(name, "the configuration cannot be read")
        return
    yield ok("configuration", str(source) if source else "none; every setting has its default")
    for name, check in by_config:
        yield from isolated(name, partial(check, patient))


def isolated(name: str, look: Callable[[], Iterator[Check]]) -> Iterator[Check]:
    """What `look` finds; whatever it raises becomes a problem of that name."""
    try:
        yield from look()
    except AnnotatorError as error:
        yield problem(name, error)
    except Exception as error:
        trouble = AnnotatorError(
            f"this check failed: {type(error).__name__}: {error}", "please report it as a bug"
        )
        yield problem(name, trouble)
