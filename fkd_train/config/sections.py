"""Sections that recipes of all kinds have."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Len
from pydantic import BeforeValidator, Field
from pydantic.dataclasses import dataclass

from fkd_train.choices import DataFormat, Split
from fkd_train.config.fields import STRICT, Decay, NonNegative, Positive, Share


@dataclass(frozen=True, config=STRICT)
class DataConfig:
    """A data set: its name and licence, for the model's card, and its use.

    `format` is that of its folder; without one, this is about all folders. Each face is drawn
    `weight` times an epoch, on average. `split` replaces the recipe's, and `held_out` are people or
    photos that are not trained on, beyond those that the split holds out.
    """

    name: str = "not stated"
    licence: str = "not stated"
    format: DataFormat | None = None
    weight: Positive = 1.0
    split: Split | None = None
    held_out: tuple[str, ...] = ()


def _as_rows(given: object) -> object:
    return (given,) if isinstance(given, dict | DataConfig) else given


DataConfigs = Annotated[tuple[DataConfig, ...], BeforeValidator(_as_rows), Len(min_length=1)]
"""The data sets of a recipe: rows of `[[data]]`, or one table `[data]`."""


@dataclass(frozen=True, config=STRICT)
class AugmentConfig:
    """Strength of each random change of a training image; 0 disables it.

    `shift` (share of the crop's side), `scale` (natural logarithm of the factor), `roll`
    (degrees) and `stretch` (weak perspective: shear, and logarithm of the aspect ratio) are
    standard deviations, truncated at two of them. `coarsest` is the smallest share of its pixels
    that low resolution leaves along a side. The others are probabilities; `turned` turns the head
    sideways; `blink` lowers eyelids; `loose` frames the face
    like a bad box, uniformly over a wide range, and `unframed` replaces the crop by one without a
    well-framed face.
    """

    flip: Share = 0.0
    shift: NonNegative = 0.0
    scale: NonNegative = 0.0
    roll: NonNegative = 0.0
    stretch: NonNegative = 0.0
    turned: Share = 0.0
    blink: Share = 0.0
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
        return any(
            (
                self.flip,
                self.shift,
                self.scale,
                self.roll,
                self.stretch,
                self.turned,
                self.blink,
                self.loose,
            )
        )


@dataclass(frozen=True, config=STRICT)
class OptimizerConfig:
    """The optimiser, its learning rate schedule, and the moving average of the weights."""

    name: Literal["adam", "adamw"]
    lr: Positive
    weight_decay: NonNegative = 0.0
    schedule: Literal["constant", "one_cycle"] = "constant"
    warm_up: Share = 0.1
    ema: Decay = 0.0
