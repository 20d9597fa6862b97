"""Memory that is used again."""

from __future__ import annotations

import gc

import numpy as np
import pytest

from fkd_infer.system.buffer_pool import BufferPool


def address(array: np.ndarray) -> int:
    return int(array.__array_interface__["data"][0])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_memory_is_lent_again_once_no_view_is_left(dtype: type[np.generic]) -> None:
    pool = BufferPool()
    first = pool.array((4, 6), dtype)
    assert first.shape == (4, 6)
    assert first.dtype == dtype
    assert type(first) is np.ndarray
    used = address(first)
    view = first[1:].T[::-1]
    del first
    assert address(pool.array((4, 6), dtype)) != used, "a view still shows it"
    del view
    gc.collect()
    assert used in {address(array) for array in [pool.array((24,), dtype) for _ in range(3)]}


def test_another_size_has_its_own_memory() -> None:
    pool = BufferPool()
    used = address(pool.array((100,)))
    assert address(pool.array((99,))) != used
    assert address(pool.array((10, 10))) == used
