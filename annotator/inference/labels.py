"""Label files: class id -> name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from annotator.errors import ModelError

MAX_LABEL_FILE_BYTES = 2**20
_NUMBERED = re.compile(r"(\d+)[\s:,]+(\S.*)")


@dataclass(frozen=True, slots=True)
class Labels:
    names: Mapping[int, str]

    def name(self, class_id: int) -> str:
        """The class's name; a class that the file does not name is "class 17", never dropped."""
        return self.names.get(class_id, f"class {class_id}")


def read_labels(path: Path) -> Labels:
    """One class per line, `17 cat` (or `17: cat`), or `cat` alone, then counted from 0.

    Lines that begin with `#` and empty lines around the list are ignored; an empty line in it, like
    `n/a`, is an id that is not in use. `???` in the first line is TensorFlow's word for the
    background, which the networks here do not count: the line after it is class 0.
    """
    try:
        with path.open("rb") as file:
            text = file.read(MAX_LABEL_FILE_BYTES).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(
            f"cannot read the labels {path}: {error}", "name a text file in `labels_file`"
        ) from error
    return parse_labels(text)


def parse_labels(text: str) -> Labels:
    kept = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    lines = [line.strip() for line in kept.strip().split("\n")]
    numbered = [_NUMBERED.fullmatch(line) for line in lines if line]
    if numbered and all(numbered):
        pairs = [(int(match[1]), match[2]) for match in numbered if match]
        if pairs[0] == (0, "???"):
            pairs = [(class_id - 1, name) for class_id, name in pairs[1:]]
    else:
        pairs = list(enumerate(lines[1:] if lines[:1] == ["???"] else lines))
    return Labels(
        {class_id: name for class_id, name in pairs if name.lower() not in ("n/a", "???", "")}
    )
