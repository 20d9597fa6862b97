"""The numbers that landmark networks are built from."""

from __future__ import annotations

from dataclasses import dataclass


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

    `trunk` and `head` (a name from `heads.HEADS`) are for networks with a trunk; `score` and
    `spread` add outputs, `refine` a second look at each point. `conventions` is the number of data
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
    head: str | None = None
    score: bool = False
    spread: bool = False
    refine: bool = False
    conventions: int = 0
    shipped: int = 0
    mirror: tuple[int, ...] = ()
