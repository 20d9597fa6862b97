"""Finds how a network of others frames faces: the crop rule under which it is most exact."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from fkd_infer.geometry.rules import CropRule
from fkd_train.data.crop_sampler import CropSampler

SCALES = (1.0, 1.15, 1.3, 1.5, 1.75, 2.0, 2.4, 2.8)
"""Crops that are tried first, relative to the longer side of the points' box."""
_DOWN = (-0.2, -0.1, 0.0, 0.1, 0.2)
_FINE_SCALES, _FINE_DOWN = (0.94, 0.97, 1.0, 1.03, 1.06), (-0.05, -0.025, 0.0, 0.025, 0.05)

Error = Callable[[CropSampler], float]
"""The mean error in crops of a sampler."""


def with_crop(sampler: CropSampler, rule: CropRule) -> CropSampler:
    """The same sampler with another crop."""
    config = replace(sampler.config, scale=rule.scale, shift=rule.shift, border=rule.border)
    return replace(sampler, config=config)


def best_scale(sampler: CropSampler, error: Error) -> CropSampler:
    """The sampler with the best of some centred crops."""
    tried = [with_crop(sampler, CropRule(scale)) for scale in SCALES]
    return min(tried, key=error)


def fitted_crop(sampler: CropSampler, error: Error) -> CropRule:
    """The crop rule with the smallest error, by a search that becomes finer.

    Faces are symmetric, so crops are moved up and down only.
    """
    best = best_scale(sampler, error).config.rule()
    for scales, moves in (((1.0,), _DOWN), (_FINE_SCALES, _FINE_DOWN), (_FINE_SCALES, (0.0,))):
        rules = [
            CropRule(
                round(best.scale * factor, 3), (0.0, round(best.shift[1] + move, 3)), best.border
            )
            for factor in scales
            for move in moves
        ]
        best = min(rules, key=lambda rule: error(with_crop(sampler, rule)))
    return best
