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
    """Everything a network is built from."""

    name: str
    """The factory's name: one of the package, or `package.module:factory`."""
    size: int
    """The side of the crops, in pixels."""
    unit: float
    """Points are learned as (pixels of the crop - `offset`) / `unit`."""
    offset: float
    """See `unit`."""
    channels: int = 1
    """1 for gray crops, 3 for colour."""
    points: int = 68
    """The number of points."""
    trunk: TrunkSpec | None = None
    """The convolutions of fkdnet."""
    options: Mapping[str, object] = field(default_factory=dict)
    """What a factory from outside of the package reads: `[model.options]` of the recipe."""
    head: str | None = None
    """The name of a head on feature maps."""
    score: bool = False
    """Whether there is an output for the score of a crop, beside such a head."""
    spread: bool = False
    """Whether there is an output for the expected error of each point, beside such a head."""
    refine: bool = False
    """Whether such a head has a second look at each point."""
    conventions: int = 0
    """The number of data sets whose annotators differ; 0 to ignore that."""
    shipped: int = 0
    """The one whose convention is exported."""
    mirror: tuple[int, ...] = ()
    """The flip permutation: `mirrored_points[mirror]` are in the scheme's order."""

    def without_pretrained(self) -> ModelSpec:
        """The same network, to load weights into: an option `pretrained`, by which a factory would
        first fetch others, is off."""
        if not self.options.get("pretrained"):
            return self
        return replace(self, options={**self.options, "pretrained": False})
