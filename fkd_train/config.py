"""Recipes: everything that makes one training run different from another, as checked data."""

from __future__ import annotations

import tomllib
from dataclasses import field
from importlib.resources import files
from pathlib import Path
from typing import Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from fkd_infer.crop import CropRule
from fkd_infer.errors import RecipeError
from fkd_infer.names import Border
from fkd_train.models import ModelSpec
from fkd_train.names import Split

_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)
Range = tuple[float, float]


@dataclass(frozen=True, config=_STRICT)
class ModelConfig:
    """The network; `unit` and `offset`, in shares of the input size, normalise its points."""

    name: str
    size: int
    unit: float = 0.25
    offset: float = 0.5
    channels: Literal[1, 3] = 1

    def spec(self, points: int) -> ModelSpec:
        """The numbers that models.build needs, in crop pixels."""
        unit, offset = self.unit * self.size, self.offset * self.size
        return ModelSpec(self.name, self.size, unit, offset, self.channels, points)


@dataclass(frozen=True, config=_STRICT)
class CropConfig:
    """What the network sees of an image.

    `points`: a square around the points, as the runtime cuts it. `image`: the shorter side of
    the image to `resize` pixels, and a window of the input's size of that, at random in training
    and central in evaluation; `scale` and `shift` then only tell the runtime what the faces
    looked like.
    """

    scale: float
    reference: Literal["points", "image"] = "points"
    shift: Range = (0.0, 0.0)
    border: Border = "replicate"
    resize: int = 250

    def rule(self) -> CropRule:
        """The rule that goes into the model's card."""
        return CropRule(self.scale, self.shift, self.border)


@dataclass(frozen=True, config=_STRICT)
class AugmentConfig:
    """Strength of each random change of a training crop; 0 leaves it out.

    `shift` (share of the crop's side), `scale` (octave-like: log of the factor) and `roll`
    (degrees) are standard deviations, cut off at two of them. The photometric ones are
    the chance, from 0 to 1, that a crop is changed so.
    """

    flip: float = 0.0
    shift: float = 0.0
    scale: float = 0.0
    roll: float = 0.0
    light: float = 0.0
    blur: float = 0.0
    noise: float = 0.0
    occlusion: float = 0.0
    low_resolution: float = 0.0


@dataclass(frozen=True, config=_STRICT)
class LossConfig:
    """The loss, on errors in the model's normalised units."""

    name: Literal["mse", "smooth_l1", "wing"]
    width: float = 0.6
    curvature: float = 0.12


@dataclass(frozen=True, config=_STRICT)
class OptimizerConfig:
    """Optimiser and its schedule."""

    name: Literal["adam", "adamw"]
    lr: float
    weight_decay: float = 0.0
    schedule: Literal["constant", "one_cycle"] = "constant"
    warm_up: float = 0.1
    ema: float = 0.0


@dataclass(frozen=True, config=_STRICT)
class Recipe:
    """One training run, but for where the data and the run folder are."""

    name: str
    summary: str
    split: Split
    epochs: int
    batch: int
    model: ModelConfig
    crop: CropConfig
    loss: LossConfig
    optimizer: OptimizerConfig
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    precision: Literal["fp32", "bf16"] = "fp32"
    seed: int = 0


_RECIPE = TypeAdapter(Recipe)


def recipe_names() -> list[str]:
    """Names of the recipes in the package."""
    shipped = files("fkd_train") / "recipes"
    return sorted(Path(f.name).stem for f in shipped.iterdir() if f.name.endswith(".toml"))


def load_recipe(name: str) -> Recipe:
    """A recipe of the package by name, or any by the path of its TOML file.

    Raises RecipeError for an unknown name and for every field that is wrong.
    """
    shipped = files("fkd_train") / "recipes" / f"{name}.toml"
    path = Path(name)
    try:
        text = path.read_text() if path.suffix == ".toml" else shipped.read_text()
        table = tomllib.loads(text)
    except FileNotFoundError as error:
        there_are = f"there are: {', '.join(recipe_names())}; or give a TOML file"
        raise RecipeError(name, f"no such recipe; {there_are}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(name, f"not a TOML file: {error}") from error
    return recipe_from_dict({"name": path.stem, **table})


def recipe_from_dict(table: dict[str, object]) -> Recipe:
    """A recipe from plain data; raises RecipeError for every field that is wrong."""
    try:
        return _RECIPE.validate_python(table)
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, e['loc']))} = {e['input']!r}: {e['msg']}" for e in error.errors()
        )
        raise RecipeError(str(table.get("name", "?")), wrong) from error


def recipe_to_dict(recipe: Recipe) -> dict[str, object]:
    """Plain data that recipe_from_dict reads back."""
    plain: dict[str, object] = _RECIPE.dump_python(recipe, mode="json")
    return plain
