"""The training of a detector: mosaics in batches, its loss, and how well it finds faces."""

from __future__ import annotations

from collections.abc import Callable

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from fkd_train.config.detector import DetectorRecipe
from fkd_train.data.loader import Batch
from fkd_train.losses.detector import detector_loss
from fkd_train.models.detector import CellPredictions, cell_centres


def mosaic_loss(
    recipe: DetectorRecipe, accelerator: Accelerator
) -> Callable[[nn.Module, Batch], Tensor]:
    """The loss of a batch under a network."""
    places = cell_centres(recipe.mosaic.size, torch.zeros(0, device=accelerator.device))

    def loss(model: nn.Module, batch: Batch) -> Tensor:
        images, boxes, points, kinds = batch
        with accelerator.autocast():
            found: CellPredictions = model(images)
        return detector_loss(found, places, (boxes, points, kinds), recipe.loss)

    return loss
