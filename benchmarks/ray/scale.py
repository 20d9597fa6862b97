"""What a run on Ray does once however many nodes there are, and how many nodes that feeds.

Measured here: files listed per second, blocks that Ray Data hands out and takes back per second
(with actors that do nothing), and parts committed per second. The slowest of them, over what one
core does, is where more nodes gain nothing.
"""

from __future__ import annotations

import pickle  # between processes of one run  # nosec B403
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import ray
import ray.data

from benchmarks.harness.results import Figure, Measurement, Recorder
from fkd_infer.formats.parquet import ParquetSink
from fkd_infer.media.sources import Source, iter_sources
from fkd_infer.ray.blocks import BLOCK_COLUMN, Block, BlockSource, blocks, photos_in_block
from fkd_infer.ray.cluster import connected
from fkd_infer.ray.run import quiet_data
from fkd_infer.types import Face, Frame

_FILES = 20_000
_BLOCKS = 1000
_PARTS = 200
_PHOTOS_PER_CORE_S = (10.0, 40.0)
"""Photos of large and of small faces that a core takes in a second, for the table."""
_MOST = 512


def measure_scale(folder: Path, recorder: Recorder) -> None:
    """Measures the three, and how many cores each would feed."""
    shutil.rmtree(folder, ignore_errors=True)
    rates = {
        "listed": _listing_rate(folder / "files"),
        "handed out by Ray Data": _block_rate() * _MOST,
        "in committed parts, per disk": _commit_rate(folder / "parts") * _MOST,
    }
    for name, rate in rates.items():
        figures = {"rate": Figure(rate, "photos/s")}
        for each in _PHOTOS_PER_CORE_S:
            figures[f"cores of {each:g} photos/s"] = Figure(rate / each, "cores")
        conditions = {"photos in a block": str(_MOST)}
        recorder.add(Measurement("ray", "limits", name, conditions, figures))


def _listing_rate(folder: Path) -> float:
    """Photos per second that are listed and grouped into blocks."""
    for number in range(_FILES):
        path = folder / f"{number // 1000:03d}" / f"{number:06d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\xff\xd8\xff")
    started = time.perf_counter()
    found = blocks(iter_sources([str(folder)]), str)
    listed = sum(len(pickle.loads(pickle.dumps(block)).sources) for block in found)  # nosec B301
    return listed / (time.perf_counter() - started)


class _Nothing:
    """An actor that answers each block at once."""

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        return {"done": np.ones(len(batch[BLOCK_COLUMN]))}


def _block_rate() -> float:
    """Blocks per second through Ray Data, with two actors."""

    def sources() -> Iterator[Block]:
        name = Path("a.jpg")
        some = tuple(Source(f"{n}.jpg", "image", name, name) for n in range(_MOST))
        for _ in range(_BLOCKS):
            yield Block(some)

    with connected("local"), quiet_data():
        data = ray.data.read_datasource(
            BlockSource(sources), override_num_blocks=1, num_cpus=0
        ).map_batches(
            _Nothing,
            batch_size=None,
            compute=ray.data.ActorPoolStrategy(min_size=1, max_size=2, initial_size=2),
            num_cpus=1,
        )
        count, first, last = 0, 0.0, 0.0
        for _ in data.iter_batches(batch_size=None, prefetch_batches=0):
            last = time.perf_counter()
            first = first or last
            count += 1
    return (count - 1) / (last - first)


def _commit_rate(folder: Path) -> float:
    """Parts of the largest blocks that are written, synced and renamed per second."""
    frame = Frame(np.zeros((2, 2, 3), np.uint8), "a.jpg")
    points = np.random.default_rng(0).uniform(0, 999, (68, 2)).astype(np.float32)
    face = Face(points, np.array([0, 0, 9, 9], np.float32), presence=0.9)
    started = time.perf_counter()
    for number in range(_PARTS):
        with ParquetSink(folder / f"part-{number:05d}.parquet") as sink:
            for _ in range(_MOST):
                sink.write(frame, [face])
    assert photos_in_block(1000) == _MOST
    return _PARTS / (time.perf_counter() - started)
