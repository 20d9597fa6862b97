"""A pipeline in the workers of a torch DataLoader."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from tiny_models import MODELS, SIZE
from torch.utils.data import DataLoader, Dataset

from fkd_infer.loading import load
from fkd_infer.pipeline import Pipeline


class Points(Dataset[torch.Tensor]):
    """The points of blank images of several sizes."""

    def __init__(self, pipeline: Pipeline, sizes: Sequence[int]) -> None:
        self.pipeline = pipeline
        self.sizes = sizes

    def __len__(self) -> int:
        return len(self.sizes)

    def __getitem__(self, index: int) -> torch.Tensor:
        size = self.sizes[index]
        (face,) = self.pipeline(np.zeros((size, size, 3), np.uint8))
        return torch.from_numpy(face.points)


@pytest.mark.parametrize("start", ["spawn", "forkserver"])
def test_workers_of_a_data_loader_have_the_pipeline(start: str) -> None:
    pipeline = load(MODELS / "fixed.onnx", detector="none", threads=1)
    points = Points(pipeline, [SIZE, 2 * SIZE, 3 * SIZE])
    loader = DataLoader(points, batch_size=1, num_workers=2, multiprocessing_context=start)
    for batch, expected in zip(loader, points, strict=True):  # type: ignore[call-overload]
        torch.testing.assert_close(batch[0], expected)
