"""What others have named or said, as a person may see it: file names, labels, answers."""

from __future__ import annotations

_LAYOUT = "\n\t"


def legible(text: str) -> str:
    """With nothing that a terminal would obey but new lines and tabs."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char in _LAYOUT else "\N{REPLACEMENT CHARACTER}"
        for char in text
    )


def one_line(text: str) -> str:
    """All of it on one line."""
    return " ".join(legible(text).split())
