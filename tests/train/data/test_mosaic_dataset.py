"""Mosaics as training samples."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from fkd_infer.geometry.arrays import Pixels
from fkd_train.config.detector import DetectorRecipe
from fkd_train.data.dataset import load_split
from fkd_train.data.mosaic import MosaicGenerator
from fkd_train.data.mosaic_dataset import MosaicDataset, mosaic_generator
from fkd_train.ground_truth import FACE, GroundTruth


def test_mosaics_depend_only_on_their_key_and_are_padded_to_a_fixed_size(
    tiny_detector: DetectorRecipe, drawn_data: Path
) -> None:
    faces = load_split(drawn_data, "official", colour=True)[0]
    mosaics = MosaicDataset(mosaic_generator(tiny_detector, faces, "training"), seed=3)
    first, again, other = mosaics[1, 2], mosaics[1, 2], mosaics[2, 1]
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])
    assert [tuple(part.shape) for part in first] == [(96, 96, 3), (48, 4), (48, 5, 2), (48,)]
    assert [part.dtype for part in first][1:] == [torch.float32, torch.float32, torch.int64]


@dataclass(frozen=True)
class Crowd(MosaicGenerator):
    """Mosaics with a hundred faces."""

    def __call__(self, rng: np.random.Generator) -> tuple[Pixels, GroundTruth]:
        points = rng.uniform(0, 600, (100, 68, 2)).astype(np.float32)
        return np.zeros((640, 640, 3), np.uint8), GroundTruth.of(points)


def test_a_large_mosaic_has_room_for_more_faces(
    tiny_detector: DetectorRecipe, drawn_data: Path
) -> None:
    faces = load_split(drawn_data, "official", colour=True)[0]
    _, boxes, _, kinds = MosaicDataset(Crowd(faces, {}, [], tiny_detector.mosaic), seed=0)[0, 0]
    assert int((kinds == FACE).sum()) == 100
    assert (boxes[:, 2:] > boxes[:, :2]).all()
