"""Training batches that depend on the seed, the epoch and the image alone.

Neither the number of workers nor of processes, nor where a run was stopped and resumed,
changes what a network is shown.
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

from fkd_train.config.landmarks import AugmentConfig
from fkd_train.data.augment import CropSampler
from fkd_train.data.dataset import Faces

SampleKey = tuple[int, int]
Batch = tuple[Tensor, ...]
"""Images (N, S, S, C) uint8, and what is known of them."""


@dataclass(frozen=True)
class CropDataset(Dataset[Batch]):
    """Random crops, keyed by (epoch, image), with their points (n, 2), crop pixels, and presence:
    1 for a well-framed face, 0 for anything else, whose points mean nothing."""

    faces: Faces
    sampler: CropSampler
    augment: AugmentConfig
    seed: int

    def __getitem__(self, key: SampleKey) -> Batch:
        epoch, row = key
        rng = np.random.default_rng([self.seed, epoch, row])
        image, points = self.faces.images[row], self.faces.points[row]
        # Drawn for only where asked for, so that older recipes see the crops they always saw.
        if self.augment.unframed and rng.random() < self.augment.unframed:
            pixels = self.sampler.unframed(image, points, self.augment, rng)
            return torch.from_numpy(pixels), torch.zeros(points.shape), torch.tensor(0.0)
        pixels, moved = self.sampler.random(image, points, self.augment, rng)
        return torch.from_numpy(pixels), torch.from_numpy(moved), torch.tensor(1.0)


@dataclass
class EpochBatchSampler:
    """Shuffled batches of keys for one epoch; every process takes its share of each batch."""

    count: int
    batch: int
    seed: int
    rank: int = 0
    world: int = 1
    epoch: int = 0
    first: int = 0

    def __len__(self) -> int:
        full, rest = divmod(self.count, self.batch)
        # Every process needs a share, so a last batch of fewer images than processes is left out.
        return full + (rest >= max(1, self.world))

    def __iter__(self) -> Iterator[list[SampleKey]]:
        order = np.random.default_rng([self.seed, self.epoch]).permutation(self.count)
        for step in range(self.first, len(self)):
            rows = order[step * self.batch :][: self.batch][self.rank :: self.world]
            yield [(self.epoch, int(row)) for row in rows]

    def size(self, step: int) -> int:
        """Images in a batch, over all processes."""
        return min(self.batch, self.count - step * self.batch)


def training_loader(
    crops: Dataset[Batch], batches: EpochBatchSampler, workers: int
) -> DataLoader[Batch]:
    """A loader whose workers stay alive between epochs, and not longer than this process."""
    # Forked, they share the images, and see when this process is killed; started by Python's fork
    # server, as by default from 3.14 on, they would each have a copy, and outlive it for ever.
    forked = workers > 0 and sys.platform == "linux"
    return DataLoader(
        crops,
        batch_sampler=batches,
        num_workers=workers,
        multiprocessing_context="fork" if forked else None,
        worker_init_fn=_start_worker,
        persistent_workers=workers > 0,
        prefetch_factor=4 if workers else None,
        # Its own generator: an epoch's start must not move the one that dropout draws from, or a
        # run resumed in the middle of an epoch would go another way.
        generator=torch.Generator(),
    )


def end_workers(loader: DataLoader[Batch]) -> None:
    """Ends a loader's workers, which would wait for more as long as anything refers to it, and heed
    no signal."""
    batches = loader._iterator
    if isinstance(batches, _MultiProcessingDataLoaderIter):
        batches._shutdown_workers()
    loader._iterator = None


def _start_worker(_worker: int) -> None:
    cv2.setNumThreads(0)
    # A signal to the whole group is for the main process, which ends its workers itself.
    for kind in (signal.SIGINT, signal.SIGTERM):
        signal.signal(kind, signal.SIG_IGN)
