"""The detector's loss: which cells learn which face, and the cost of their errors.

Cells are assigned by how well they already score and frame a face, as in TOOD (Feng et al., ICCV
2021). Scores use the quality focal loss (Li et al., NeurIPS 2020, eq. 2), boxes the distance IoU
loss (Zheng et al., AAAI 2020, eq. 7).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, smooth_l1_loss

from fkd_train.ground_truth import FACE, IGNORED
from fkd_train.models.detector import CellPredictions

_SCORE_POWER, _IOU_POWER = 0.5, 4.0
"""Exponents of a cell's score and of its box's IoU in the alignment of a cell with a face."""
_MIN_REACH = 6.0
"""Half the side, in pixels, of the smallest area around a face's centre whose cells may learn it,
so that no face is too small."""


class Targets(NamedTuple):
    """Targets for A cells of N images: the index of the learned face (N, A), its alignment from 0
    (background) to 1 (N, A), and whether the score counts in the loss (N, A)."""

    face: Tensor
    weight: Tensor
    counts: Tensor


@dataclass(frozen=True)
class DetectorLoss:
    """Loss with weights for boxes and points relative to scores; each face is learned by at most
    `candidates` cells."""

    boxes: float
    points: float
    candidates: int

    def __call__(
        self, predicted: CellPredictions, centres: Tensor, truth: tuple[Tensor, Tensor, Tensor]
    ) -> Tensor:
        """The loss for cells at centres (A, 2).

        `truth` has boxes (N, M, 4), points (N, M, 5, 2) and kinds (N, M), 0 for padding.
        """
        image, number = truth[2].nonzero(as_tuple=True)
        boxes, points, kinds = (part[image, number] for part in truth)
        targets = assign(predicted, centres, image, boxes, kinds, self.candidates)
        mass = targets.weight.sum().clamp(min=1.0)
        score_losses = _score_losses(predicted.logits, targets)
        learned = targets.weight > 0
        face, weight = targets.face[learned], targets.weight[learned]
        box_loss = 1 - distance_iou(predicted.boxes[learned], boxes[face])
        point_loss = _point_losses(predicted.points[learned], points[face], boxes[face])
        face_losses = self.boxes * box_loss + self.points * 10 * point_loss
        return (score_losses.sum() + (weight * face_losses).sum()) / mass


def _score_losses(logits: Tensor, targets: Targets) -> Tensor:
    """Quality focal loss (N, A) of the scores."""
    losses = binary_cross_entropy_with_logits(logits, targets.weight, reduction="none")
    return losses * (targets.weight - logits.sigmoid()).square() * targets.counts


def _point_losses(predicted: Tensor, true: Tensor, boxes: Tensor) -> Tensor:
    """Smooth L1 loss (P,) of points (P, 5, 2), relative to the longer side of their boxes."""
    size = (boxes[:, 2:] - boxes[:, :2]).amax(-1)[:, None, None]
    errors = (predicted - true) / size
    losses = smooth_l1_loss(errors, torch.zeros_like(errors), beta=0.1, reduction="none")
    return losses.mean((1, 2))


@torch.no_grad()
def assign(
    predicted: CellPredictions,
    centres: Tensor,
    image: Tensor,
    boxes: Tensor,
    kinds: Tensor,
    candidates: int,
) -> Targets:
    """Assigns cells to P faces with boxes (P, 4) and kinds (P,) on the images `image` (P,).

    Each face is learned by the best aligned cells among those whose centres lie in its box.
    """
    box_centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = ((boxes[:, 2:] - boxes[:, :2]) / 2).clamp(min=_MIN_REACH)
    inside = ((centres - box_centre[:, None]).abs() <= half[:, None]).all(-1)  # (P, A)
    scores = predicted.logits.sigmoid()
    overlap = iou(boxes[:, None], predicted.boxes[image])
    alignment = scores[image] ** _SCORE_POWER * overlap**_IOU_POWER * inside
    alignment = alignment * (kinds == FACE)[:, None]
    best = alignment.topk(min(candidates, alignment.shape[-1]), -1)
    chosen = torch.zeros_like(alignment).scatter(-1, best.indices, best.values)
    # A cell learns one face: the one that its box overlaps most.
    framed = overlap * (chosen > 0)
    rows = image[:, None].expand_as(chosen)
    assigned = chosen * (framed == _image_max(framed, rows, scores)[image])
    weight = _image_max(assigned / assigned.amax(-1, keepdim=True).clamp(min=1e-9), rows, scores)
    numbers = torch.arange(len(image), device=image.device)[:, None] * (assigned > 0)
    ignored = _image_max((inside & (kinds == IGNORED)[:, None]).float(), rows, scores) > 0
    return Targets(_image_max(numbers, rows, scores).long(), weight, (weight > 0) | ~ignored)


def _image_max(values: Tensor, image: Tensor, like: Tensor) -> Tensor:
    """Maximum (N, A) over the faces of each image, of values (P, A) that are not negative."""
    start = torch.zeros(like.shape, dtype=values.dtype, device=like.device)
    return start.scatter_reduce(0, image, values, "amax")


def iou(first: Tensor, second: Tensor) -> Tensor:
    """Intersection over union of boxes (..., 4)."""
    sides = torch.minimum(first[..., 2:], second[..., 2:]) - torch.maximum(
        first[..., :2], second[..., :2]
    )
    intersection = sides.clamp(min=0).prod(-1)
    areas = (first[..., 2:] - first[..., :2]).prod(-1) + (second[..., 2:] - second[..., :2]).prod(
        -1
    )
    return intersection / (areas - intersection).clamp(min=1e-6)


def distance_iou(first: Tensor, second: Tensor) -> Tensor:
    """IoU of boxes (..., 4), minus the squared distance of their centres over the squared diagonal
    of the smallest box around both."""
    hull = torch.maximum(first[..., 2:], second[..., 2:]) - torch.minimum(
        first[..., :2], second[..., :2]
    )
    apart = (first[..., :2] + first[..., 2:] - second[..., :2] - second[..., 2:]) / 2
    diagonal = hull.square().sum(-1).clamp(min=1e-6)
    return iou(first, second) - apart.square().sum(-1) / diagonal
