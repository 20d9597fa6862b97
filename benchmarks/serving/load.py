"""Loads a server with a number of clients, each of which waits for its answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fkd_infer.errors import ContenderError

Request = Callable[[], object]
"""Sends one request and waits for its answer; raises an exception if it failed."""


@dataclass(frozen=True)
class Load:
    """Seconds of each request that was answered, and of the whole."""

    latencies: tuple[float, ...]
    seconds: float

    @property
    def rate(self) -> float:
        """Answers per second."""
        return len(self.latencies) / self.seconds


def load_server(name: str, clients: Sequence[Request], seconds: float) -> Load:
    """Has all clients send requests, one after another each, for `seconds`.

    Raises ContenderError if a request fails: a rate of failures would not be that of the server.
    """
    latencies: list[float] = []
    errors: list[Exception] = []
    barrier = threading.Barrier(len(clients) + 1)

    def send(request: Request) -> None:
        barrier.wait()
        while time.perf_counter() < begun + seconds and not errors:
            start = time.perf_counter()
            try:
                request()
            except Exception as error:  # raised below, in the caller's thread  # noqa: BLE001
                errors.append(error)
                return
            latencies.append(time.perf_counter() - start)

    threads = [threading.Thread(target=send, args=(client,)) for client in clients]
    begun = time.perf_counter() + 1e6
    for thread in threads:
        thread.start()
    begun = time.perf_counter()
    barrier.wait()
    for thread in threads:
        thread.join()
    if errors:
        raise ContenderError(name, f"a request failed: {errors[0]}") from errors[0]
    return Load(tuple(latencies), time.perf_counter() - begun)
