"""Recipes of either kind: of networks that place landmarks, and of detectors."""

from __future__ import annotations

from fkd_train.config.detector import (
    DetectorRecipe,
    detector_recipe_from_dict,
    detector_recipe_to_dict,
)
from fkd_train.config.landmarks import Recipe, recipe_from_dict, recipe_table, recipe_to_dict

AnyRecipe = Recipe | DetectorRecipe


def open_recipe(name: str) -> AnyRecipe:
    """A recipe by its name in the package, or by the path of its file; raises RecipeError."""
    return any_recipe(recipe_table(name))


def any_recipe(table: dict[str, object]) -> AnyRecipe:
    """A recipe from plain data, of the kind that it says; raises RecipeError."""
    if is_detector(table):
        return detector_recipe_from_dict(table)
    return recipe_from_dict(table)


def is_detector(table: dict[str, object]) -> bool:
    """Whether plain data is of a detector's recipe."""
    return table.get("task") == "detector"


def plain_recipe(recipe: AnyRecipe) -> dict[str, object]:
    """Plain data that any_recipe reads back."""
    if isinstance(recipe, DetectorRecipe):
        return detector_recipe_to_dict(recipe)
    return recipe_to_dict(recipe)
