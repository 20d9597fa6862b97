"""Iterates in a background thread, a few items ahead of the consumer."""

from __future__ import annotations

import logging
import threading
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from queue import Empty, Full, Queue
from typing import TypeVar

T = TypeVar("T")

JOIN_TIMEOUT_S = 60.0
"""How long to wait for a thread to end its current work."""
_POLL_S = 0.5
"""How often a waiting thread checks that the other side is still there."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _End:
    """Follows the last item, with the error that ended the iteration, if any."""

    error: BaseException | None = None


def prefetch(
    items: Iterable[T], buffer_size: int = 2, name: str = "prefetch"
) -> Generator[T, None, None]:
    """Yields items in order while a thread produces up to `buffer_size` more.

    Nothing starts before the first item is requested. An error is raised in place of its item.
    Closing the generator ends the thread, which closes `items` if that is a generator; a consumer
    that stops early has to do so.
    """
    buffer: Queue[T | _End] = Queue(buffer_size)
    closed = threading.Event()
    thread = threading.Thread(target=_produce, args=(items, buffer, closed), name=name, daemon=True)
    thread.start()
    try:
        while True:
            alive = thread.is_alive()
            try:
                item = buffer.get(timeout=_POLL_S)
            except Empty:
                if not alive:
                    raise RuntimeError(f"the thread {name!r} ended without a last item") from None
                continue
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item
            del item
    finally:
        closed.set()
        _drain(buffer)  # wakes a producer that waits for space
        join_or_abandon(thread)


def join_or_abandon(thread: threading.Thread, timeout_s: float = JOIN_TIMEOUT_S) -> None:
    """Waits for a daemon thread to end; after the timeout it logs a warning and leaves it behind.

    A thread can hang in a driver or on a network disk, and the program has to end anyway.
    """
    thread.join(timeout_s)
    if thread.is_alive():
        _log.warning("the thread %r hangs, and is left behind", thread.name)


def _drain(buffer: Queue[T | _End]) -> None:
    try:
        while True:
            buffer.get_nowait()
    except Empty:
        return


def _produce(items: Iterable[T], buffer: Queue[T | _End], closed: threading.Event) -> None:
    end = _End()
    try:
        try:
            for item in items:
                if not _put(buffer, item, closed):
                    break
                del item
        finally:
            if isinstance(items, Generator):
                items.close()
    except BaseException as error:  # noqa: BLE001 (raised in place of the item)
        end = _End(error)
    _put(buffer, end, closed)


def _put(buffer: Queue[T | _End], item: T | _End, closed: threading.Event) -> bool:
    """Puts an item; returns False if the consumer is gone."""
    while not closed.is_set() and threading.main_thread().is_alive():
        try:
            buffer.put(item, timeout=_POLL_S)
        except Full:
            continue
        return True
    return False
