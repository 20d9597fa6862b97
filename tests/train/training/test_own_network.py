"""Networks of one's own, from training to a loaded checkpoint, on drawn faces."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from own_networks import POINTS, WriteModule

from fkd_train.checkpoints import load_checkpoint, load_landmark_network, save_checkpoint
from fkd_train.config.landmarks import (
    LandmarkRecipe,
    landmark_recipe_from_dict,
    landmark_recipe_to_dict,
)
from fkd_train.errors import NetworkError, RunError
from fkd_train.training.run import train

SHARES = {"name": "mine:Points", "size": 32, "channels": 3, "options": {"gain": 2.0}}
MAPS = {"name": "mine:Maps", "size": 64, "head": "grid", "spread": True, "refine": True}


def with_model(recipe: LandmarkRecipe, model: dict[str, Any]) -> LandmarkRecipe:
    return landmark_recipe_from_dict(landmark_recipe_to_dict(recipe) | {"model": model})


@pytest.mark.parametrize("model", [SHARES, MAPS], ids=["shares", "maps"])
def test_a_network_of_ones_own_is_trained_and_loaded(
    model: dict[str, Any],
    tiny: LandmarkRecipe,
    drawn_data: Path,
    tmp_path: Path,
    write_module: WriteModule,
) -> None:
    write_module("mine", POINTS)
    result = train(with_model(tiny, model), drawn_data, tmp_path / "run", workers=0)
    assert result.summary is not None
    network, recipe, content = load_landmark_network(tmp_path / "run" / "last.pt")
    assert recipe.model.name == model["name"]
    for name, value in network.state_dict().items():
        assert torch.equal(value, content["weights"][name])
    write_module("mine", POINTS.replace("4, 3, 2, 1", "5, 3, 2, 1").replace("16, 2", "20, 2"))
    if model is SHARES:
        with pytest.raises(RunError, match="its weights do not fit its recipe's network"):
            load_landmark_network(tmp_path / "run" / "last.pt")


def test_a_checkpoint_of_a_network_that_is_not_there_says_so(
    tiny: LandmarkRecipe, drawn_data: Path, tmp_path: Path
) -> None:
    recipe = with_model(tiny, SHARES | {"name": "nowhere_to_be_found:Points"})
    plain = landmark_recipe_to_dict(recipe)
    path = tmp_path / "last.pt"
    empty = {"points": 68, "weights": {}, "progress": {"epoch": 1}}
    save_checkpoint(path, {"recipe": plain, **empty})
    with pytest.raises(NetworkError, match="there is no module nowhere_to_be_found; install it"):
        load_landmark_network(path)


def test_weights_of_a_checkpoint_replace_pretrained_ones_that_are_not_fetched(
    tiny: LandmarkRecipe, drawn_data: Path, tmp_path: Path, write_module: WriteModule
) -> None:
    fetching = "\n    fetched = []\n    def __init__(self, spec):\n"
    fetching += "        self.fetched.append(spec.options['pretrained'])"
    write_module("mine", POINTS.replace("\n    def __init__(self, spec):", fetching, 1))
    model = SHARES | {"options": {"pretrained": True}}
    train(replace(with_model(tiny, model), epochs=1), drawn_data, tmp_path / "run", workers=0)
    load_landmark_network(tmp_path / "run" / "last.pt")
    from mine import Points  # type: ignore[import-not-found]

    assert Points.fetched == [True, False, False]
    saved = load_checkpoint(tmp_path / "run" / "last.pt")["recipe"]
    assert saved["model"]["options"] == {"pretrained": True}
