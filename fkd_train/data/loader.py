"""Loads training batches that depend only on the seed, the epoch and the image.

The numbers of workers and processes, and where a run was interrupted and resumed, do not change
what a network is shown.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torch.utils.data.dataloader import _MultiProcessingDataLoaderIter

SampleKey = tuple[int, int]
"""(epoch, number of the sample)."""
Batch = tuple[Tensor, ...]
"""Images (N, S, S, C) uint8, followed by their annotations."""


@dataclass
class EpochBatchSampler:
    """Shuffled batches of keys for one epoch, each key once; each process gets its share of every
    batch.

    A process for which a last, smaller batch has no share gets one key of it, as padding.
    """

    count: int
    batch: int
    seed: int
    rank: int = 0
    world: int = 1
    epoch: int = 0
    first: int = 0

    def __len__(self) -> int:
        return -(-self.count // self.batch)

    def __iter__(self) -> Iterator[list[SampleKey]]:
        order = np.random.default_rng([self.seed, self.epoch]).permutation(self.count)
        for step in range(self.first, len(self)):
            rows = order[step * self.batch :][: self.batch]
            own = rows[self.rank :: self.world] if self.share(step) else rows[:1]
            yield [(self.epoch, int(row)) for row in own]

    def size(self, step: int) -> int:
        """Number of images in a batch, over all processes."""
        return min(self.batch, self.count - step * self.batch)

    def share(self, step: int) -> int:
        """Number of images in this process's share of a batch, without padding."""
        return len(range(self.rank, self.size(step), self.world))


def training_loader(
    samples: Dataset[Batch], batches: EpochBatchSampler, workers: int
) -> DataLoader[Batch]:
    """Builds a loader whose workers live from the first epoch to the end of this process."""
    # Forked workers share the images and notice when this process is killed. Workers of Python's
    # fork server, the default from 3.14, would each hold a copy and outlive this process.
    forked = workers > 0 and sys.platform == "linux"
    return DataLoader(
        samples,
        batch_sampler=batches,
        num_workers=workers,
        multiprocessing_context="fork" if forked else None,
        worker_init_fn=_start_worker,
        persistent_workers=workers > 0,
        prefetch_factor=4 if workers else None,
        # With its own generator, starting an epoch does not advance the one that dropout uses,
        # so that a run resumed within an epoch continues identically.
        generator=torch.Generator(),
    )


def end_workers(loader: DataLoader[Batch]) -> None:
    """Ends the workers of a loader, which ignore signals and would otherwise wait for more work as
    long as the loader is referenced."""
    batches = loader._iterator
    if isinstance(batches, _MultiProcessingDataLoaderIter):
        batches._shutdown_workers()
    loader._iterator = None


def _start_worker(_worker: int) -> None:
    cv2.setNumThreads(0)
    # A signal to the process group is for the main process, which ends its workers itself.
    for kind in (signal.SIGINT, signal.SIGTERM):
        signal.signal(kind, signal.SIG_IGN)
