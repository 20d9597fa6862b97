"""Sources in blocks, which are listed while earlier ones are processed."""

from __future__ import annotations

import hashlib
import pickle  # between processes of one run  # nosec B403
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import pyarrow as pa
from ray.data import Datasource, ReadTask
from ray.data.block import BlockMetadata

from fkd_infer.formats.registry import PARQUET_SUFFIX
from fkd_infer.media.sources import Source

_FIRST_PHOTOS = 8
_MOST_PHOTOS = 512
_BLOCKS_OF_A_SIZE = 16
BLOCK_COLUMN = "block"


@dataclass(frozen=True)
class Block:
    """Photos, or one video, of which one actor makes one part of the table.

    The last block says so, and may have no sources; its `note` is a line for the end of the run.
    """

    sources: tuple[Source, ...]
    is_last: bool = False
    note: str = ""

    @property
    def part(self) -> str:
        """The name of its part, the same whenever and wherever these sources are a block."""
        names = "\0".join(source.name for source in self.sources)
        digest = hashlib.sha256(names.encode("utf-8", "surrogatepass")).hexdigest()
        return f"part-{digest[:16]}{PARQUET_SUFFIX}"


def photos_in_block(number: int) -> int:
    """Photos of a block: few in the first ones, so that small runs keep all actors busy, and more
    later, so that millions of photos do not become too many parts."""
    return min(_MOST_PHOTOS, _FIRST_PHOTOS << min(number // _BLOCKS_OF_A_SIZE, 30))


def blocks(sources: Iterator[Source], note: Callable[[], str]) -> Iterator[Block]:
    """Groups sources into blocks, in order; `note` is called at the end."""
    numbers, photos = count(), list[Source]()
    size = photos_in_block(next(numbers))
    for source in sources:
        if source.kind != "image":
            yield Block((source,))
            continue
        photos.append(source)
        if len(photos) == size:
            yield Block(tuple(photos))
            photos, size = [], photos_in_block(next(numbers))
    yield Block(tuple(photos), True, note())


class BlockSource(Datasource):  # type: ignore[misc]
    """A data set of one row per block, which one task lists as rows are taken."""

    def __init__(self, list_blocks: Callable[[], Iterator[Block]]) -> None:
        self._list_blocks = list_blocks

    def get_name(self) -> str:
        """The name in Ray's own statistics."""
        return "fkd sources"

    def estimate_inmemory_data_size(self) -> int | None:
        """Unknown, since nothing has been listed."""
        return None

    def get_read_tasks(self, *_: Any, **__: Any) -> list[ReadTask]:
        """One task, which yields each block by itself."""
        list_blocks = self._list_blocks

        def rows() -> Iterator[Any]:
            for block in list_blocks():
                yield pa.table({BLOCK_COLUMN: pa.array([pickle.dumps(block)], pa.binary())})

        unknown = BlockMetadata(None, None, None, None)
        return [ReadTask(rows, unknown)]
