"""The detector's network: its cells and the coordinates of their predictions."""

from __future__ import annotations

from dataclasses import replace
from math import ceil, log

import numpy as np
import pytest
import torch

from fkd_train.config.detector import DetectorRecipe
from fkd_train.config.recipe import load_recipe
from fkd_train.models.detector import (
    STRIDES,
    DetectorNet,
    DetectorSpec,
    cell_centres,
)

SPEC = DetectorSpec(4, (8, 8, 8, 8), (1, 1, 1, 1))
FLAT = replace(SPEC, levels=1)


@pytest.fixture
def network() -> DetectorNet:
    """An untrained network, whose scores differ between cells."""
    torch.manual_seed(0)
    return DetectorNet(SPEC).eval()


@pytest.fixture
def constant() -> DetectorNet:
    """A network whose cells all predict the initial values."""
    network = DetectorNet(SPEC).eval()
    for head in network.heads:
        assert isinstance(head, torch.nn.Conv2d)
        torch.nn.init.zeros_(head.weight)
        assert head.bias is not None
        torch.nn.init.zeros_(head.bias[1:])
    return network


def noise(height: int, width: int, count: int = 1) -> torch.Tensor:
    return torch.randint(0, 256, (count, height, width, 3), dtype=torch.uint8)


def cells(height: int, width: int) -> int:
    return sum(ceil(height / stride) * ceil(width / stride) for stride in STRIDES)


@pytest.mark.parametrize(
    ("height", "width"), [(1, 1), (1, 7), (2, 300), (31, 33), (64, 96), (101, 8)]
)
@torch.no_grad()
def test_searches_images_of_any_size(height: int, width: int, network: DetectorNet) -> None:
    images = noise(height, width, 2)
    sides = [(ceil(height / factor), ceil(width / factor)) for factor in (1, 3, 9)]
    for levels in (1, 2, 3):
        network.spec = replace(SPEC, levels=levels)
        predicted = network(images)
        count = sum(cells(*side) for side in sides[:levels])
        assert predicted.boxes.shape == (2, count, 4)
        assert predicted.logits.shape == (2, count)
        assert predicted.points.shape == (2, count, 5, 2)
        assert all(part.isfinite().all() and part.dtype == torch.float32 for part in predicted)
        assert (predicted.boxes[..., 2:] > predicted.boxes[..., :2]).all()


@pytest.mark.parametrize("size", [64, 96, 320])
@torch.no_grad()
def test_cell_centres_match_the_networks_cells(size: int, constant: DetectorNet) -> None:
    constant.spec = replace(SPEC, coarser=4, levels=3)
    centres = cell_centres(size, constant.spec.factors, torch.zeros(0))
    predicted = constant(noise(size, size))
    assert len(centres) == sum(cells(ceil(size / f), ceil(size / f)) for f in (1, 4, 16))
    boxes = predicted.boxes[0]
    torch.testing.assert_close((boxes[:, :2] + boxes[:, 2:]) / 2, centres)
    torch.testing.assert_close(predicted.points[0], centres[:, None].expand(-1, 5, -1))


