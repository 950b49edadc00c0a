"""Options that every command takes, and how they become a Config."""

from __future__ import annotations

from collections.abc import Callable
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from annotator.errors import ConfigError

if TYPE_CHECKING:
    from annotator.config import Config
    from annotator.places import Places

GARBAGE = 100_000
"""Objects; the usual is 700. At some 100 bytes each this bounds what waits to be collected."""

F = TypeVar("F", bound=Callable[..., Any])


class NumberRange(click.FloatRange):
    """A number within limits. click's own lets `nan` through, which is in none and fits nothing."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        number = float(super().convert(value, param, ctx))
        if isnan(number):
            self.fail(f"{value} is no number.", param, ctx)
        return number


def _remember(context: click.Context, option: click.Parameter, value: object) -> None:
    """Keep what was given; before the command's name and after it are one place."""
    given = context.ensure_object(dict)
    if value:
        given[option.name] = value


def _shared(*names: str, help_text: str, **settings: Any) -> Callable[[F], F]:
    return click.option(*names, expose_value=False, callback=_remember, help=help_text, **settings)


_FILE = click.Path(path_type=Path)
_COMMON = (
    _shared(
        "--config",
        "config_file",
        type=_FILE,
        help_text="Configuration file (else $ANNOTATOR_CONFIG, ./annotator.toml, the user's, "
        "/etc).",
    ),
    _shared("--store", type=_FILE, help_text="The event tree; wins over the configuration."),
    _shared("--database", type=_FILE, help_text="The SQLite file; wins over the configuration."),
    _shared("-v", "--verbose", is_flag=True, help_text="Say more on stderr."),
)


def common_options(command: F) -> F:
    """Add --config, --store, --database and --verbose; good before and after the command's name."""
    for option in reversed(_COMMON):
        command = option(command)
    return command


def load_config(named: Path | None = None) -> Config:
    """The configuration for the running command, from `named` if given. Raises ConfigError."""
    from annotator import config as configuration

    given = click.get_current_context().ensure_object(dict)
    loaded = configuration.load_config(named or config_file())
    return loaded.with_places(store=given.get("store"), database=given.get("database"))


def load_places() -> Places:
    """Where the running command finds the database and the store. Raises ConfigError.

    For commands that only ask. They make little garbage, and are over soon: to look for it as often
    as usual takes a tenth of their time, nearly all of it while modules are loaded.
    """
    import gc

    from annotator.places import find_places

    gc.set_threshold(GARBAGE)

    given = click.get_current_context().ensure_object(dict)
    return find_places(config_file(), store=given.get("store"), database=given.get("database"))


def config_file() -> Path | None:
    """The configuration file of the running command; None where there is none."""
    from annotator.places import find_config

    return find_config(click.get_current_context().ensure_object(dict).get("config_file"))


def service_config_file() -> Path:
    """The file a service is set up with: the named one, else the system's. Raises ConfigError.

    Not the one beside the person who sets it up, and not what the command line says otherwise: the
    daemon would have neither.
    """
    from annotator.places import SYSTEM_CONFIG

    given = click.get_current_context().ensure_object(dict)
    for option in ("store", "database"):
        if option in given:
            raise ConfigError(
                f"--{option} does not reach the service", "write it into the configuration"
            )
    file: Path | None = given.get("config_file")
    return file or SYSTEM_CONFIG


def start_logging() -> None:
    """Log lines go to stderr, with the time, or as the journal wants them."""
    import logging

    from annotator import journal

    verbose = click.get_current_context().ensure_object(dict).get("verbose", False)
    logging.basicConfig(handlers=[journal.stderr_handler()])
    for ours in ("annotator", "db"):
        logging.getLogger(ours).setLevel(logging.DEBUG if verbose else logging.INFO)
