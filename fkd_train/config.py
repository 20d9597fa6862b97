"""Recipes: everything that makes one training run different from another, as checked data."""

from __future__ import annotations

import tomllib
from dataclasses import field
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass
from pydantic_core import ErrorDetails

from fkd_infer.crop import CropRule
from fkd_infer.errors import RecipeError
from fkd_infer.names import Border
from fkd_train.models import ModelSpec
from fkd_train.names import Split

_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)
Range = tuple[float, float]
Count = Annotated[int, Field(gt=0, strict=True)]
Seed = Annotated[int, Field(ge=0, strict=True)]
Positive = Annotated[float, Field(gt=0)]
Weight = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Decay = Annotated[float, Field(ge=0, lt=1)]


@dataclass(frozen=True, config=_STRICT)
class DataConfig:
    """What the data is called and which licence its owners gave it; both go into the card."""

    name: str = "not stated"
    licence: str = "not stated"


@dataclass(frozen=True, config=_STRICT)
class ModelConfig:
    """The network; `unit` and `offset`, in shares of the input size, normalise its points."""

    name: str
    size: Count
    unit: Positive = 0.25
    offset: float = 0.5
    channels: Literal[1] = 1

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

    scale: Positive
    reference: Literal["points", "image"] = "points"
    shift: Range = (0.0, 0.0)
    border: Border = "replicate"
    resize: Count = 250

    def rule(self) -> CropRule:
        """The rule that goes into the model's card."""
        return CropRule(self.scale, self.shift, self.border)


@dataclass(frozen=True, config=_STRICT)
class AugmentConfig:
    """Strength of each random change of a training crop; 0 leaves it out.

    `shift` (share of the crop's side), `scale` (natural logarithm of the factor) and `roll`
    (degrees) are standard deviations, cut off at two of them. The others are the chance, from 0
    to 1, that a crop is changed so.
    """

    flip: Share = 0.0
    shift: Weight = 0.0
    scale: Weight = 0.0
    roll: Weight = 0.0
    light: Share = 0.0
    blur: Share = 0.0
    noise: Share = 0.0
    occlusion: Share = 0.0
    low_resolution: Share = 0.0

    @property
    def is_geometric(self) -> bool:
        """Whether points move."""
        return any((self.flip, self.shift, self.scale, self.roll))


@dataclass(frozen=True, config=_STRICT)
class LossConfig:
    """The loss, on errors in the model's normalised units."""

    name: Literal["mse", "smooth_l1", "wing"]
    width: Positive = 0.6
    curvature: Positive = 0.12


@dataclass(frozen=True, config=_STRICT)
class OptimizerConfig:
    """Optimiser and its schedule."""

    name: Literal["adam", "adamw"]
    lr: Positive
    weight_decay: Weight = 0.0
    schedule: Literal["constant", "one_cycle"] = "constant"
    warm_up: Share = 0.1
    ema: Decay = 0.0


@dataclass(frozen=True, config=_STRICT)
class Recipe:
    """One training run, but for where the data and the run folder are."""

    name: str
    summary: str
    split: Split
    epochs: Count
    batch: Count
    model: ModelConfig
    crop: CropConfig
    loss: LossConfig
    optimizer: OptimizerConfig
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    data: DataConfig = field(default_factory=DataConfig)
    precision: Literal["fp32", "bf16"] = "fp32"
    seed: Seed = 0

    def __post_init__(self) -> None:
        if self.crop.reference == "points":
            return
        if self.augment.is_geometric:
            raise ValueError("crop.reference 'image' takes no flip, shift, scale or roll")
        if self.crop.resize < self.model.size:
            raise ValueError("crop.resize is smaller than model.size, which is cut out of it")


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
    except OSError as error:
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
        wrong = "; ".join(map(_worded, error.errors()))
        raise RecipeError(str(table.get("name", "?")), wrong) from error


def _worded(error: ErrorDetails) -> str:
    where = ".".join(str(part) for part in error["loc"])
    if isinstance(error["input"], str | int | float):
        where += f" = {error['input']!r}"
    return f"{where}: {error['msg']}" if where else error["msg"]


def recipe_to_dict(recipe: Recipe) -> dict[str, object]:
    """Plain data that recipe_from_dict reads back."""
    plain: dict[str, object] = _RECIPE.dump_python(recipe, mode="json")
    return plain
