"""Memory and clock, as the kernel tells."""

from __future__ import annotations

import ctypes
import re
from pathlib import Path

MEMINFO = Path("/proc/meminfo")
TIMESYNC = Path("/run/systemd/timesync/synchronized")

_TIME_ERROR = 5
"""What adjtimex(2) gives for a clock that nobody sets."""
_TIMEX_BYTES = 512  # struct timex has 208


def available_bytes(meminfo: Path = MEMINFO) -> int | None:
    """What programs could still take without swapping; None where the kernel does not tell."""
    try:
        found = re.search(r"^MemAvailable: +(\d+) kB$", meminfo.read_text(), flags=re.MULTILINE)
    except OSError:
        return None
    return int(found[1]) * 1024 if found else None


def is_clock_synchronised(timesync: Path = TIMESYNC) -> bool | None:
    """By whatever program; None where the kernel may not be asked."""
    if timesync.exists():
        return True
    state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    return None if state < 0 else bool(state != _TIME_ERROR)
