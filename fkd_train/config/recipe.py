"""Recipes of any kind: of landmark networks, and of detectors."""

from __future__ import annotations

from typing import Any

from fkd_train.config.detector import (
    DetectorRecipe,
    detector_recipe_from_dict,
    detector_recipe_to_dict,
)
from fkd_train.config.landmarks import (
    LandmarkRecipe,
    landmark_recipe_from_dict,
    landmark_recipe_to_dict,
)
from fkd_train.config.reading import read_recipe_table

Recipe = LandmarkRecipe | DetectorRecipe


def load_recipe(name: str) -> Recipe:
    """Reads a recipe by its name in the package, or by the path of its file; raises RecipeError."""
    return recipe_from_dict(read_recipe_table(name))


def recipe_from_dict(table: dict[str, object]) -> Recipe:
    """Builds the kind of recipe that plain data states; raises RecipeError."""
    if is_detector(table):
        return detector_recipe_from_dict(table)
    return landmark_recipe_from_dict(table)


def is_detector(table: dict[str, object]) -> bool:
    """Whether plain data describes a detector recipe."""
    return table.get("task") == "detector"


def recipe_to_dict(recipe: Recipe) -> dict[str, object]:
    """Plain data for recipe_from_dict."""
    if isinstance(recipe, DetectorRecipe):
        return detector_recipe_to_dict(recipe)
    return landmark_recipe_to_dict(recipe)


def recipe_values(recipe: Recipe) -> dict[str, object]:
    """All values of a recipe by their dotted keys, such as `optimizer.lr`."""
    return _flat(recipe_to_dict(recipe))


def _flat(table: dict[str, object], prefix: str = "") -> dict[str, object]:
    values: dict[str, object] = {}
    for key, value in table.items():
        if isinstance(value, dict):
            values |= _flat(value, f"{prefix}{key}.")
        else:
            values[prefix + key] = value
    return values


def recipe_to_toml(recipe: Recipe) -> str:
    """A recipe's file, with all defaults, which load_recipe reads as the same recipe."""
    import tomli_w

    return tomli_w.dumps(_without_none(recipe_to_dict(recipe)))


def _without_none(table: dict[str, Any]) -> dict[str, Any]:
    """The table without values that are not set, which TOML cannot express."""
    given = {key: value for key, value in table.items() if value is not None}
    return {key: _stated(value) for key, value in given.items()}


def _stated(value: Any) -> Any:
    if isinstance(value, dict):
        return _without_none(value)
    return [_stated(one) for one in value] if isinstance(value, list) else value
