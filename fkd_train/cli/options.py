"""Options that several commands share, and the recipe values that options replace."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from fkd_train.choices import SPLITS

if TYPE_CHECKING:
    from fkd_train.config.recipe import Recipe

F = TypeVar("F", bound=Callable[..., Any])


def data_option(required: bool, several: bool = True) -> Callable[[F], F]:
    """--data: the folder of a data set, or those of several."""
    return click.option(
        "--data",
        type=click.Path(path_type=Path),
        envvar="FKD_DATA",
        show_envvar=True,
        required=required,
        multiple=several,
        help="Data set: a folder with <part>_frames_keypoints.csv and <part>/, with .pts files as "
        "300-W has them, or of WFLW; a COCO .json file; an .npz file. csv:, 300w:, wflw:, coco: or "
        "npz: before it states its format."
        f"{' Repeat for several.' if several else ''}",
    )


def split_option(
    default: str | None, help: str, choices: Sequence[str] = SPLITS
) -> Callable[[F], F]:
    """--split: how the data set is divided into training and evaluation faces."""
    return click.option(
        "--split", type=click.Choice(choices), default=default, show_default=True, help=help
    )


def with_overrides(
    recipe: Recipe,
    *,
    split: str | None,
    epochs: int | None,
    size: int | None,
    seed: int | None,
    assignments: Sequence[str] = (),
) -> Recipe:
    """Replaces values of a recipe by those of the command line, and validates the result.

    `assignments` are TOML lines such as `model.head = "grid"`. A split is that of all data sets.
    Raises RecipeError.
    """
    from fkd_train.config.detector import DetectorRecipe
    from fkd_train.config.recipe import recipe_from_dict, recipe_to_dict

    if split is not None:
        recipe = replace(recipe, data=tuple(replace(row, split=None) for row in recipe.data))
    table = recipe_to_dict(recipe)
    for line in assignments:
        _merge(table, _parse_assignment(line))
    options = {"split": split, "epochs": epochs, "seed": seed}
    table |= {key: value for key, value in options.items() if value is not None}
    if size is not None and isinstance(recipe, DetectorRecipe):
        _merge(table, {"mosaic": {"size": size}})
    elif size is not None and not isinstance(recipe, DetectorRecipe):
        # The window of `image` crops scales with it, so that the network sees the same part.
        resize = round(recipe.crop.resize * size / recipe.model.size)
        _merge(table, {"model": {"size": size}, "crop": {"resize": resize}})
    return recipe_from_dict(table)


def _parse_assignment(line: str) -> dict[str, Any]:
    """Reads a TOML assignment as nested tables; raises RecipeError."""
    import tomllib

    from fkd_train.errors import RecipeError

    try:
        return tomllib.loads(line)
    except tomllib.TOMLDecodeError as error:
        example = "write it as in a recipe: model.head='grid'"
        raise RecipeError(f"--set {line}", str(error), example) from error


def _merge(table: dict[str, Any], changes: dict[str, Any]) -> None:
    """Changes values of nested tables in place."""
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(table.get(key), dict):
            _merge(table[key], value)
        else:
            table[key] = value
