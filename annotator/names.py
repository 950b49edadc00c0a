"""What people can be called, and what strangers are."""

from __future__ import annotations

import re

from annotator.domain import UNKNOWN_NAME, Identity
from annotator.errors import QueryError

MAX_CHARACTERS = 80

_STRANGER = re.compile(r"stranger-([0-9]{1,9})", re.IGNORECASE)
_TAKEN = {UNKNOWN_NAME, str(Identity.NO_GALLERY)}


def person_name(text: str) -> str:
    """The name of a person, without blanks around it. Raises QueryError where it cannot be one.

    A person is a folder of the gallery too, so a name is never a path.
    """
    name = text.strip()
    if not name or len(name) > MAX_CHARACTERS or not name.isprintable():
        raise QueryError(
            f"{text!r} cannot be a person's name",
            f"give one of 1 to {MAX_CHARACTERS} printable characters",
        )
    if "/" in name or name.startswith("."):
        raise QueryError(
            f"{text!r} cannot be a person's name", "a name has no `/`, and does not begin with `.`"
        )
    if name.casefold() in _TAKEN:
        raise QueryError(
            f"nobody can be called {name!r}, which stands for a face that is nobody's",
            "give another name; `--not NAME` says who somebody is not",
        )
    if stranger_number(name) is not None:
        raise QueryError(
            f"nobody can be called {name!r}, which stands for a stranger", "give another name"
        )
    return name


def stranger_name(number: int) -> str:
    """What people read and type for a stranger: stranger-017."""
    return f"stranger-{number:03d}"


def stranger_number(text: str) -> int | None:
    """Which stranger is meant; None where it is something else."""
    found = _STRANGER.fullmatch(text.strip())
    return int(found[1]) if found else None
