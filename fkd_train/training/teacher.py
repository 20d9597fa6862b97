"""A trained network whose points another one learns to place (Hinton et al., 2015)."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from fkd_train.checkpoints import find_checkpoint, load_landmark_network
from fkd_train.config.landmarks import LandmarkRecipe
from fkd_train.errors import RecipeError


class Teacher:
    """Places points in training crops of a recipe, as the annotators of each data set do.

    Raises RunError for a file that is no landmark network's checkpoint, and RecipeError for one
    with other inputs, points or data sets than the recipe's.
    """

    def __init__(self, checkpoint: Path, recipe: LandmarkRecipe, device: torch.device) -> None:
        network, own, _ = load_landmark_network(find_checkpoint(checkpoint, "last"))
        self.network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        same = {
            "scheme": own.landmarks == recipe.landmarks,
            "model.size": own.model.size == recipe.model.size,
            "model.channels": own.model.channels == recipe.model.channels,
            "crop": own.crop == recipe.crop,
        }
        if unlike := [name for name, is_same in same.items() if not is_same]:
            problem = f"the teacher {checkpoint} has another {', '.join(unlike)}"
            raise RecipeError(recipe.name, problem, "use one that was trained with the same")
        names = [row.name for row in own.data]
        unknown = [row.name for row in recipe.data if row.name not in names]
        if own.convention is not None and unknown:
            problem = f"the teacher {checkpoint} was not trained on {', '.join(unknown)}"
            raise RecipeError(recipe.name, problem, f"it knows {', '.join(names)}")
        has_conventions = own.convention is not None
        numbers = [names.index(row.name) if has_conventions else 0 for row in recipe.data]
        self._numbers = torch.tensor(numbers, device=device)

    @torch.no_grad()
    def __call__(self, images: Tensor, data_sets: Tensor, mirrored: Tensor) -> Tensor:
        """Points (N, n, 2) in crop pixels for crops (N, S, S, C) of the recipe's data sets (N,)."""
        points: Tensor = self.network(images, self._numbers[data_sets], mirrored)[0]
        return points
