"""Label files, and labels that a model file carries: class id -> name."""

from __future__ import annotations

import ast
import io
import json
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from annotator.errors import ModelError

MAX_LABEL_FILE_BYTES = 2**20
_NUMBERED = re.compile(r"(\d+)[\s:,]+(\S.*)")


@dataclass(frozen=True, slots=True)
class Labels:
    names: Mapping[int, str]

    @property
    def count(self) -> int:
        """Of how many classes this is the list, those that have no name included."""
        return max(self.names, default=-1) + 1

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


def labels_inside(model: bytes) -> Labels | None:
    """The labels in the zip archive behind a TFLite file's content, None where there are none.

    TensorFlow's metadata keep a label file there; ultralytics' exporters a dictionary with `names`,
    as JSON or as Python writes it.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(model)) as archive:
            for entry in archive.infolist():
                is_text = entry.filename.endswith((".txt", "metadata.json"))
                if is_text and entry.file_size <= MAX_LABEL_FILE_BYTES:
                    text = archive.read(entry).decode().strip()
                    return _told_by_ultralytics(text) if text[:1] == "{" else parse_labels(text)
    except Exception:  # mostly that there is no archive; a broken one raises nearly anything
        return None
    return None


def _told_by_ultralytics(text: str) -> Labels | None:
    try:
        told = json.loads(text) if text[1:].lstrip().startswith('"') else ast.literal_eval(text)
        names = told["names"]
        pairs = names.items() if isinstance(names, Mapping) else enumerate(names)
        return Labels({int(class_id): str(name) for class_id, name in pairs})
    except (ValueError, SyntaxError, TypeError, KeyError, RecursionError, MemoryError):
        return None
