"""Training samples of a landmark network: random crops as tensors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.data import Dataset

from fkd_train.config.sections import AugmentConfig
from fkd_train.data.crop_sampler import CropSampler
from fkd_train.data.faces import Faces
from fkd_train.data.loader import Batch, SampleKey


@dataclass(frozen=True)
class CropDataset(Dataset[Batch]):
    """Random crops keyed by (epoch, row): the crop (S, S, C), its points (n, 2) in crop pixels,
    and presence: 1 for a well-framed face, 0 for anything else, whose points are meaningless."""

    faces: Faces
    sampler: CropSampler
    augment: AugmentConfig
    seed: int

    def __getitem__(self, key: SampleKey) -> Batch:
        epoch, row = key
        rng = np.random.default_rng([self.seed, epoch, row])
        image, points = self.faces.images[row], self.faces.points[row]
        # Draws a number only if needed, so that recipes without it keep their sequence of crops.
        if self.augment.unframed and rng.random() < self.augment.unframed:
            pixels = self.sampler.unframed(image, points, self.augment, rng)
            return torch.from_numpy(pixels), torch.zeros(points.shape), torch.tensor(0.0)
        pixels, moved = self.sampler.random(image, points, self.augment, rng)
        return torch.from_numpy(pixels), torch.from_numpy(moved), torch.tensor(1.0)
