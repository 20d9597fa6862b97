"""Which cells learn which face, and what of it is lost.

Cells are chosen by how well they see and frame a face already, as in TOOD (Feng et al., ICCV 2021);
scores learn by the quality focal loss (Li et al., NeurIPS 2020, eq. 2), boxes by the distance IoU
loss (Zheng et al., AAAI 2020, eq. 7).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, smooth_l1_loss

from fkd_train.config.detector import DetectorLossConfig
from fkd_train.data.mosaic import FACE, IGNORED
from fkd_train.models.detector import CellPredictions

_SEEN, _FRAMED = 0.5, 4.0
"""Powers of a cell's score and of its box's IoU in how well it is suited to a face."""
_REACH = 6.0
"""Half of the area, in pixels, around a face's centre whose cells may always learn it, so that no
face is too small."""


class Targets(NamedTuple):
    """For A cells of N images: which of P faces each learns (N, A), how well suited it is, from 0
    to 1 (N, A), where 0 is background, and whether it counts as background at all (N, A)."""

    face: Tensor
    weight: Tensor
    counts: Tensor


def detector_loss(
    found: CellPredictions,
    places: Tensor,
    truth: tuple[Tensor, Tensor, Tensor],
    config: DetectorLossConfig,
) -> Tensor:
    """The loss for cells at places (A, 2) and truths: boxes (N, M, 4), points (N, M, 5, 2), kinds
    (N, M), 0 where there are fewer than M."""
    of, number = truth[2].nonzero(as_tuple=True)
    boxes, points, kinds = (part[of, number] for part in truth)
    targets = assign(found, places, of, boxes, kinds, config.candidates)
    mass = targets.weight.sum().clamp(min=1.0)
    chance = found.logits.sigmoid()
    score = binary_cross_entropy_with_logits(found.logits, targets.weight, reduction="none")
    score = score * (targets.weight - chance).square() * targets.counts
    learned = targets.weight > 0
    face, weight = targets.face[learned], targets.weight[learned]
    off = 1 - distance_iou(found.boxes[learned], boxes[face])
    size = (boxes[face, 2:] - boxes[face, :2]).amax(-1)[:, None, None]
    apart = (found.points[learned] - points[face]) / size
    missed = smooth_l1_loss(apart, torch.zeros_like(apart), beta=0.1, reduction="none")
    lost = config.boxes * off + config.points * 10 * missed.mean((1, 2))
    return (score.sum() + (weight * lost).sum()) / mass


@torch.no_grad()
def assign(
    found: CellPredictions,
    places: Tensor,
    of: Tensor,
    boxes: Tensor,
    kinds: Tensor,
    candidates: int,
) -> Targets:
    """The cells that learn each of P faces, which are of the images `of` (P,), with boxes (P, 4)
    and kinds (P,): the best suited ones of those that lie in its box."""
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = ((boxes[:, 2:] - boxes[:, :2]) / 2).clamp(min=_REACH)
    inside = ((places - centre[:, None]).abs() <= half[:, None]).all(-1)  # (P, A)
    chance = found.logits.sigmoid()
    overlap = iou(boxes[:, None], found.boxes[of])
    suited = chance[of] ** _SEEN * overlap**_FRAMED * inside * (kinds == FACE)[:, None]
    best = suited.topk(min(candidates, suited.shape[-1]), -1)
    chosen = torch.zeros_like(suited).scatter(-1, best.indices, best.values)
    # A cell can learn one face: the one that it frames best.
    framed = overlap * (chosen > 0)
    image = of[:, None].expand_as(chosen)
    own = chosen * (framed == _largest(framed, image, chance)[of])
    weight = _largest(own / own.amax(-1, keepdim=True).clamp(min=1e-9), image, chance)
    numbers = torch.arange(len(of), device=of.device)[:, None] * (own > 0)
    unknown = _largest((inside & (kinds == IGNORED)[:, None]).float(), image, chance) > 0
    return Targets(_largest(numbers, image, chance).long(), weight, (weight > 0) | ~unknown)


def _largest(values: Tensor, image: Tensor, like: Tensor) -> Tensor:
    """The largest value (N, A) of all faces of an image, of values (P, A) from 0 on."""
    start = torch.zeros(like.shape, dtype=values.dtype, device=like.device)
    return start.scatter_reduce(0, image, values, "amax")


def iou(first: Tensor, second: Tensor) -> Tensor:
    """Shared area of boxes (..., 4), over what both cover."""
    shared = torch.minimum(first[..., 2:], second[..., 2:]) - torch.maximum(
        first[..., :2], second[..., :2]
    )
    both = shared.clamp(min=0).prod(-1)
    areas = (first[..., 2:] - first[..., :2]).prod(-1) + (second[..., 2:] - second[..., :2]).prod(
        -1
    )
    return both / (areas - both).clamp(min=1e-6)


def distance_iou(first: Tensor, second: Tensor) -> Tensor:
    """IoU of boxes (..., 4), less the distance of their centres over the diagonal of both, each
    squared."""
    hull = torch.maximum(first[..., 2:], second[..., 2:]) - torch.minimum(
        first[..., :2], second[..., :2]
    )
    apart = (first[..., :2] + first[..., 2:] - second[..., :2] - second[..., 2:]) / 2
    reach = hull.square().sum(-1).clamp(min=1e-6)
    return iou(first, second) - apart.square().sum(-1) / reach
