"""Where a secret of the configuration really is: in it, in the environment, or in a file."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import SecretStr

from annotator.errors import ConfigError

LONGEST_BYTES = 64 * 1024


def revealed(secret: SecretStr) -> str:
    """`env:NAME` gives an environment variable, `file:PATH` a file's first line, all else itself.

    Raises ConfigError, which does not tell the secret.
    """
    text = secret.get_secret_value()
    if text.startswith("env:"):
        name = text.removeprefix("env:")
        value = os.environ.get(name)
        if value is None:
            raise ConfigError(
                f"the environment has no {name}",
                "set it with `sudo systemctl edit annotator`, or use file:PATH",
            )
        return value
    if text.startswith("file:"):
        path = Path(text.removeprefix("file:")).expanduser()
        try:
            with path.open("rb") as file:
                return file.read(LONGEST_BYTES).decode().split("\n")[0].rstrip("\r")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is no text"
            raise ConfigError(
                f"cannot read the secret in {path}: {why}",
                "let the service's user read it, and nobody else",
            ) from error
    return text


def file_of(secret: SecretStr, configuration: Path | None) -> Path | None:
    """The file in which a secret lies, which is the configuration where that holds it itself; None
    for one that is in no file."""
    text = secret.get_secret_value()
    if not text or text.startswith("env:"):
        return None
    if text.startswith("file:"):
        return Path(text.removeprefix("file:")).expanduser()
    return configuration
