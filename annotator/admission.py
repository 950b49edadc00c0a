"""What is worth waiting for: some captures are left out on purpose, and recorded as such."""

from __future__ import annotations

from collections.abc import Sequence

from annotator.config import Config
from annotator.domain import Capture, Origin, SkipReason
from annotator.ports import Backlog


def admit(captures: Sequence[Capture], origin: Origin, backlog: Backlog, config: Config) -> int:
    """Make captures wait that the database has never met; how many those are.

    Of a monitor with `every_nth_frame` only every nth frame waits and the others are skipped,
    unless somebody asks for them by hand (backfill).
    """
    wanted: list[Capture] = []
    unwanted: list[Capture] = []
    nth = {monitor: config.for_monitor(monitor).backlog.every_nth_frame
           for monitor in {capture.monitor for capture in captures}}  # fmt: skip
    for capture in captures:
        is_wanted = origin is Origin.BACKFILL or capture.frame % nth[capture.monitor] == 0
        (wanted if is_wanted else unwanted).append(capture)
    if unwanted:
        backlog.skip(unwanted, SkipReason.NOT_NTH_FRAME)
    return backlog.add(wanted, origin) if wanted else 0
