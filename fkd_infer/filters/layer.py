"""One layer of a filter: a picture, and how it follows the face."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from fkd_infer.choices import Blend, FilterWhen
from fkd_infer.geometry.arrays import Matrix
from fkd_infer.landmarks.schemes import LandmarkScheme

_MAX_PIXEL = 1e5
"""Largest coordinate of an anchor, in pixels of the picture."""
_MAX_LENGTH = 1000
"""Largest length in units of the head, and largest scale."""
_MIN_SCALE = 0.001


@dataclass(frozen=True)
class Anchor:
    """Ties the mean of these points of a face to this pixel (x, y) of the picture.

    The pixel may lie outside the picture: a hat is anchored to the eyes.
    """

    points: tuple[int, ...]
    at: tuple[float, float]

    def __post_init__(self) -> None:
        if not self.points:
            raise ValueError("points is empty; name one point or more")
        if max(map(abs, self.at)) > _MAX_PIXEL:
            limits = f"from -{_MAX_PIXEL:g} to {_MAX_PIXEL:g}"
            raise ValueError(f"at is {list(self.at)}; both numbers must be {limits}")


@dataclass(frozen=True)
class FilterLayer:
    """A picture of a filter and how it follows the face; docs/how-to/filters.md has its fields.

    Checks what holds for every warp; the warp's own requirements are in Warp.check.
    """

    image: str
    anchors: tuple[Anchor, ...]
    warp: str = "head"
    z: float = 0.0
    offset: tuple[float, float] = (0.0, 0.0)
    scale: float = 1.0
    depth: float = 0.0
    turn: float = 0.0
    round: bool = False
    mirrored: bool = False
    blend: Blend = "normal"
    opacity: float = 1.0
    brightness: bool = True
    when: FilterWhen = "always"

    def __post_init__(self) -> None:
        lengths = {"offset[0]": self.offset[0], "offset[1]": self.offset[1], "depth": self.depth}
        for name, value in lengths.items():
            if abs(value) > _MAX_LENGTH:
                raise ValueError(f"{name} is {value}; it must be -{_MAX_LENGTH} to {_MAX_LENGTH}")
        if not _MIN_SCALE <= self.scale <= _MAX_LENGTH:
            raise ValueError(f"scale is {self.scale}; it must be {_MIN_SCALE} to {_MAX_LENGTH}")
        if not 0 < self.opacity <= 1:
            raise ValueError(f"opacity is {self.opacity}; it must be above 0 and at most 1")

    @property
    def anchor_pixels(self) -> Matrix:
        """The anchors' pixels (k, 2) as the pack has them."""
        return np.array([anchor.at for anchor in self.anchors], np.float64)

    def mirror(self, width: int, scheme: LandmarkScheme) -> FilterLayer:
        """The layer for the other side of the face, for the mirror image of a picture this wide."""
        opposite = scheme.flip_permutation
        anchors = tuple(
            Anchor(
                tuple(int(opposite[point]) for point in anchor.points),
                (width - 1 - anchor.at[0], anchor.at[1]),
            )
            for anchor in self.anchors
        )
        offset = (-self.offset[0], self.offset[1])
        return replace(self, anchors=anchors, offset=offset, turn=-self.turn)
