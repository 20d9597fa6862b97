"""Recipes of face detectors."""

from __future__ import annotations

from dataclasses import field
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, TypeAdapter
from pydantic.dataclasses import dataclass

from fkd_train.choices import Split
from fkd_train.config.fields import (
    STRICT,
    Channels,
    Count,
    Depth,
    FileName,
    NonNegative,
    Positive,
    Seed,
    Share,
    Whole,
)
from fkd_train.config.reading import validate
from fkd_train.config.sections import AugmentConfig, DataConfig, DataConfigs, OptimizerConfig
from fkd_train.losses.detector import DetectorLoss
from fkd_train.models.detector import DetectorSpec


@dataclass(frozen=True, config=STRICT)
class DetectorModelConfig:
    """The network; see `DetectorSpec`."""

    name: Literal["fkd-detector"]
    stem: Channels
    widths: tuple[Channels, Channels, Channels, Channels]
    depths: tuple[Depth, Depth, Depth, Depth]
    coarser: Annotated[int, Field(ge=2, strict=True)] = 3
    levels: Depth = 2
    full: tuple[Whole, Whole, Whole, Whole] | None = None

    def spec(self) -> DetectorSpec:
        """The numbers that the network is built from."""
        return DetectorSpec(
            self.stem, self.widths, self.depths, self.coarser, self.levels, self.full
        )


@dataclass(frozen=True, config=STRICT)
class MosaicConfig:
    """The training images: `per_epoch` mosaics of `size` × `size` pixels; see data/mosaic.py.

    Faces range from `smallest` pixels, of the longer side of the points' box, to `largest` shares
    of their tile; the `tilted` share of them is turned by up to `roll` degrees. `profiles` is how
    much more often heads that are turned far sideways are drawn. The others are probabilities: of a
    mosaic to be a `single` tile or `faceless`, of a tile to be `empty` or `relit`, of its
    background to be `blurred` or to have something `drawn` on it that resembles a face, of a face
    to be `inverted`, and so no longer a face, or to have `glasses` or an `occlusion`, of a mosaic
    to be `gray`, `dark` or in a `tint`; `augment` changes its pixels. `pictures` are functions of
    `skimage.data` whose pictures show no face. `validation` is the number of mosaics for
    evaluation.
    """

    size: Annotated[int, Field(ge=64, multiple_of=32, strict=True)]
    per_epoch: Count
    validation: Count = 400
    smallest: Positive = 9.0
    largest: Positive = 1.1
    roll: NonNegative = 50.0
    tilted: Share = 0.5
    inverted: Share = 0.0
    profiles: NonNegative = 0.0
    single: Share = 0.25
    faceless: Share = 0.08
    empty: Share = 0.25
    relit: Share = 0.3
    blurred: Share = 0.0
    drawn: Share = 0.0
    glasses: Share = 0.1
    occlusion: Share = 0.2
    gray: Share = 0.25
    dark: Share = 0.15
    tint: Share = 0.3
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    pictures: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        augment = self.augment
        if (
            augment.is_geometric
            or augment.occlusion
            or augment.glasses
            or augment.hand
            or augment.unframed
        ):
            raise ValueError("augment allows only changes of pixels that leave faces in place")


@dataclass(frozen=True, config=STRICT)
class DetectorLossConfig:
    """Weights of the losses of boxes and points relative to the scores' loss; `candidates` is the
    largest number of cells that learn a face."""

    boxes: NonNegative = 2.0
    points: NonNegative = 0.5
    candidates: Count = 9

    def loss(self) -> DetectorLoss:
        """The loss with these weights."""
        return DetectorLoss(self.boxes, self.points, self.candidates)


def _as_tuple(given: object) -> object:
    """One name or none, as recipes were once written, as a tuple."""
    return (given,) if isinstance(given, str) else given or ()


@dataclass(frozen=True, config=STRICT)
class DetectorRecipe:
    """Everything that defines a training run of a detector, except the folders.

    `others` are CSV files, beside the shipped recipes or by their paths, with boxes of faces whose
    points are not annotated. `sync_batch_norm` is as in `LandmarkRecipe`.
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
    data: DataConfigs = (DataConfig(),)
    others: Annotated[tuple[str, ...], BeforeValidator(_as_tuple)] = ()
    task: Literal["detector"] = "detector"
    precision: Literal["fp32", "bf16"] = "fp32"
    sync_batch_norm: bool = False
    seed: Seed = 0


_RECIPE = TypeAdapter(DetectorRecipe)


def detector_recipe_from_dict(table: dict[str, object]) -> DetectorRecipe:
    """Builds a detector recipe from plain data; raises RecipeError that names every wrong field."""
    return validate(_RECIPE, table)


def detector_recipe_to_dict(recipe: DetectorRecipe) -> dict[str, object]:
    """Plain data for detector_recipe_from_dict."""
    plain: dict[str, object] = _RECIPE.dump_python(recipe, mode="json")
    return plain
