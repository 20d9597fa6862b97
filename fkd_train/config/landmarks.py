"""Recipes: everything that makes one training run different from another, as checked data."""

from __future__ import annotations

import tomllib
from dataclasses import asdict, field
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    TypeAdapter,
    ValidationError,
)
from pydantic.dataclasses import dataclass
from pydantic_core import ErrorDetails

from fkd_infer.choices import Border
from fkd_infer.geometry.rules import CropRule
from fkd_infer.landmarks.schemes import IBUG68, LandmarkScheme, find_scheme
from fkd_infer.models.cards.landmark import MAX_INPUT_SIZE, MIN_INPUT_SIZE
from fkd_infer.system.files.strict_dataclass import parse_dataclass
from fkd_infer.system.files.text_checks import file_name_problem, short_repr
from fkd_train.choices import Block, Head, Split
from fkd_train.errors import RecipeError
from fkd_train.models.landmarks import ModelSpec, TrunkSpec

STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)
Range = tuple[float, float]
Count = Annotated[int, Field(gt=0, le=10**9, strict=True)]
Channels = Annotated[int, Field(gt=0, le=1 << 16, strict=True)]
Depth = Annotated[int, Field(gt=0, le=1000, strict=True)]
Side = Annotated[int, Field(ge=MIN_INPUT_SIZE, le=MAX_INPUT_SIZE, strict=True)]
Seed = Annotated[int, Field(ge=0, strict=True)]
Positive = Annotated[float, Field(gt=0)]
Weight = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Decay = Annotated[float, Field(ge=0, lt=1)]


def _checked_name(name: str) -> str:
    """A recipe's name, which exports make files of."""
    if problem := file_name_problem(name):
        raise ValueError(f"it {problem}, and exported files are called so")
    return name


FileName = Annotated[str, AfterValidator(_checked_name)]


def _read_scheme(given: object) -> str | LandmarkScheme:
    """Checked as the card's reader does, which is stricter than pydantic about numbers."""
    if not isinstance(given, str | LandmarkScheme):
        given = parse_dataclass(LandmarkScheme, given, "scheme")
    find_scheme(given)
    return given


def _plain_scheme(scheme: str | LandmarkScheme) -> str | dict[str, object]:
    return scheme if isinstance(scheme, str) else asdict(scheme)


Scheme = Annotated[
    str | LandmarkScheme, PlainValidator(_read_scheme), PlainSerializer(_plain_scheme)
]
"""The name of a built-in scheme, or another one as a table."""


@dataclass(frozen=True, config=STRICT)
class DataConfig:
    """What the data is called and which licence its owners gave it; both go into the card."""

    name: str = "not stated"
    licence: str = "not stated"


@dataclass(frozen=True, config=STRICT)
class TrunkConfig:
    """The convolutions of fkdnet; see models.TrunkSpec."""

    stem: Channels
    widths: tuple[Channels, ...]
    depths: tuple[Depth, ...]
    block: Block = "plain"

    def __post_init__(self) -> None:
        if len(self.widths) != len(self.depths) or len(self.widths) < 2:
            raise ValueError("widths and depths are of the same stages, at least two")


@dataclass(frozen=True, config=STRICT)
class ModelConfig:
    """The network; `unit` and `offset`, in shares of the input size, normalise its points.

    `trunk`, `head` and `score` are fkdnet's own.
    """

    name: str
    size: Side
    unit: Positive = 0.25
    offset: float = 0.5
    channels: Literal[1] = 1
    trunk: TrunkConfig | None = None
    head: Head | None = None
    score: bool = False

    def __post_init__(self) -> None:
        built = self.name == "fkdnet"
        if built and (self.trunk is None or self.head is None):
            raise ValueError("fkdnet needs a trunk and a head")
        if not built and (self.trunk is not None or self.head is not None or self.score):
            raise ValueError("trunk, head and score are for fkdnet")
        if self.trunk is not None and self.size % 2 ** (1 + len(self.trunk.widths)):
            raise ValueError("size does not halve evenly in every stage of the trunk")

    def spec(self, points: int) -> ModelSpec:
        """The numbers that models.build needs, in crop pixels."""
        trunk = None if self.trunk is None else TrunkSpec(**vars(self.trunk))
        return ModelSpec(
            self.name,
            self.size,
            self.unit * self.size,
            self.offset * self.size,
            self.channels,
            points,
            trunk,
            self.head,
            self.score,
        )


@dataclass(frozen=True, config=STRICT)
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


@dataclass(frozen=True, config=STRICT)
class AugmentConfig:
    """Strength of each random change of a training crop; 0 leaves it out.

    `shift` (share of the crop's side), `scale` (natural logarithm of the factor), `roll`
    (degrees) and `stretch` (weak perspective: shear, and logarithm of the aspect ratio) are
    standard deviations, cut off at two of them. `coarsest` is the smallest share of its pixels
    that low resolution leaves along a side. The others are the chance, from 0 to 1, that a crop is
    changed so; `loose` frames the face as a bad box would, evenly over a wide range, and
    `unframed` replaces it by a crop that is of no well-framed face.
    """

    flip: Share = 0.0
    shift: Weight = 0.0
    scale: Weight = 0.0
    roll: Weight = 0.0
    stretch: Weight = 0.0
    loose: Share = 0.0
    unframed: Share = 0.0
    light: Share = 0.0
    lamp: Share = 0.0
    blur: Share = 0.0
    noise: Share = 0.0
    occlusion: Share = 0.0
    glasses: Share = 0.0
    hand: Share = 0.0
    low_resolution: Share = 0.0
    coarsest: Annotated[float, Field(gt=0, lt=0.8)] = 0.25
    jpeg: Share = 0.0

    @property
    def is_geometric(self) -> bool:
        """Whether points move."""
        return any((self.flip, self.shift, self.scale, self.roll, self.stretch, self.loose))


