"""Recipes of landmark networks."""

from __future__ import annotations

from dataclasses import field, replace
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, TypeAdapter
from pydantic.dataclasses import dataclass

from fkd_infer.choices import Border
from fkd_infer.geometry.rules import CropRule
from fkd_infer.landmarks.schemes import IBUG68, LandmarkScheme, find_scheme
from fkd_train.choices import Split
from fkd_train.config.fields import (
    STRICT,
    Channels,
    Count,
    Depth,
    FileName,
    InputSize,
    NonNegative,
    Options,
    Positive,
    Range,
    Scheme,
    Seed,
    Share,
    one_of,
)
from fkd_train.config.reading import read_recipe_table, validate
from fkd_train.config.sections import AugmentConfig, DataConfig, DataConfigs, OptimizerConfig
from fkd_train.errors import NetworkError
from fkd_train.losses.landmarks import LOSSES
from fkd_train.models.factories import network_type
from fkd_train.models.fkdnet import BLOCKS
from fkd_train.models.heads import HEADS
from fkd_train.models.spec import ModelSpec, TrunkSpec


def _check_network_name(name: str) -> str:
    try:
        network_type(name)
    except NetworkError as error:
        raise ValueError(error.without_subject) from error
    return name


NetworkName = Annotated[str, AfterValidator(_check_network_name)]
"""The name of a network; what it names is looked for when the network is built."""


@dataclass(frozen=True, config=STRICT)
class TrunkConfig:
    """The convolutions of fkdnet; see `TrunkSpec`."""

    stem: Channels
    widths: tuple[Channels, ...]
    depths: tuple[Depth, ...]
    block: Annotated[str, one_of(BLOCKS)] = "plain"
    context: Annotated[int, Field(ge=0, le=1 << 16, strict=True)] = 0

    def __post_init__(self) -> None:
        if len(self.widths) != len(self.depths) or len(self.widths) < 2:
            raise ValueError("widths and depths need one value per stage, for at least two stages")


@dataclass(frozen=True, config=STRICT)
class ModelConfig:
    """The network; `unit` and `offset`, as shares of the input size, normalise its points.

    `name` is one of this package's networks, a backbone of timm (`timm:NAME`), or a factory of
    one's own (`package.module:factory`). `channels` is 1 for gray images and 3 for colour. `trunk`
    is for fkdnet, `options` for factories from outside of the package, `head` for networks that
    give feature maps, and `score`, `spread` and `refine` for those with a head.
    """

    name: NetworkName
    size: InputSize
    unit: Positive = 0.25
    offset: float = 0.5
    channels: Literal[1, 3] = 1
    trunk: TrunkConfig | None = None
    options: Options = field(default_factory=dict)
    head: Annotated[str, one_of(HEADS)] | None = None
    score: bool = False
    spread: bool = False
    refine: bool = False

    def __post_init__(self) -> None:
        kind = network_type(self.name)
        if kind.trunk and self.trunk is None:
            raise ValueError(f"{self.name} needs a trunk")
        if kind.head == "needed" and self.head is None:
            raise ValueError(f"{self.name} needs a head: {', '.join(HEADS)}")
        unused = {
            "trunk": self.trunk is not None and not kind.trunk,
            "options": bool(self.options) and not kind.options,
            "head": self.head is not None and kind.head == "none",
        }
        if wrong := [key for key, is_unused in unused.items() if is_unused]:
            raise ValueError(f"{self.name} has no {' or '.join(wrong)}")
        if self.head is None and (self.score or self.spread or self.refine):
            raise ValueError("score, spread and refine need a head")
        halvings = (
            0 if self.trunk is None else 1 + len(self.trunk.widths) + bool(self.trunk.context)
        )
        if self.size % 2**halvings:
            raise ValueError("size does not halve evenly in every stage of the trunk")

    def spec(self, points: int) -> ModelSpec:
        """The numbers that the network is built from, in crop pixels."""
        trunk = None if self.trunk is None else TrunkSpec(**vars(self.trunk))
        return ModelSpec(
            name=self.name,
            size=self.size,
            unit=self.unit * self.size,
            offset=self.offset * self.size,
            channels=self.channels,
            points=points,
            trunk=trunk,
            options=self.options,
            head=self.head,
            score=self.score,
            spread=self.spread,
            refine=self.refine,
        )


