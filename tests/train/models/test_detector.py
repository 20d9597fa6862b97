"""The detector's network: its cells, and where they say that things are."""

from __future__ import annotations

from math import ceil

import numpy as np
import pytest
import torch

from fkd_train.config.detector import DetectorRecipe
from fkd_train.config.recipe import load_recipe
from fkd_train.models.detector import (
    STRIDES,
    CellPredictions,
    DetectorNet,
    DetectorSpec,
    cell_centres,
)

SPEC = DetectorSpec(4, (8, 8, 8, 8), (1, 1, 1, 1))


@pytest.fixture
def network() -> DetectorNet:
    """An untrained network, whose scores differ from place to place."""
    torch.manual_seed(0)
    return DetectorNet(SPEC).eval()


@pytest.fixture
def silent() -> DetectorNet:
    """A network whose cells all say what they say before anything is learned."""
    network = DetectorNet(SPEC).eval()
    for head in network.heads:
        assert isinstance(head, torch.nn.Conv2d)
        torch.nn.init.zeros_(head.weight)
        assert head.bias is not None
        torch.nn.init.zeros_(head.bias[1:])
    return network


def noise(high: int, wide: int, count: int = 1) -> torch.Tensor:
    return torch.randint(0, 256, (count, high, wide, 3), dtype=torch.uint8)


def cells(high: int, wide: int) -> int:
    return sum(ceil(high / stride) * ceil(wide / stride) for stride in STRIDES)


@pytest.mark.parametrize(("high", "wide"), [(1, 1), (1, 7), (2, 300), (31, 33), (64, 96), (101, 8)])
@torch.no_grad()
def test_images_of_any_size_are_searched(high: int, wide: int, network: DetectorNet) -> None:
    images = noise(high, wide, 2)
    coarse = cells(ceil(high / 3), ceil(wide / 3))
    for found, count in (
        (network(images), cells(high, wide)),
        (network.search_multiscale(images), cells(high, wide) + coarse),
    ):
        assert found.boxes.shape == (2, count, 4)
        assert found.logits.shape == (2, count)
        assert found.points.shape == (2, count, 5, 2)
        assert all(part.isfinite().all() and part.dtype == torch.float32 for part in found)
        assert (found.boxes[..., 2:] > found.boxes[..., :2]).all()


@pytest.mark.parametrize("size", [64, 96, 320])
@torch.no_grad()
def test_all_places_are_those_of_the_networks_cells(size: int, silent: DetectorNet) -> None:
    places = cell_centres(size, torch.zeros(0))
    found = silent(noise(size, size))
    assert len(places) == cells(size, size)
    boxes = found.boxes[0]
    torch.testing.assert_close((boxes[:, :2] + boxes[:, 2:]) / 2, places)
    torch.testing.assert_close(found.points[0], places[:, None].expand(-1, 5, -1))


