"""Limits wrong tokens by address: after ten in a row, one attempt every six seconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from ipaddress import IPv6Address, IPv6Network, ip_address

MAX_WRONG_TOKENS = 10
"""Wrong tokens in a row before an address has to wait."""
SECONDS_PER_RETRY = 6.0
_MAX_ADDRESSES = 1024
"""Addresses that are remembered; the oldest is forgotten first."""


class FailedAttempts:
    """A leaky bucket of wrong tokens for each address; `clock` is monotonic, in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}

    def wait(self, address: str) -> float:
        """Seconds until an address may try a token again; 0 if it may now."""
        excess = self._level(_bucket_key(address)) - (MAX_WRONG_TOKENS - 1)
        return max(0.0, excess) * SECONDS_PER_RETRY

    def count(self, address: str) -> None:
        """Counts a wrong token."""
        key = _bucket_key(address)
        level = self._level(key) + 1
        self._buckets.pop(key, None)  # keeps the latest last
        self._buckets[key] = (level, self._clock())
        while len(self._buckets) > _MAX_ADDRESSES:
            del self._buckets[next(iter(self._buckets))]

    def _level(self, key: str) -> float:
        level, counted_at = self._buckets.get(key, (0.0, 0.0))
        return max(0.0, level - (self._clock() - counted_at) / SECONDS_PER_RETRY)


def _bucket_key(address: str) -> str:
    """The addresses that one machine can have: one of IPv4, or a /64 network of IPv6."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    return str(parsed.ipv4_mapped or IPv6Network((parsed, 64), strict=False))
