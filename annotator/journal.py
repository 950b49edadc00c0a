"""Lines as systemd's journal wants them: no time, their level in front (sd-daemon(3))."""

from __future__ import annotations

import logging
import os
import sys

PRIORITIES = {logging.CRITICAL: 2, logging.ERROR: 3, logging.WARNING: 4, logging.INFO: 6}
DEBUG = 7


def is_stderr() -> bool:
    """Whether stderr is the journal's (JOURNAL_STREAM in systemd.exec(5))."""
    try:
        status = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError, AttributeError):  # closed, or replaced by something without one
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def marked(text: str, level: int) -> str:
    """`text` with its level before each line: the journal takes every line for a message."""
    mark = f"<{PRIORITIES.get(level, DEBUG)}>"
    return "\n".join(mark + line for line in text.splitlines() or [""])


def stderr_handler(prefix: str = "") -> logging.Handler:
    """Log lines to stderr: as the journal wants them, else with the time. `prefix` says whose."""
    handler = logging.StreamHandler()
    handler.setFormatter(
        JournalFormatter(prefix)
        if is_stderr()
        else logging.Formatter(f"%(asctime)s {prefix}%(message)s", datefmt="%H:%M:%S")
    )
    return handler


class JournalFormatter(logging.Formatter):
    """The message, and where it belongs to one the traceback, each line with its level.

    `prefix` stands at the beginning of the message.
    """

    def __init__(self, prefix: str = "") -> None:
        super().__init__(f"{prefix}%(message)s")

    def format(self, record: logging.LogRecord) -> str:
        return marked(super().format(record), record.levelno)