@torch.no_grad()
def test_initial_boxes_are_four_strides_wide_and_faces_rare(
    constant: DetectorNet,
) -> None:
    constant.spec = FLAT
    predicted = constant(noise(64, 64))
    sides = predicted.boxes[0, :, 2:] - predicted.boxes[0, :, :2]
    expected = [4.0 * stride for stride in STRIDES for _ in range((64 // stride) ** 2)]
    torch.testing.assert_close(sides, torch.tensor(expected)[:, None].expand(-1, 2))
    torch.testing.assert_close(
        predicted.logits.sigmoid(), torch.full((1, 84), 0.01), atol=1e-3, rtol=0
    )


@torch.no_grad()
def test_shifting_an_image_by_the_largest_stride_shifts_boxes_and_points(
    network: DetectorNet,
) -> None:
    network.spec = FLAT
    size, move = 640, 32
    image = noise(size, size)
    first, moved = network(image), network(torch.roll(image, (move, move), (1, 2)))
    centres = cell_centres(size, (1,), image)
    middle = ((centres >= 224) & (centres < 416)).all(-1)
    there = ((centres >= 224 + move) & (centres < 416 + move)).all(-1)
    assert middle.sum() == there.sum() > 500
    torch.testing.assert_close(moved.logits[0, there], first.logits[0, middle])
    for actual, expected in ((moved.boxes, first.boxes), (moved.points, first.points)):
        torch.testing.assert_close(
            actual[0, there], expected[0, middle] + move, atol=1e-3, rtol=1e-5
        )
    assert first.logits[0, middle].std() > 0


@torch.no_grad()
def test_coarse_cells_lie_in_the_middle_of_their_pixels(constant: DetectorNet) -> None:
    predicted = constant(noise(100, 190))
    fine = cells(100, 190)
    boxes = predicted.boxes[0, fine:]
    first, row = 3, ceil(ceil(190 / 3) / 8)
    torch.testing.assert_close(boxes[0], torch.tensor([-48.0, -48.0, 48.0, 48.0]) + 1)
    torch.testing.assert_close(boxes[1], torch.tensor([-24.0, -48.0, 72.0, 48.0]) + 1)
    torch.testing.assert_close(boxes[row], torch.tensor([-48.0, -24.0, 48.0, 72.0]) + 1)
    torch.testing.assert_close(predicted.points[0, fine + first], torch.tensor([[73.0, 1.0]] * 5))
    constant.spec = FLAT
    torch.testing.assert_close(predicted.boxes[:, :fine], constant(noise(100, 190)).boxes)


@pytest.mark.parametrize(("x", "y"), [(0, 0), (30, 63), (198, 99)])
@pytest.mark.parametrize(("reach", "is_detected"), [(11, False), (13, True)])
@torch.no_grad()
def test_coarse_predictions_map_to_the_images_pixels(
    x: int,
    y: int,
    reach: int,
    is_detected: bool,
    network: DetectorNet,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With a fake search whose one face is a box around the brightest pixel, on an image with one
    bright square. Boxes smaller than 24 coarse pixels are discarded."""

    def brightest(planes: torch.Tensor) -> list[torch.Tensor]:
        height, width = planes.shape[2:]
        maps = [
            torch.full((1, 15, ceil(height / stride), ceil(width / stride)), -20.0)
            for stride in STRIDES
        ]
        row, column = divmod(int(planes[0, 0].argmax()), width)
        offset = torch.tensor([column % 8, row % 8]) / 8
        cell = maps[0][0, :, row // 8, column // 8]
        cell[0] = planes[0, 0].max()
        cell[1:3] = offset
        cell[3:5] = log(reach / 16)
        cell[5:] = offset.repeat(5) / 2
        return maps

    monkeypatch.setattr(network, "_search", brightest)
    image = torch.zeros(1, 102, 202, 3, dtype=torch.uint8)
    image[:, y : y + 3, x : x + 3] = 200
    predicted = network(image)
    fine = cells(102, 202)
    best = fine + int(predicted.points[0, fine:, 0, 0].isclose(torch.tensor(x + 1.0)).nonzero()[0])
    torch.testing.assert_close(predicted.points[0, best, 0], torch.tensor([x + 1.0, y + 1.0]))
    torch.testing.assert_close(
        predicted.boxes[0, best],
        torch.tensor([x, y, x, y]) + 1.0 + 3.0 * reach * torch.tensor([-1, -1, 1, 1]),
    )
    assert float(predicted.logits[0, best]) == (200 if is_detected else -20)


def test_smaller_images_are_normalised_in_training_as_at_inference(network: DetectorNet) -> None:
    images = noise(96, 96, 2)
    network.spec = replace(SPEC, levels=2)
    network.train()
    for _ in range(3):
        network(images)
    norms = [m for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert all(norm.training for norm in norms)
    before = [norm.running_mean.clone() for norm in norms if norm.running_mean is not None]
    fine = cells(96, 96)
    training = network(images)
    network.spec = FLAT
    network(images)
    moved = [norm.running_mean for norm in norms if norm.running_mean is not None]
    assert all((one != other).any() for one, other in zip(before, moved, strict=True))
    assert training.boxes[:, fine:].isfinite().all()
    # With the statistics that the first pass left, evaluation gives the same.
    again = DetectorNet(replace(SPEC, levels=2))
    again.load_state_dict(network.state_dict())
    again.train()
    expected = again(images).logits[:, fine:]
    again.eval()
    torch.testing.assert_close(again(images).logits[:, fine:], expected)


@torch.no_grad()
def test_folding_the_input_scale_preserves_the_predictions(network: DetectorNet) -> None:
    image = noise(70, 90)
    before = network(image)
    for _ in range(2):
        network.fold_input_scale()
        assert network.input_scale == 1
        for actual, expected in zip(network(image), before, strict=True):
            torch.testing.assert_close(actual, expected, atol=1e-3, rtol=1e-5)


def test_the_shipped_network_has_fewer_than_200_000_weights() -> None:
    recipe = load_recipe("detector")
    assert isinstance(recipe, DetectorRecipe)
    network = DetectorNet(recipe.model.spec())
    count = sum(weights.numel() for weights in network.parameters())
    assert 100_000 < count < 200_000


def test_every_weight_has_a_gradient(network: DetectorNet) -> None:
    predicted = network.train()(noise(64, 64, 2))
    sum(part.square().mean() for part in predicted).backward()
    for name, weights in network.named_parameters():
        assert weights.grad is not None, name
        assert np.isfinite(weights.grad.numpy()).all(), name
        assert weights.grad.abs().max() > 0, name
