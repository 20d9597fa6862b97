"""Assignment of cells to faces, and the losses, on hand-made predictions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from fkd_train.config.detector import DetectorLossConfig, DetectorRecipe
from fkd_train.data.faces import Faces
from fkd_train.data.mosaic import MosaicGenerator
from fkd_train.data.mosaic_dataset import MosaicDataset
from fkd_train.data.synthetic import draw_face
from fkd_train.ground_truth import FACE, IGNORED
from fkd_train.losses.detector import DetectorLoss, Targets, assign, distance_iou, iou
from fkd_train.models.detector import CellPredictions, DetectorNet, cell_centres

SIZE = 64
CENTRES = cell_centres(SIZE, (1,), torch.zeros(0))  # 8 × 8, 4 × 4 and 2 × 2 cells
CELLS = len(CENTRES)
FACE_BOX = [12.0, 12.0, 52.0, 52.0]
LOSS = DetectorLossConfig().loss()


def boxes(*rows: list[float]) -> Tensor:
    return torch.tensor(rows).reshape(-1, 4)


def no_faces(count: int = 1, logit: float = -12.0) -> CellPredictions:
    """Predictions of cells that see no face; their boxes overlap nothing."""
    far = torch.tensor([900.0, 900.0, 901.0, 901.0]).expand(count, CELLS, 4).clone()
    return CellPredictions(
        far, torch.full((count, CELLS), float(logit)), torch.zeros(count, CELLS, 5, 2)
    )


def assigned(
    predicted: CellPredictions, faces: Tensor, of: list[int], kinds: list[int], most: int = 9
) -> Targets:
    return assign(predicted, CENTRES, torch.tensor(of), faces, torch.tensor(kinds), most)


def batch_truth(
    rows: list[list[float]], kinds: list[int], count: int = 1
) -> tuple[Tensor, Tensor, Tensor]:
    """A batch with faces on its first image only."""
    room = 4
    box = torch.tensor([0.0, 0.0, 1.0, 1.0]).expand(count, room, 4).clone()
    points, kind = torch.zeros(count, room, 5, 2), torch.zeros(count, room, dtype=torch.int64)
    box[0, : len(rows)] = boxes(*rows)
    points[0, : len(rows)] = box[0, : len(rows), None, :2] + 5
    kind[0, : len(kinds)] = torch.tensor(kinds, dtype=torch.int64)
    return box, points, kind


def cell(x: int, y: int) -> int:
    """The cell of the finest map at a position."""
    return y // 8 * 8 + x // 8


def inside(box: list[float]) -> Tensor:
    low, high = torch.tensor(box[:2]), torch.tensor(box[2:])
    return ((low <= CENTRES) & (high >= CENTRES)).all(-1)


def perfect_predictions() -> CellPredictions:
    """Four cells are certain of the face, and all cells inside it predict its box."""
    predicted, within = no_faces(), inside(FACE_BOX)
    predicted.boxes[0, within] = torch.tensor(FACE_BOX)
    predicted.points[0, within] = torch.tensor(FACE_BOX[:2]) + 5
    for place in ((24, 24), (32, 24), (24, 32), (32, 32)):
        predicted.logits[0, cell(*place)] = 12
    return predicted


def test_iou_and_distance_iou_match_hand_computed_values() -> None:
    first = boxes([0, 0, 2, 2], [0, 0, 1, 1], [0, 0, 4, 4], [0, 0, 4, 2], [3, 3, 3, 3])
    second = boxes([1, 1, 3, 3], [2, 0, 3, 1], [0, 0, 4, 4], [0, 0, 2, 2], [3, 3, 3, 3])
    torch.testing.assert_close(iou(first, second), torch.tensor([1 / 7, 0, 1, 1 / 2, 0]))
    # Squared distances of centres over squared diagonals: 2 / 18, 4 / 10, 0, 1 / 20, 0.
    expected = torch.tensor([1 / 7 - 1 / 9, -0.4, 1, 1 / 2 - 1 / 20, 0])
    torch.testing.assert_close(distance_iou(first, second), expected)
    torch.testing.assert_close(iou(first[:, None], second)[0], iou(first[:1], second))


def test_the_best_aligned_cell_has_weight_one_and_others_their_share() -> None:
    predicted = no_faces()
    best, half, loose = cell(32, 32), cell(24, 32), cell(32, 24)
    predicted.logits[0, [best, half, loose]] = torch.tensor([3.0, 0.0, 3.0])
    predicted.boxes[0, [best, half]] = torch.tensor(FACE_BOX)
    predicted.boxes[0, loose] = torch.tensor([12.0, 12.0, 52.0, 42.0])  # three quarters of it
    targets = assigned(predicted, boxes(FACE_BOX), [0], [FACE])
    sure = torch.tensor(3.0).sigmoid()
    expected = torch.zeros(1, CELLS)
    expected[0, best], expected[0, half], expected[0, loose] = 1, (0.5 / sure) ** 0.5, 0.75**4
    torch.testing.assert_close(targets.weight, expected)
    assert targets.counts.all()


def test_learning_cells_are_limited_in_number_and_lie_in_the_box() -> None:
    predicted = no_faces(logit=0)
    predicted.boxes[:] = torch.tensor(FACE_BOX)
    predicted.logits[0] += torch.linspace(0, 1, CELLS)
    for most in (1, 5, 9, 1000):
        learned = assigned(predicted, boxes(FACE_BOX), [0], [FACE], most).weight[0] > 0
        assert learned.sum() == min(most, int(inside(FACE_BOX).sum()))
        assert not (learned & ~inside(FACE_BOX)).any()


@pytest.mark.parametrize("x", np.linspace(8, 16, 9).tolist())
def test_a_tiny_face_between_cells_is_learned_by_one(x: float) -> None:
    predicted = no_faces(logit=-4.6)
    sides = torch.tensor([16.0] * 64 + [32.0] * 16 + [64.0] * 4)[:, None]
    predicted.boxes[0] = torch.cat([CENTRES - sides, CENTRES + sides], -1)
    weight = assigned(predicted, boxes([x - 2, 18, x + 2, 22]), [0], [FACE]).weight
    assert weight.max() == 1


def test_a_cell_in_two_faces_learns_the_one_with_the_larger_overlap() -> None:
    faces = boxes([8, 8, 40, 40], [16, 16, 48, 48])
    first, second, between = cell(24, 24), cell(32, 32), cell(32, 24)
    predicted = no_faces(logit=2)
    predicted.boxes[0, first], predicted.boxes[0, second] = faces[0], faces[1]
    predicted.boxes[0, between] = torch.tensor([14.0, 14.0, 46.0, 46.0])
    targets = assigned(predicted, faces, [0, 0], [FACE, FACE])
    assert targets.face[0, [first, second, between]].tolist() == [0, 1, 1]
    assert targets.weight[0, [first, second]].tolist() == [1, 1]
    assert 0 < targets.weight[0, between] < 1


def test_faces_are_learned_only_on_their_own_image() -> None:
    predicted = no_faces(3, logit=0)
    predicted.boxes[:] = torch.tensor(FACE_BOX)
    targets = assigned(predicted, boxes(FACE_BOX, FACE_BOX), [2, 0], [FACE, FACE])
    assert (targets.weight > 0).sum(1).tolist() == [9, 0, 9]
    assert targets.face[0].max() == 1
    assert targets.face[2].max() == 0


def test_ignored_boxes_are_not_learned() -> None:
    predicted = no_faces(logit=0)
    predicted.boxes[:] = torch.tensor(FACE_BOX)
    targets = assigned(predicted, boxes(FACE_BOX), [0], [IGNORED])
    assert not targets.weight.any()
    torch.testing.assert_close(targets.counts[0], ~inside(FACE_BOX))


def test_a_face_within_an_ignored_box_is_learned() -> None:
    predicted = no_faces(logit=0)
    predicted.boxes[:] = torch.tensor(FACE_BOX)
    targets = assigned(predicted, boxes(FACE_BOX, [0, 0, 64, 64]), [0, 0], [FACE, IGNORED])
    assert (targets.weight > 0).sum() == 9
    torch.testing.assert_close(targets.counts, targets.weight > 0)


def test_scores_inside_ignored_boxes_have_no_gradient() -> None:
    truth = batch_truth([FACE_BOX], [IGNORED])
    predicted = no_faces()
    logits = predicted.logits.clone().requires_grad_()
    loss = LOSS(predicted._replace(logits=logits + 9), CENTRES, truth)
    loss.backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    torch.testing.assert_close(logits.grad[0] == 0, inside(FACE_BOX))


def test_the_loss_is_near_zero_for_perfect_predictions_and_grows_with_errors() -> None:
    truth = batch_truth([FACE_BOX], [FACE])
    losses = [float(LOSS(perfect_predictions(), CENTRES, truth))]
    for off in (1.0, 4.0, 12.0):
        predicted = perfect_predictions()
        predicted.boxes.add_(off)
        losses.append(float(LOSS(predicted, CENTRES, truth)))
    assert 0 <= losses[0] < 1e-3
    assert losses == sorted(losses)
    for part, change in (("points", 5.0), ("logits", -14.0)):
        predicted = perfect_predictions()
        getattr(predicted, part).add_(change)
        assert float(LOSS(predicted, CENTRES, truth)) > losses[0] + 0.1
    false_positive = perfect_predictions()
    false_positive.logits[0, 0] = 5
    assert float(LOSS(false_positive, CENTRES, truth)) > losses[0] + 1


def test_boxes_and_points_are_weighted_as_configured() -> None:
    truth, predicted = batch_truth([FACE_BOX], [FACE]), perfect_predictions()
    predicted.boxes.add_(3)
    predicted.points.add_(3)
    scores = DetectorLoss(boxes=0, points=0, candidates=9)
    none = scores(predicted, CENTRES, truth)
    both = [replace(scores, boxes=k)(predicted, CENTRES, truth) - none for k in (1, 3)]
    torch.testing.assert_close(both[1], 3 * both[0])
    # 3 of 40 pixels are 0.075: its square over twice 0.1, ten times.
    points = replace(scores, points=1)(predicted, CENTRES, truth) - none
    assert float(points) == pytest.approx(10 * 0.075**2 / 0.2, rel=0.05)


@pytest.mark.parametrize("kinds", [[], [IGNORED], [FACE], [FACE, IGNORED]])
def test_losses_and_gradients_are_finite_for_extreme_predictions(kinds: list[int]) -> None:
    truth = batch_truth([FACE_BOX, [0.0, 0.0, 9.0, 9.0]][: len(kinds)], kinds, count=2)
    for logit in (-200.0, 0.0, 200.0):
        predicted = no_faces(2, logit)
        predicted.boxes[:, ::2] = CENTRES[::2].repeat(1, 2)  # without area
        predicted.boxes[0, cell(24, 24)] = torch.tensor(FACE_BOX)
        leaves = [part.clone().requires_grad_() for part in predicted]
        loss = LOSS(CellPredictions(*leaves), CENTRES, truth)
        loss.backward()  # type: ignore[no-untyped-call]
        assert loss.isfinite()
        assert all(leaf.grad is None or leaf.grad.isfinite().all() for leaf in leaves)


def test_all_cells_are_background_without_faces() -> None:
    nothing = torch.empty(0, dtype=torch.int64)
    targets = assign(no_faces(2), CENTRES, nothing, torch.empty(0, 4), nothing, 9)
    assert targets.counts.all()
    assert not targets.weight.any()
    assert targets.weight.shape == targets.face.shape == (2, CELLS)


@pytest.mark.usefixtures("one_thread")
def test_a_tiny_network_overfits_a_drawn_mosaic(tiny_detector: DetectorRecipe) -> None:
    rng = np.random.default_rng(0)
    drawn = [draw_face(110, rng) for _ in range(4)]
    images = tuple(np.dstack([image] * 3) for image, _ in drawn)
    faces = Faces(tuple("abcd"), images, np.stack([points for _, points in drawn]))
    config = replace(tiny_detector.mosaic, single=1.0, empty=0.0, faceless=0.0)
    mosaics = MosaicDataset(MosaicGenerator(faces, {}, [], config), seed=0)
    parts = zip(*(mosaics[0, number] for number in range(2)), strict=True)
    pictures, *truth = (torch.stack(part) for part in parts)
    torch.manual_seed(0)
    network = DetectorNet(tiny_detector.model.spec())
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.02)
    centres, losses = cell_centres(config.size, network.spec.factors, pictures), []
    for _ in range(60):
        boxes, points, kinds = truth
        loss = LOSS(network(pictures), centres, (boxes, points, kinds))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(float(loss.detach()))
    assert np.mean(losses[-5:]) < 0.25 * losses[0]
