"""The second look at each point."""

from __future__ import annotations

import torch

from fkd_train.models.refinement import LocalRefinement
from fkd_train.models.spec import ModelSpec

SPEC = ModelSpec("fkdnet", 64, unit=16, offset=32, points=5)
CELLS = 16


def normalised(pixels: torch.Tensor) -> torch.Tensor:
    return (pixels - SPEC.offset) / SPEC.unit


def test_points_stay_where_they_are_before_training() -> None:
    refine = LocalRefinement(SPEC, 8, CELLS).eval()
    points = torch.randn(3, 5, 2)
    torch.testing.assert_close(refine(torch.randn(3, 8, CELLS, CELLS), points), points)


def test_each_point_moves_by_what_is_around_it_alone() -> None:
    """A map with one bright cell, below one point of one image."""
    torch.manual_seed(0)
    refine = LocalRefinement(SPEC, 1, CELLS).eval()
    torch.nn.init.ones_(refine.squeeze[0].weight)  # type: ignore[arg-type]
    with torch.no_grad():
        refine.weight[:, :-2] = 1.0
    features = torch.zeros(2, 1, CELLS, CELLS)
    features[1, 0, 9, 4] = 10.0
    pixels = torch.tensor([[18.0, 38.0], [60.0, 4.0], [4.0, 60.0], [50.0, 50.0], [-90.0, 200.0]])
    points = normalised(pixels).expand(2, 5, 2)
    moved = (refine(features, points) - points).abs().sum(dim=-1) > 1e-3
    assert moved.tolist() == [[False] * 5, [True, False, False, False, False]]


def test_a_point_sees_the_same_wherever_its_image_is_in_the_batch() -> None:
    torch.manual_seed(0)
    refine = LocalRefinement(SPEC, 8, CELLS).eval()
    torch.nn.init.normal_(refine.weight)
    features, points = torch.randn(4, 8, CELLS, CELLS), torch.randn(4, 5, 2)
    together = refine(features, points)
    alone = torch.cat([refine(features[n : n + 1], points[n : n + 1]) for n in range(4)])
    torch.testing.assert_close(together, alone)
