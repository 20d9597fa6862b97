"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from fkd_train.names import SPLITS

if TYPE_CHECKING:
    from fkd_train.config import Recipe

F = TypeVar("F", bound=Callable[..., Any])


def data_option(required: bool) -> Callable[[F], F]:
    """--data: the data set's folder."""
    return click.option(
        "--data",
        type=click.Path(path_type=Path),
        envvar="FKD_DATA",
        show_envvar=True,
        required=required,
        help="Folder with <part>_frames_keypoints.csv and <part>/.",
    )


def split_option(default: str | None, help: str) -> Callable[[F], F]:
    """--split: how the data set is divided."""
    return click.option(
        "--split", type=click.Choice(SPLITS), default=default, show_default=True, help=help
    )


def overrides(
    recipe: Recipe, *, split: str | None, epochs: int | None, size: int | None, seed: int | None
) -> Recipe:
    """The recipe with the values that the command line gives instead; checked again."""
    from fkd_train.config import recipe_from_dict, recipe_to_dict

    table = recipe_to_dict(recipe)
    given = {"split": split, "epochs": epochs, "seed": seed}
    table |= {key: value for key, value in given.items() if value is not None}
    if size is not None:
        # The window of `image` crops grows along, so that the network sees the same part.
        resize = round(recipe.crop.resize * size / recipe.model.size)
        table["model"] = {**asdict(recipe.model), "size": size}
        table["crop"] = {**asdict(recipe.crop), "resize": resize}
    return recipe_from_dict(table)
