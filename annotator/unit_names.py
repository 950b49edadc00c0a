"""How systemd names the unit of a mount point."""

from __future__ import annotations

from pathlib import Path

_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:_.")


def escape_path(path: Path) -> str:
    """The name of a mount point's unit, without its suffix, as `systemd-escape --path` tells it."""
    parts = [part for part in path.parts if part != "/"]
    if not parts:
        return "-"
    escaped = "-".join(
        "".join(
            chr(byte) if chr(byte) in _PLAIN else f"\\x{byte:02x}"
            for byte in part.encode(errors="surrogateescape")
        )
        for part in parts
    )
    return f"\\x2e{escaped[1:]}" if escaped.startswith(".") else escaped
