"""Memory of arrays that is used again, so that a long video does not ask for more per frame."""

from __future__ import annotations

import math
import weakref
from collections import defaultdict
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


class BufferPool:
    """Lends memory to arrays; that of an array returns when neither it nor a view of it is left.

    Safe for threads.
    """

    def __init__(self) -> None:
        self._free: dict[int, list[bytearray]] = defaultdict(list)  # by size

    def array(self, shape: tuple[int, ...], dtype: DTypeLike = np.uint8) -> NDArray[Any]:
        """An array with arbitrary contents."""
        size = math.prod(shape) * np.dtype(dtype).itemsize
        free = self._free[size]
        try:
            memory = free.pop()
        except IndexError:
            memory = bytearray(size)
        loan = _Loan(shape, dtype, buffer=memory)
        weakref.finalize(loan, free.append, memory).atexit = False
        return loan.view(np.ndarray)


class _Loan(np.ndarray[Any, Any]):
    """All views refer to the array that it lends: NumPy shortens chains of one type alone."""
