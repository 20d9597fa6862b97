"""An iterable that is worked off in a thread of its own, ahead of whoever takes its items."""

from __future__ import annotations

import logging
import threading
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from queue import Empty, Full, Queue
from typing import TypeVar

T = TypeVar("T")

PATIENCE_AT_THE_END = 60.0
"""Seconds in which a thread ends what it has in hand."""
_log = logging.getLogger(__name__)
_PATIENCE = 0.5
"""Seconds after which a thread that waits looks whether anybody is still there."""


@dataclass(frozen=True)
class _End:
    """After the last item; with the error that came instead of one more."""

    error: BaseException | None = None


def prefetch(items: Iterable[T], room: int = 2, name: str = "ahead") -> Generator[T, None, None]:
    """The same items, in order, made in a thread; at most `room` of them wait to be taken.

    An error is raised where the item would have been. Closing the generator ends the thread, and
    closes `items` in it where that is a generator; one that was never asked is not begun. It has
    to be closed by whoever does not take it to its end.
    """
    ready: Queue[T | _End] = Queue(room)
    closed = threading.Event()
    thread = threading.Thread(target=_work, args=(items, ready, closed), name=name, daemon=True)
    thread.start()
    try:
        while True:
            working = thread.is_alive()
            try:
                item = ready.get(timeout=_PATIENCE)
            except Empty:
                if not working:
                    raise RuntimeError(f"the thread {name!r} is over, and put no end") from None
                continue
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item
            del item
    finally:
        closed.set()
        _emptied(ready)  # so that a thread that waits for room goes on, and sees that it is over
        join_or_abandon(thread)


def join_or_abandon(thread: threading.Thread, patience: float = PATIENCE_AT_THE_END) -> None:
    """Waits until a daemon thread is over; one that hangs in a driver or on a network disk is left
    behind with a warning, since the program is to end all the same."""
    thread.join(patience)
    if thread.is_alive():
        _log.warning("the thread %r hangs, and is left behind", thread.name)


def _emptied(ready: Queue[T | _End]) -> None:
    try:
        while True:
            ready.get_nowait()
    except Empty:
        return


def _work(items: Iterable[T], ready: Queue[T | _End], closed: threading.Event) -> None:
    end = _End()
    try:
        try:
            for item in items:
                if not _put(ready, item, closed):
                    break
                del item
        finally:
            if isinstance(items, Generator):
                items.close()
    except BaseException as error:  # noqa: BLE001 (raised where the item would have been)
        end = _End(error)
    _put(ready, end, closed)


def _put(ready: Queue[T | _End], item: T | _End, closed: threading.Event) -> bool:
    """Whether it was put; it is not where nobody will take it any more."""
    while not closed.is_set() and threading.main_thread().is_alive():
        try:
            ready.put(item, timeout=_PATIENCE)
        except Full:
            continue
        return True
    return False
