"""Wrong tokens, counted by address: whoever guesses has to wait."""

from __future__ import annotations

import time
from collections.abc import Callable
from ipaddress import IPv6Address, IPv6Network, ip_address

MAX_WRONG_TOKENS = 10
"""Wrong tokens that an address may send in a row."""
SECONDS_PER_RETRY = 6.0
"""Seconds after which it may try once more."""
_KEPT = 1024
"""Addresses that are remembered, the latest."""


class FailedAttempts:
    """How many wrong tokens came from where; `clock` gives seconds that only grow."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._wrong: dict[str, tuple[float, float]] = {}

    def wait(self, address: str) -> float:
        """Seconds until a token from an address is looked at again, 0 where it is at once."""
        return max(0.0, self._level(_place(address)) - (MAX_WRONG_TOKENS - 1)) * SECONDS_PER_RETRY

    def count(self, address: str) -> None:
        """Counts a wrong token."""
        place = _place(address)
        level = self._level(place) + 1
        self._wrong.pop(place, None)  # the latest stand last
        self._wrong[place] = (level, self._clock())
        while len(self._wrong) > _KEPT:
            del self._wrong[next(iter(self._wrong))]

    def _level(self, place: str) -> float:
        """Wrong tokens that are not forgiven yet."""
        level, when = self._wrong.get(place, (0.0, 0.0))
        return max(0.0, level - (self._clock() - when) / SECONDS_PER_RETRY)


def _place(address: str) -> str:
    """What one machine may have: an address, or with IPv6 the 2^64 of a network."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(found, IPv6Address):
        return str(found)
    return str(found.ipv4_mapped or IPv6Network((found, 64), strict=False))
