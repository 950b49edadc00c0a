"""Whoever is to be told: does the broker answer, are the commands there, can secrets be read."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import suppress
from stat import S_IROTH

from annotator.app.checks import Check, Patient, ok, problem, skipped, warning
from annotator.errors import ConfigError, DeliveryError


def telling(patient: Patient) -> Iterator[Check]:
    config = patient.config
    if not (config.mqtt.host or config.webhooks or config.commands):
        yield skipped("notify", "nobody is to be told")
        return
    if config.mqtt.host:
        yield _broker(patient)
    for name, webhook in config.webhooks.items():
        from annotator.notify.webhook import WebhookDeliverer

        try:
            WebhookDeliverer(name, webhook).check()
            yield ok(f"webhook {name}", "its URL and headers are there; `notify test` uses them")
        except DeliveryError as error:
            yield problem(f"webhook {name}", error)
    for name, command in config.commands.items():
        program = shutil.which(command.run[0])
        if program is None:
            missing = ConfigError(
                f"there is no program {command.run[0]}", f"check `run` in [commands.{name}]"
            )
            yield problem(f"command {name}", missing)
        else:
            yield ok(f"command {name}", program)
    yield from _secrets(patient)


def _secrets(patient: Patient) -> Iterator[Check]:
    """Whoever may read them can tell others in our name."""
    from annotator.notify.secrets import file_of

    config = patient.config
    every = [config.mqtt.password]
    for webhook in config.webhooks.values():
        every += [webhook.url, *webhook.headers.values()]
    for file in dict.fromkeys(file_of(one, patient.source) for one in every):
        with suppress(OSError):  # told by whom it is for
            if file is not None and file.stat().st_mode & S_IROTH:
                yield warning(
                    "secrets",
                    f"everybody on this machine may read {file}",
                    f"`sudo chgrp annotator {file} && sudo chmod 640 {file}`",
                )


def _broker(patient: Patient) -> Check:
    from annotator.app.telling import broker_answers

    settings = patient.config.mqtt
    try:
        broker_answers(patient.config)
    except DeliveryError as error:
        return problem("broker", error)
    return ok("broker", f"{settings.host}:{settings.port} lets us in")
