"""The numbers that landmark networks are built from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TrunkSpec:
    """The convolutions of fkdnet.

    A stem with `stem` channels at half the input resolution, then stages that each halve it again,
    with `depths[i]` blocks of `widths[i]` channels; `block` is a name from `fkdnet.BLOCKS`.
    """

    stem: int
    widths: tuple[int, ...]
    depths: tuple[int, ...]
    block: str


@dataclass(frozen=True)
class ModelSpec:
    """Everything a network is built from; `unit` and `offset` (crop pixels) normalise its points.

    `trunk` and `head` (a name from `heads.HEADS`) are for networks with a trunk; `score` adds the
    second output.
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
