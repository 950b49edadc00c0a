"""Where the configuration, the database and the store are; all that a question needs to know.

Reading and checking the whole configuration takes longer than most answers (see
docs/performance.md), so commands that only ask look for the places alone.
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from annotator.errors import ConfigError

CONFIG_NAME = "annotator.toml"
SYSTEM_CONFIG = Path("/etc/annotator") / CONFIG_NAME


@dataclass(frozen=True, slots=True)
class Places:
    """The database, and the root of the store where one is named."""

    database_path: Path
    store_root: Path | None = None


def find_places(
    file: Path | None, *, store: Path | None = None, database: Path | None = None
) -> Places:
    """What a configuration file says of them, or, where it is named, the command line.

    Raises ConfigError where the file cannot be read. Of the rest of the file nothing is checked.
    """
    data = read_toml(file) if file else {}
    database = database or _place(data, "database", "path")
    store = store or _place(data, "store", "root")
    return Places(
        database.expanduser() if database else default_database(),
        store.expanduser() if store else None,
    )


def _place(data: dict[str, Any], section: str, key: str) -> Path | None:
    value = data[section].get(key) if isinstance(data.get(section), dict) else None
    if value is not None and not isinstance(value, str):
        raise ConfigError(
            f"{section}.{key} = {value!r}: must be a path",
            "mend the file, then run `annotator config check`",
        )
    return Path(value) if value is not None else None


def read_toml(path: Path) -> dict[str, Any]:
    """A file's contents. Raises ConfigError."""
    try:
        return tomllib.loads(path.read_bytes().decode())
    except OSError as error:
        raise ConfigError(
            f"cannot read {path}: {error.strerror}", "name an existing file with --config"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}", "mend that line") from error


def find_config(explicit: Path | None = None) -> Path | None:
    """The file to load: named, $ANNOTATOR_CONFIG, ./, the user's, /etc/annotator; None for none."""
    if explicit is not None:
        return explicit
    named = os.environ.get("ANNOTATOR_CONFIG")
    if named:
        return Path(named)
    from platformdirs import user_config_path

    candidates = (Path(CONFIG_NAME), user_config_path("annotator") / CONFIG_NAME, SYSTEM_CONFIG)
    return next((path for path in candidates if path.is_file()), None)


def default_database() -> Path:
    """`annotator.sqlite` in the service's or the user's state directory."""
    return state_directory() / "annotator.sqlite"


def state_directory() -> Path:
    """The service's, else the user's."""
    # systemd's StateDirectory= names the service's own place in this variable.
    service = os.environ.get("STATE_DIRECTORY")
    if service:
        return Path(service.split(":")[0])
    from platformdirs import user_data_path

    return user_data_path("annotator")
