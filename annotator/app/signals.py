"""Being asked to stop, by Ctrl-C or the service manager."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def stop_signals(stop: Callable[[], None] | None = None) -> Iterator[list[bool]]:
    """SIGINT and SIGTERM ask to stop: the list fills, `stop` is called. Handlers only set flags."""
    signalled: list[bool] = []

    def on_signal(_number: int, _frame: object) -> None:
        signalled.append(True)
        if stop:
            stop()

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, on_signal) for number in numbers}
    try:
        yield signalled
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
