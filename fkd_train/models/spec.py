"""The numbers that landmark networks are built from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class TrunkSpec:
    """The convolutions of fkdnet.

    A stem with `stem` channels at half the input resolution, then stages that each halve it again,
    with `depths[i]` blocks of `widths[i]` channels; `block` is a name from `fkdnet.BLOCKS`. With
    `context` channels, another two convolutions at half the resolution show each of the last cells
    more of the face.
    """

    stem: int
    widths: tuple[int, ...]
    depths: tuple[int, ...]
    block: str
    context: int = 0


@dataclass(frozen=True)
class ModelSpec:
    """Everything a network is built from; `unit` and `offset` (crop pixels) normalise its points.

    `channels` is 1 for gray images, 3 for colour. `trunk` has the convolutions of fkdnet, `options`
    what a factory from outside of the package reads. `head` is a name from `heads.HEADS`, for a
    head on feature maps, beside which `score` and `spread` add outputs, and `refine` a second look
    at each point. `conventions` is the number of data
    sets whose annotators differ, 0 to ignore that, `shipped` the one whose convention is exported,
    and `mirror` the flip permutation.
    """

    name: str
    size: int
    unit: float
    offset: float
    channels: int = 1
    points: int = 68
    trunk: TrunkSpec | None = None
    options: Mapping[str, object] = field(default_factory=dict)
    head: str | None = None
    score: bool = False
    spread: bool = False
    refine: bool = False
    conventions: int = 0
    shipped: int = 0
    mirror: tuple[int, ...] = ()

    def without_pretrained(self) -> ModelSpec:
        """The same network, to load weights into: an option `pretrained`, by which a factory would
        first fetch others, is off."""
        if not self.options.get("pretrained"):
            return self
        return replace(self, options={**self.options, "pretrained": False})
