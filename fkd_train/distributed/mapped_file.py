"""A value in a file, whose arrays other processes of the machine use without copying them.

The file is a pickle, which is read only by processes of the run that wrote it, in a folder of its
user alone.
"""

from __future__ import annotations

import mmap
import pickle  # nosec B403
from pathlib import Path

import numpy as np

from fkd_infer.system.files.atomic import output_errors

_ALIGNMENT = 64
"""Bytes; every array starts at a multiple."""
_LENGTH = np.dtype("<u8")


def write_value(path: Path, value: object) -> None:
    """Writes a value that can be pickled, its arrays as they are in memory.

    The file has the number of its parts, their lengths in bytes, and the parts: the pickle, and
    one part for each contiguous array in it. Raises OutputError.
    """
    arrays: list[pickle.PickleBuffer] = []
    content = pickle.dumps(value, protocol=5, buffer_callback=arrays.append)
    parts = [memoryview(content), *(array.raw() for array in arrays)]
    lengths = np.array([len(parts), *map(len, parts)], _LENGTH)
    with output_errors(path), path.open("wb") as file:
        for part in (memoryview(lengths.tobytes()), *parts):
            file.write(part)
            file.write(bytes(-len(part) % _ALIGNMENT))


def map_value(path: Path) -> object:
    """The value of a file that `write_value` wrote.

    Its arrays are maps of the file, which may be removed; a process that changes an array changes
    it for itself.
    """
    with path.open("rb") as file:
        content = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))
    count = int(np.frombuffer(content, _LENGTH, 1)[0])
    lengths = np.frombuffer(content, _LENGTH, count, _LENGTH.itemsize).tolist()
    parts, start = [], _aligned((1 + count) * _LENGTH.itemsize)
    for length in lengths:
        parts.append(content[start : start + length])
        start = _aligned(start + length)
    value: object = pickle.loads(parts[0], buffers=parts[1:])  # nosec B301
    return value


def _aligned(place: int) -> int:
    return -(-place // _ALIGNMENT) * _ALIGNMENT
