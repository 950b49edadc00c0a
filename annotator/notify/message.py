"""A notice as programs and people get it. The JSON is a contract, described in docs/notify.md."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import Any

from annotator.domain import BoundingBox
from annotator.names import stranger_name
from annotator.notices import Notice

LONGEST_PART_BYTES = 200
"""Of one level of a topic; MQTT allows 65535 for the whole."""


def body(notice: Notice, picture: bytes | None = None) -> bytes:
    """The JSON object, in UTF-8. `picture` comes as base64 where it is asked for."""
    seen = notice.sighting
    told: dict[str, Any] = {
        "notice": notice.id,
        "rule": notice.rule,
        "text": text(notice),
        "person": notice.person or None,
        "captured_at": seen.captured_at.isoformat(timespec="milliseconds"),
        "raised_at": notice.raised_at.isoformat(timespec="milliseconds"),
        "monitor": seen.monitor,
        "event": seen.event,
        "frame": seen.frame,
        "label": seen.label,
        "score": seen.score,
        "box": _box(seen.box),
        "face": seen.name,
        "faceProba": seen.probability,
        "faceBox": _box(seen.face_box) if seen.face_box else None,
        "verdict": seen.verdict,
        "stranger": None if seen.stranger is None else stranger_name(seen.stranger),
        "path": seen.path,
        "test": notice.test,
    }
    if picture is not None:
        told["picture"] = base64.b64encode(picture).decode()
    # A lone surrogate becomes \\udcXX, which is JSON too.
    return json.dumps(told, ensure_ascii=False).encode("utf-8", "backslashreplace")


def text(notice: Notice) -> str:
    """One line for a person, with the local time."""
    seen = notice.sighting
    who = seen.label if not notice.person else f"{notice.person} ({seen.label})"
    return f"{who} at {seen.monitor}, {seen.captured_at.astimezone():%H:%M:%S}"


def topic_part(name: str) -> str:
    """A name as one level of a topic: without what means something there, and what is not text."""
    plain = re.sub(r"[+#/\x00-\x1f\x7f-\x9f\ud800-\udfff]", "_", name)
    cut = plain.encode()[:LONGEST_PART_BYTES].decode(errors="ignore")
    return cut.strip() or "_"


def identifier(name: str) -> str:
    """A name of letters, digits and _ alone; two names never get the same one."""
    plain = re.sub(r"[^a-zA-Z0-9]+", "_", name).strip("_").lower()[:60]
    if plain and plain == name:
        return plain
    tail = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{plain}_{tail}".lstrip("_")


def _box(box: BoundingBox) -> dict[str, int]:
    return {"xmin": box.xmin, "ymin": box.ymin, "xmax": box.xmax, "ymax": box.ymax}
