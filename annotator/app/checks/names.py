"""Names in the configuration: is there anything here that is called so?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from annotator.app.checks import Check, Patient, ok, warning
from annotator.app.misnamed import Known, misnamed
from annotator.config import Config
from annotator.errors import DatabaseError, ModelError
from annotator.filters import FACE_LABEL


def names(patient: Patient) -> Iterator[Check]:
    config, people = patient.config, _people(patient.config)
    found = list(misnamed(config, _known(config, people)))
    for one in found:
        yield warning("names", str(one), "mend it, or leave it where it is still to come")
    about_people = [rule.name for rule in config.notify if rule.names]
    if about_people and not people:
        yield warning(
            "names",
            f"the rule {about_people[0]!r} is about people, and there is no recogniser",
            "`trainer train` makes one; until then nobody is known, and nobody unknown",
        )
    elif not found:
        yield ok("names", "the configuration names nothing that is not known")


def _known(config: Config, people: tuple[str, ...]) -> Known:
    from db.engine import open_read_only
    from db.lookup import SqlLookup

    labels = _labels(config)
    # Without a database, of which its own check tells, there is less to compare with.
    with suppress(DatabaseError), open_read_only(config.database_path) as database:
        seen = SqlLookup(database)
        met = frozenset(seen.labels()) if labels else frozenset()
        return Known(seen.monitors(), labels | met, {*people, *seen.names()})
    return Known((), labels, people)


def _labels(config: Config) -> frozenset[str]:
    """All that the detectors may see; nothing where one of them does not tell."""
    from annotator.inference.catalogue import Task, load_catalogue
    from annotator.inference.labels import labels_inside, read_labels

    catalogue, found = load_catalogue(), {FACE_LABEL}
    for settings in config.detectors():
        try:
            chosen = catalogue.resolve(
                settings.model, Task.OBJECTS, config.models_directory, "auto"
            )
            file, beside = chosen.cpu or chosen.edgetpu, settings.labels_file or chosen.labels
            inside = labels_inside(file.load().content) if file and not beside else None
            labels = read_labels(beside) if beside else inside
        except ModelError:  # told by the check of the models
            labels = None
        if labels is None:
            return frozenset()
        found.update(labels.names.values())
    return frozenset(found)


def _people(config: Config) -> tuple[str, ...]:
    """Whom the recogniser knows; nobody where it cannot be used: the daemon's log tells why."""
    from annotator.inference.bundle import read_bundle

    try:
        return read_bundle(config.recogniser_path).manifest.names
    except ModelError:
        return ()
