"""Names in the configuration of which nothing is known here: most often slips of the pen.

A label that is kept for ever under a wrong name is not kept, and a rule about a monitor that is not
there never rings; neither is an error that a check of the file alone could see.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from annotator.config import Config
from annotator.domain import UNKNOWN_NAME

NEAR = 0.75
"""How alike two names are that are taken for one; "person" and "persn" are 0.91."""


@dataclass(frozen=True, slots=True)
class Misnamed:
    """A name in the key `where`, and the nearest one that is known, "" where none is near."""

    where: str
    name: str
    near: str

    def __str__(self) -> str:
        hint = f"; did you mean {self.near!r}?" if self.near else ""
        return f"{self.where}: nothing here is called {self.name!r}{hint}"


@dataclass(frozen=True, slots=True)
class Known:
    """What there is; of that of which there is nothing, nobody can say what is misnamed."""

    monitors: Collection[str] = ()
    labels: Collection[str] = ()
    people: Collection[str] = ()


def misnamed(config: Config, known: Known) -> Iterator[Misnamed]:
    """Every name that is not among those that are known."""
    for where, names, among in _named(config, known):
        for name in names if among else ():
            if name not in among:
                near = difflib.get_close_matches(name, among, n=1, cutoff=NEAR)
                yield Misnamed(where, name, near[0] if near else "")


def misnamed_in_retention(config: Config, known: Known) -> Iterator[Misnamed]:
    """What is so like another name, which is not configured itself, that somebody may lose what was
    to be kept."""
    labels = {label for one in config.for_all() for label in one.retention.by_label}
    for one in misnamed(config, known):
        is_about_it = "retention" in one.where or one.where == "monitors"
        if is_about_it and one.near and one.near not in {*labels, *config.monitors}:
            yield one


def _named(config: Config, known: Known) -> Iterator[tuple[str, Collection[str], Collection[str]]]:
    """Where names are, which, and among which they should be."""
    yield "monitors", config.monitors, known.monitors
    for name in ("", *config.monitors):
        own, prefix = config.for_monitor(name), f"monitors.{name}." if name else ""
        for key, labels in (
            ("detection.labels", own.detection.labels),
            ("detection.by_label", own.detection.by_label),
            ("retention.by_label", own.retention.by_label),
        ):
            section, _, field = key.partition(".")
            if not name or field in getattr(config.monitors[name], section):
                yield f"{prefix}{key}", labels, known.labels
    for rule in config.notify:
        where = f"notify {rule.name!r}"
        yield f"{where} monitors", rule.monitors, known.monitors
        yield f"{where} labels", rule.labels, known.labels
        yield f"{where} names", [name for name in rule.names if name != UNKNOWN_NAME], known.people
