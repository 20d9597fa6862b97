"""Training samples of a detector: mosaics as tensors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.data import Dataset

from fkd_train.config.detector import DetectorRecipe
from fkd_train.data.faces import Faces
from fkd_train.data.loader import Batch, SampleKey
from fkd_train.data.mosaic import MosaicGenerator
from fkd_train.data.other_faces import read_other_faces
from fkd_train.data.pictures import pictures_without_faces

_MAX_FACES = 48
"""Upper bound of the boxes in 320 × 320 pixels of a mosaic; more than mosaics have."""


@dataclass(frozen=True)
class MosaicDataset(Dataset[Batch]):
    """Mosaics keyed by (epoch, number): the image (S, S, 3), boxes (M, 4), points (M, 5, 2) and
    kinds (M,), padded with kind 0 to a fixed M."""

    generator: MosaicGenerator
    seed: int

    def __getitem__(self, key: SampleKey) -> Batch:
        image, truth = self.generator(np.random.default_rng([self.seed, *key]))
        room = _MAX_FACES * math.ceil(len(image) / 320) ** 2
        count = min(room, len(truth))
        boxes = np.tile(np.array([0, 0, 1, 1], np.float32), (room, 1))
        points, kinds = np.zeros((room, 5, 2), np.float32), np.zeros(room, np.int64)
        boxes[:count], points[:count] = truth.boxes[:count], truth.points[:count]
        kinds[:count] = truth.kinds[:count]
        parts = (image, boxes, points, kinds)
        return tuple(torch.from_numpy(np.ascontiguousarray(part)) for part in parts)


def mosaic_generator(
    recipe: DetectorRecipe, faces: Faces, part: str, pictures: Sequence[str] | None = None
) -> MosaicGenerator:
    """Builds the generator of mosaics from the faces of one part of a data set.

    Pictures without faces are the recipe's by default. Raises InstallError if there are any and
    scikit-image is missing.
    """
    others = read_other_faces(recipe.others, part)
    names = recipe.mosaic.pictures if pictures is None else pictures
    weights = {row.name: row.weight for row in recipe.data}
    return MosaicGenerator(faces, others, pictures_without_faces(names), recipe.mosaic, weights)
