"""The warps that a filter.json can name."""

from __future__ import annotations

from fkd_infer.filters.layer import FilterLayer
from fkd_infer.filters.warp import Warp
from fkd_infer.filters.warp_flat import AffineWarp, PiecewiseWarp, SimilarityWarp
from fkd_infer.filters.warp_head import HeadWarp
from fkd_infer.geometry.arrays import Pixels
from fkd_infer.system.files.text_checks import short_repr

WARPS: dict[str, type[Warp]] = {
    "head": HeadWarp,
    "similarity": SimilarityWarp,
    "affine": AffineWarp,
    "piecewise": PiecewiseWarp,
}
"""Every warp by the name that a layer's `warp` has; docs/how-to/filters.md explains each."""


def check_warp(layer: FilterLayer) -> None:
    """Raises ValueError for a warp that does not exist, or whose requirements are not met."""
    if layer.warp not in WARPS:
        raise ValueError(f"warp is {short_repr(layer.warp)}; it must be one of: {', '.join(WARPS)}")
    WARPS[layer.warp].check(layer)


def create_warp(layer: FilterLayer, image: Pixels) -> Warp:
    """The warp of a checked layer; raises ValueError for anchors that cannot be on a head."""
    return WARPS[layer.warp](layer, image)
