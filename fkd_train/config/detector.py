"""Recipes of face detectors, as checked data."""

from __future__ import annotations

from dataclasses import field
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter
from pydantic.dataclasses import dataclass

from fkd_train.choices import Split
from fkd_train.config.landmarks import (
    STRICT,
    AugmentConfig,
    Channels,
    Count,
    DataConfig,
    Depth,
    FileName,
    OptimizerConfig,
    Positive,
    Seed,
    Share,
    Weight,
    checked,
)
from fkd_train.models.detector import DetectorSpec


@dataclass(frozen=True, config=STRICT)
class DetectorModelConfig:
    """The network; see detector.DetectorSpec."""

    name: Literal["fkd-detector"]
    stem: Channels
    widths: tuple[Channels, Channels, Channels, Channels]
    depths: tuple[Depth, Depth, Depth, Depth]
    coarser: Depth = 3

    def spec(self) -> DetectorSpec:
        """The numbers that the network is built from."""
        return DetectorSpec(self.stem, self.widths, self.depths, self.coarser)


@dataclass(frozen=True, config=STRICT)
class MosaicConfig:
    """The pictures that it is trained on: `per_epoch` squares of `size` pixels, see mosaic.

    Faces are from `smallest` pixels, of the longer side of the points' box, to `largest` shares of
    their tile; `roll` in degrees is the range for the `tilted` share of them. The others are the
    chance, from 0 to 1: of a mosaic to be a `single` tile or `faceless`, of a tile to be `empty`
    or `relit`, of a face to have `glasses` or an `occlusion`, of a mosaic to be `gray`, `dark` or
    in a `tint`; `augment` changes its pixels. `pictures` are functions of skimage.data, whose
    pictures hold no face.
    """

    size: Annotated[int, Field(ge=64, multiple_of=32, strict=True)]
    per_epoch: Count
    validation: Count = 400
    smallest: Positive = 9.0
    largest: Positive = 1.1
    roll: Weight = 50.0
    tilted: Share = 0.5
    single: Share = 0.25
    faceless: Share = 0.08
    empty: Share = 0.25
    relit: Share = 0.3
    glasses: Share = 0.1
    occlusion: Share = 0.2
    gray: Share = 0.25
    dark: Share = 0.15
    tint: Share = 0.3
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    pictures: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        own = self.augment
        if own.is_geometric or own.occlusion or own.glasses or own.hand or own.unframed:
            raise ValueError("augment takes changes of pixels that leave faces in their places")


@dataclass(frozen=True, config=STRICT)
class DetectorLossConfig:
    """Weights of the losses of boxes and of the five points, beside the scores'; `candidates` are
    the places at most that learn a face."""

    boxes: Weight = 2.0
    points: Weight = 0.5
    candidates: Count = 9


@dataclass(frozen=True, config=STRICT)
class DetectorRecipe:
    """One training run of a detector, but for where the data and the run folder are.

    `others` names a CSV file, beside the recipes or by its path, with boxes of faces on the images
    that have no points.
    """

    name: FileName
    summary: str
    split: Split
    epochs: Count
    batch: Count
    model: DetectorModelConfig
    mosaic: MosaicConfig
    optimizer: OptimizerConfig
    loss: DetectorLossConfig = field(default_factory=DetectorLossConfig)
    data: DataConfig = field(default_factory=DataConfig)
    others: str | None = None
    task: Literal["detector"] = "detector"
    precision: Literal["fp32", "bf16"] = "fp32"
    seed: Seed = 0


_RECIPE = TypeAdapter(DetectorRecipe)


def detector_recipe_from_dict(table: dict[str, object]) -> DetectorRecipe:
    """A detector's recipe from plain data; raises RecipeError for every field that is wrong."""
    return checked(_RECIPE, table)


def detector_recipe_to_dict(recipe: DetectorRecipe) -> dict[str, object]:
    """Plain data that detector_recipe_from_dict reads back."""
    plain: dict[str, object] = _RECIPE.dump_python(recipe, mode="json")
    return plain
