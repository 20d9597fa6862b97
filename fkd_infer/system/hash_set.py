"""A set of texts that keeps 8 to 16 bytes of each, for runs of millions of files."""

from __future__ import annotations

from array import array
from hashlib import blake2b

_FIRST_SIZE = 1 << 10


class HashSet:
    """Remembers which texts were added, by hashes of 64 bits.

    A text that was not added is taken for one that was with a probability of n / 2⁶⁴ among n.
    """

    def __init__(self) -> None:
        self._table = array("Q", bytes(8 * _FIRST_SIZE))
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, text: object) -> bool:
        return isinstance(text, str) and bool(self._table[self._find(_hash(text))])

    def add(self, text: str) -> bool:
        """Adds a text; returns whether it was not in the set."""
        value = _hash(text)
        place = self._find(value)
        if self._table[place]:
            return False
        self._table[place] = value
        self._count += 1
        if 2 * self._count > len(self._table):
            self._grow()
        return True

    def _find(self, value: int) -> int:
        """Where a hash is in the table, or the free place for it."""
        place = value % len(self._table)
        while self._table[place] not in (0, value):
            place = (place + 1) % len(self._table)
        return place

    def _grow(self) -> None:
        values = self._table
        self._table = array("Q", bytes(16 * len(values)))
        for value in filter(None, values):
            self._table[self._find(value)] = value


def _hash(text: str) -> int:
    """64 bits of a text, never 0, which marks free places."""
    data = text.encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "little") or 1