@dataclass(frozen=True, config=STRICT)
class LossConfig:
    """The loss, on errors in the model's normalised units; `score` weighs that of the score."""

    name: Literal["mse", "smooth_l1", "wing"]
    width: Positive = 0.6
    curvature: Positive = 0.12
    score: Weight = 0.1


@dataclass(frozen=True, config=STRICT)
class OptimizerConfig:
    """Optimiser and its schedule."""

    name: Literal["adam", "adamw"]
    lr: Positive
    weight_decay: Weight = 0.0
    schedule: Literal["constant", "one_cycle"] = "constant"
    warm_up: Share = 0.1
    ema: Decay = 0.0


@dataclass(frozen=True, config=STRICT)
class LandmarkRecipe:
    """One training run, but for where the data and the run folder are."""

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
    data: DataConfig = field(default_factory=DataConfig)
    scheme: Scheme = IBUG68.name
    precision: Literal["fp32", "bf16"] = "fp32"
    seed: Seed = 0

    def __post_init__(self) -> None:
        if self.model.score != (self.augment.unframed > 0):
            raise ValueError("model.score needs augment.unframed above 0, and that needs it")
        if self.crop.reference == "points":
            return
        if self.augment.is_geometric:
            raise ValueError(
                "crop.reference 'image' takes no flip, shift, scale, roll, stretch, loose"
            )
        if self.crop.resize < self.model.size:
            raise ValueError("crop.resize is smaller than model.size, which is cut out of it")

    @property
    def landmarks(self) -> LandmarkScheme:
        """The scheme of the points."""
        return find_scheme(self.scheme)


_RECIPE = TypeAdapter(LandmarkRecipe)
_MOST_WORDED = 40
"""Of wrong fields, as many as a line has room for."""
T = TypeVar("T")


def shipped_recipe_names() -> list[str]:
    """Names of the recipes in the package."""
    shipped = files("fkd_train") / "recipes"
    return sorted(Path(f.name).stem for f in shipped.iterdir() if f.name.endswith(".toml"))


def read_recipe_table(name: str) -> dict[str, Any]:
    """The plain data of a recipe of the package, by name, or of any, by the path of its TOML file.

    Raises RecipeError for an unknown name and for what is no TOML.
    """
    shipped = files("fkd_train") / "recipes" / f"{name}.toml"
    path = Path(name)
    try:
        text = path.read_text() if path.suffix == ".toml" else shipped.read_text()
        table = tomllib.loads(text)
    except OSError as error:
        there_are = f"there are: {', '.join(shipped_recipe_names())}; or give a TOML file"
        raise RecipeError(name, "no such recipe", there_are) from error
    except ValueError as error:  # no TOML, no UTF-8, or numbers of thousands of digits
        raise RecipeError(name, f"not a TOML file: {error}") from error
    except RecursionError as error:
        raise RecipeError(name, "not a TOML file: nested too deeply") from error
    return {"name": path.stem, **table}


def load_landmark_recipe(name: str) -> LandmarkRecipe:
    """Reads a landmark recipe by name or path; raises RecipeError that names every wrong field."""
    return landmark_recipe_from_dict(read_recipe_table(name))


def landmark_recipe_from_dict(table: dict[str, object]) -> LandmarkRecipe:
    """A recipe for landmarks from plain data; raises RecipeError for every field that is wrong."""
    return checked(_RECIPE, table)


def checked(kind: TypeAdapter[T], table: dict[str, object]) -> T:
    """Plain data as a recipe of some kind; raises RecipeError for every field that is wrong."""
    try:
        return kind.validate_python(table)
    except ValidationError as error:
        problems = error.errors()
        wrong = "; ".join(map(_worded, problems[:_MOST_WORDED]))
        more = len(problems) - _MOST_WORDED
        name = str(table.get("name", "?"))
        name = "?" if file_name_problem(name) else name
        raise RecipeError(name, f"{wrong}; and {more} more" if more > 0 else wrong) from error


def _worded(error: ErrorDetails) -> str:
    where = ".".join(str(part) for part in error["loc"])
    if isinstance(error["input"], str | int | float):
        where += f" = {short_repr(error['input'])}"
    return f"{where}: {error['msg']}" if where else error["msg"]


def landmark_recipe_to_dict(recipe: LandmarkRecipe) -> dict[str, object]:
    """Plain data that landmark_recipe_from_dict reads back."""
    plain: dict[str, object] = _RECIPE.dump_python(recipe, mode="json")
    return plain