@torch.no_grad()
def test_before_anything_is_learned_boxes_are_four_strides_wide_and_faces_rare(
    silent: DetectorNet,
) -> None:
    found = silent(noise(64, 64))
    sides = found.boxes[0, :, 2:] - found.boxes[0, :, :2]
    wanted = [4.0 * stride for stride in STRIDES for _ in range((64 // stride) ** 2)]
    torch.testing.assert_close(sides, torch.tensor(wanted)[:, None].expand(-1, 2))
    torch.testing.assert_close(found.logits.sigmoid(), torch.full((1, 84), 0.01), atol=1e-3, rtol=0)


@torch.no_grad()
def test_an_image_moved_by_the_largest_stride_moves_boxes_and_points_along(
    network: DetectorNet,
) -> None:
    size, move = 640, 32
    image = noise(size, size)
    first, moved = network(image), network(torch.roll(image, (move, move), (1, 2)))
    places = cell_centres(size, image)
    middle = ((places >= 224) & (places < 416)).all(-1)
    there = ((places >= 224 + move) & (places < 416 + move)).all(-1)
    assert middle.sum() == there.sum() > 500
    torch.testing.assert_close(moved.logits[0, there], first.logits[0, middle])
    for own, wanted in ((moved.boxes, first.boxes), (moved.points, first.points)):
        torch.testing.assert_close(own[0, there], wanted[0, middle] + move, atol=1e-3, rtol=1e-5)
    assert first.logits[0, middle].std() > 0


@torch.no_grad()
def test_cells_of_the_coarse_image_lie_in_the_middle_of_what_they_see(silent: DetectorNet) -> None:
    found = silent.search_multiscale(noise(100, 190))
    fine = cells(100, 190)
    boxes = found.boxes[0, fine:]
    first, row = 3, ceil(ceil(190 / 3) / 8)
    torch.testing.assert_close(boxes[0], torch.tensor([-48.0, -48.0, 48.0, 48.0]) + 1)
    torch.testing.assert_close(boxes[1], torch.tensor([-24.0, -48.0, 72.0, 48.0]) + 1)
    torch.testing.assert_close(boxes[row], torch.tensor([-48.0, -24.0, 48.0, 72.0]) + 1)
    torch.testing.assert_close(found.points[0, fine + first], torch.tensor([[73.0, 1.0]] * 5))
    torch.testing.assert_close(found.boxes[:, :fine], silent(noise(100, 190)).boxes)


@pytest.mark.parametrize(("x", "y"), [(0, 0), (30, 63), (198, 99)])
@pytest.mark.parametrize(("reach", "looked_for"), [(15, False), (17, True)])
@torch.no_grad()
def test_what_is_seen_in_the_coarse_image_is_where_it_is_in_the_image(
    x: int,
    y: int,
    reach: int,
    looked_for: bool,
    network: DetectorNet,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A search that finds the brightest pixel, on an image with one bright square; boxes of less
    than 32 coarse pixels are not looked for there."""

    def brightest(planes: torch.Tensor) -> CellPredictions:
        plane = planes[0, 0]
        row, column = divmod(int(plane.argmax()), plane.shape[1])
        place = torch.tensor([column, row], dtype=torch.float32)
        return CellPredictions(
            torch.cat([place - reach, place + reach])[None, None],
            plane.max()[None, None],
            place.expand(1, 1, 5, 2),
        )

    monkeypatch.setattr(network, "_search", brightest)
    image = torch.zeros(1, 102, 202, 3, dtype=torch.uint8)
    image[:, y : y + 3, x : x + 3] = 200
    found = network.search_multiscale(image)
    torch.testing.assert_close(found.points[0, 1, 0], torch.tensor([x + 1.0, y + 1.0]))
    torch.testing.assert_close(
        found.boxes[0, 1],
        torch.tensor([x, y, x, y]) + 1.0 + 3.0 * reach * torch.tensor([-1, -1, 1, 1]),
    )
    assert float(found.logits[0, 1]) == (200 if looked_for else -20)


@torch.no_grad()
def test_white_folded_into_the_weights_leaves_the_answers(network: DetectorNet) -> None:
    image = noise(70, 90)
    before = network.search_multiscale(image)
    for _ in range(2):
        network.fold_input_scale()
        assert network.input_scale == 1
        for own, wanted in zip(network.search_multiscale(image), before, strict=True):
            torch.testing.assert_close(own, wanted, atol=1e-3, rtol=1e-5)


def test_the_shipped_recipes_network_has_less_than_200_000_parameters() -> None:
    recipe = load_recipe("detector")
    assert isinstance(recipe, DetectorRecipe)
    network = DetectorNet(recipe.model.spec())
    count = sum(weights.numel() for weights in network.parameters())
    assert 100_000 < count < 200_000


def test_every_weight_learns(network: DetectorNet) -> None:
    found = network.train()(noise(64, 64, 2))
    sum(part.square().mean() for part in found).backward()
    for name, weights in network.named_parameters():
        assert weights.grad is not None, name
        assert np.isfinite(weights.grad.numpy()).all(), name
        assert weights.grad.abs().max() > 0, name
