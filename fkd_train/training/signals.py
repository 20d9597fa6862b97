"""Signals that stop a run."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def on_stop_signal(request_stop: Callable[[], None]) -> Iterator[None]:
    """Calls `request_stop` on SIGINT and SIGTERM during the block."""

    def handle(_signal: int, _frame: FrameType | None) -> None:
        request_stop()

    before = {kind: signal.signal(kind, handle) for kind in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)
