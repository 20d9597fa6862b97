"""Training samples of a landmark network: random crops as tensors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from fkd_train.config.sections import AugmentConfig
from fkd_train.data.crop_sampler import CropSampler
from fkd_train.data.draws import FaceDraws
from fkd_train.data.faces import Faces
from fkd_train.data.loader import Batch, SampleKey


@dataclass(frozen=True)
class CropDataset(Dataset[Batch]):
    """Random crops keyed by (epoch, number of the sample).

    A sample is the crop (S, S, C); its points (n, 2) in crop pixels; the weights (n,) of the
    points: 1 for labelled ones, 0 for others; presence: 1 for a well-framed face, 0 for anything
    else, whose points and weights are 0; the number of the face's data set among `sets`; and 1 if
    it is mirrored.
    """

    faces: Faces
    draws: FaceDraws
    sets: tuple[str, ...]
    sampler: CropSampler
    augment: AugmentConfig
    seed: int

    def __getitem__(self, key: SampleKey) -> Batch:
        row = self.draws.row(*key)
        rng = np.random.default_rng([self.seed, *key])
        image, points = self.faces.images[row], self.faces.points[row]
        data_set = torch.tensor(self.sets.index(self.faces.sets[row]))
        # Draws a number only if needed, so that recipes without it keep their sequence of crops.
        if self.augment.unframed and rng.random() < self.augment.unframed:
            pixels = self.sampler.unframed(image, points, self.augment, rng)
            nowhere, no = torch.zeros(points.shape), torch.tensor(0.0)
            return torch.from_numpy(pixels), nowhere, nowhere[:, 0], no, data_set, no
        pixels, moved, mirrored = self.sampler.random(image, points, self.augment, rng)
        annotation = torch.from_numpy(moved), self._weights(row, mirrored), torch.tensor(1.0)
        return torch.from_numpy(pixels), *annotation, data_set, torch.tensor(float(mirrored))

    def _weights(self, row: int, mirrored: bool) -> Tensor:
        """The weights (n,) of a face's points, in the order of its crop's points."""
        labelled = self.faces.labelled
        if labelled is None:
            return torch.ones(self.faces.scheme.count)
        order = self.faces.scheme.flip_permutation if mirrored else slice(None)
        return torch.from_numpy(labelled[row][order].astype(np.float32))