@dataclass(frozen=True, config=STRICT)
class CropConfig:
    """The part of an image that the network sees.

    `points`: a square around the points, cut as at runtime. `image`: the image's shorter side is
    resized to `resize` pixels, and a window of the input size cut from it, at random in training
    and at the centre in evaluation; `scale` and `shift` then only tell the runtime how large faces
    were.
    """

    scale: Positive
    reference: Literal["points", "image"] = "points"
    shift: Range = (0.0, 0.0)
    border: Border = "replicate"
    resize: Count = 250

    def rule(self) -> CropRule:
        """The crop rule for the model's card."""
        return CropRule(self.scale, self.shift, self.border)


@dataclass(frozen=True, config=STRICT)
class LossConfig:
    """The loss of the points, on errors in the model's normalised units; `score` and `spread` are
    the weights of these outputs' losses.

    With `teacher`, the checkpoint of a trained network, points are to agree with those of the
    teacher by a share of `teaching`, and with the annotation by the rest.
    """

    name: Annotated[str, one_of(LOSSES)]
    width: Positive = 0.6
    curvature: Positive = 0.12
    score: NonNegative = 0.1
    spread: NonNegative = 0.01
    teacher: str | None = None
    teaching: Share = 0.5


@dataclass(frozen=True, config=STRICT)
class LandmarkRecipe:
    """Everything that defines a training run of a landmark network, except the folders.

    `convention` is the data set whose annotators the network's points agree with; without one, it
    does not learn how they differ. With `sync_batch_norm`, several processes normalise by the
    statistics of the complete batch, and not each by those of its share.
    """

    name: FileName
    summary: str
    split: Split
    epochs: Count
    batch: Count
    model: ModelConfig
    crop: CropConfig
    loss: LossConfig
    optimizer: OptimizerConfig
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    data: DataConfigs = (DataConfig(),)
    convention: str | None = None
    scheme: Scheme = IBUG68.name
    precision: Literal["fp32", "bf16"] = "fp32"
    sync_batch_norm: bool = False
    seed: Seed = 0

    def __post_init__(self) -> None:
        if self.model.score != (self.augment.unframed > 0):
            raise ValueError("model.score and augment.unframed above 0 need each other")
        names = [row.name for row in self.data]
        if len(set(names)) < len(names):
            raise ValueError("two data sets have the same name")
        if self.convention is not None and self.convention not in names:
            raise ValueError(f"convention names none of the data sets: {', '.join(names)}")
        if self.augment.flip and not self.landmarks.mirror_pairs:
            raise ValueError(
                f"augment.flip is {self.augment.flip}, but the scheme {self.landmarks.name} has no "
                "mirror_pairs, by which points change sides; state them, or set flip to 0"
            )
        if self.augment.blink and self.landmarks != IBUG68:
            raise ValueError("augment.blink is for the scheme ibug68, whose eyelids it knows")
        if self.crop.reference == "points":
            return
        if self.augment.is_geometric:
            raise ValueError(
                "crop.reference 'image' does not allow flip, shift, scale, roll, stretch or loose"
            )
        if self.crop.resize < self.model.size:
            raise ValueError("crop.resize must be at least model.size, which is cut from it")

    @property
    def landmarks(self) -> LandmarkScheme:
        """The scheme of the points."""
        return find_scheme(self.scheme)

    def spec(self) -> ModelSpec:
        """The numbers that the network is built from, in crop pixels."""
        spec = self.model.spec(self.landmarks.count)
        if self.convention is None:
            return spec
        names = [row.name for row in self.data]
        mirror = tuple(self.landmarks.flip_permutation.tolist())
        shipped = names.index(self.convention)
        return replace(spec, conventions=len(names), shipped=shipped, mirror=mirror)


_RECIPE = TypeAdapter(LandmarkRecipe)


def load_landmark_recipe(name: str) -> LandmarkRecipe:
    """Reads a landmark recipe by name or path; raises RecipeError that names every wrong field."""
    return landmark_recipe_from_dict(read_recipe_table(name))


def landmark_recipe_from_dict(table: dict[str, object]) -> LandmarkRecipe:
    """Builds a landmark recipe from plain data; raises RecipeError that names every wrong field."""
    return validate(_RECIPE, table)


def landmark_recipe_to_dict(recipe: LandmarkRecipe) -> dict[str, object]:
    """Plain data for landmark_recipe_from_dict."""
    plain: dict[str, object] = _RECIPE.dump_python(recipe, mode="json")
    return plain
