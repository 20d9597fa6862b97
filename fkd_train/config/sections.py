"""Sections that recipes of all kinds have."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from fkd_train.config.fields import STRICT, Decay, NonNegative, Positive, Share


@dataclass(frozen=True, config=STRICT)
class DataConfig:
    """Name and licence of the data sets, for the model's card. `held_out` are people or photos that
    are not trained on, beyond those that the split holds out."""

    name: str = "not stated"
    licence: str = "not stated"
    held_out: tuple[str, ...] = ()


@dataclass(frozen=True, config=STRICT)
class AugmentConfig:
    """Strength of each random change of a training image; 0 disables it.

    `shift` (share of the crop's side), `scale` (natural logarithm of the factor), `roll`
    (degrees) and `stretch` (weak perspective: shear, and logarithm of the aspect ratio) are
    standard deviations, truncated at two of them. `coarsest` is the smallest share of its pixels
    that low resolution leaves along a side. The others are probabilities; `loose` frames the face
    like a bad box, uniformly over a wide range, and `unframed` replaces the crop by one without a
    well-framed face.
    """

    flip: Share = 0.0
    shift: NonNegative = 0.0
    scale: NonNegative = 0.0
    roll: NonNegative = 0.0
    stretch: NonNegative = 0.0
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
class OptimizerConfig:
    """The optimiser, its learning rate schedule, and the moving average of the weights."""

    name: Literal["adam", "adamw"]
    lr: Positive
    weight_decay: NonNegative = 0.0
    schedule: Literal["constant", "one_cycle"] = "constant"
    warm_up: Share = 0.1
    ema: Decay = 0.0
