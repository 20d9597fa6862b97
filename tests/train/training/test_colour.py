"""A network of colour images, from training to evaluation, on drawn faces."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from fkd_train.checkpoints import load_landmark_network
from fkd_train.config.landmarks import LandmarkRecipe, landmark_recipe_from_dict
from fkd_train.config.landmarks import landmark_recipe_to_dict as plain
from fkd_train.evaluation.comparison import EvaluationProtocol, compare
from fkd_train.training.run import train


def in_colour(recipe: LandmarkRecipe) -> LandmarkRecipe:
    """A small fkdnet of colour images, with a score."""
    trunk = {"stem": 8, "widths": [8, 16], "depths": [1, 1]}
    model = {"name": "fkdnet", "size": 64, "channels": 3, "trunk": trunk, "head": "grid"}
    table = plain(recipe) | {"model": model | {"score": True}}
    augment = {"unframed": 0.3, "turned": 0.3, "blink": 0.3, "glasses": 0.3, "hand": 0.3}
    return landmark_recipe_from_dict(table | {"augment": augment | {"jpeg": 0.5, "lamp": 0.5}})


def test_is_trained_and_evaluated_beside_a_gray_one(
    tiny: LandmarkRecipe, drawn_data: Path, tmp_path: Path
) -> None:
    train(replace(tiny, epochs=1), drawn_data, tmp_path / "gray", workers=0)
    train(replace(in_colour(tiny), epochs=1), drawn_data, tmp_path / "colour", workers=0)
    network, recipe, _ = load_landmark_network(tmp_path / "colour" / "last.pt")
    assert recipe.model.channels == network.spec.channels == 3
    plots = {path.name for path in (tmp_path / "colour" / "plots").iterdir()}
    assert plots == {"curves.png", "ced.png", "filters.png", "faces.png", "worst.png"}
    protocol = EvaluationProtocol(drawn_data, "official", "model", "points", True, score=True)
    compared = compare([tmp_path / "gray", tmp_path / "colour"], protocol)
    assert all(image.ndim == 3 for image in compared.faces.images)
    gray, colour = compared.results
    assert gray.score is None
    assert colour.score is not None
    assert "photos without a face" in colour.score.groups
    assert len(colour.robustness) == len(gray.robustness) > 0
