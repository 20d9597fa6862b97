"""Heads on a trunk: points, their score and their spread, from the feature maps of any network."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from fkd_train.errors import NetworkError
from fkd_train.models.heads import HEADS, MapShape
from fkd_train.models.outside_code import dry_run, shape_text
from fkd_train.models.refinement import MIN_CELLS, LocalRefinement
from fkd_train.models.spec import ModelSpec


class BodyOutput(NamedTuple):
    """Normalised points (N, n, 2), the score's logits (N, 1), and logarithms of the points'
    normalised spread (N, n); None for what a network does not have."""

    points: Tensor
    score: Tensor | None = None
    spread: Tensor | None = None


class HeadedNet(nn.Module):
    """A trunk and its heads.

    The trunk maps planes (N, C, S, S) to one feature map (N, c, h, h) of the complete crop, or to
    several, the finest first. Raises NetworkError for a trunk that does not, and for maps that the
    head cannot use.
    """

    def __init__(self, spec: ModelSpec, trunk: nn.Module) -> None:
        super().__init__()
        assert spec.head is not None
        self.trunk = trunk
        shapes = map_shapes(spec, trunk)
        self.head = HEADS[spec.head](spec, shapes)
        self.refine: LocalRefinement | None = None
        if spec.refine:
            if shapes[0].cells < MIN_CELLS:
                problem = (
                    f"its finest map has {shapes[0]}, and refine needs {MIN_CELLS} × {MIN_CELLS}"
                )
                raise NetworkError(spec.name, problem, "use a larger size, or refine = false")
            self.refine = LocalRefinement(spec, *shapes[0])
        width = shapes[-1].channels
        self.score = nn.Linear(width, 1) if spec.score else None
        self.spread = nn.Linear(width, spec.points) if spec.spread else None

    def forward(self, planes: Tensor) -> BodyOutput:
        """Points, and score and spread from the mean of the last map."""
        maps = as_maps(self.trunk(planes))
        points = self.head(maps)
        if self.refine is not None:
            points = self.refine(maps[0], points)
        mean = maps[-1].mean((2, 3))
        score = None if self.score is None else self.score(mean)
        spread = None if self.spread is None else self.spread(mean)
        return BodyOutput(points, score, spread)


def as_maps(output: object) -> list[Tensor]:
    """The maps of a trunk that returns one, or several in a list or tuple."""
    return list(output) if isinstance(output, list | tuple) else [output]  # type: ignore[list-item]


def map_shapes(spec: ModelSpec, trunk: nn.Module) -> list[MapShape]:
    """The shapes of a trunk's maps, from a run on an empty image.

    Raises NetworkError unless they are square, and none is finer than the one before.
    """
    output = dry_run(spec, trunk)
    shapes = []
    for one in as_maps(output):
        is_map = isinstance(one, Tensor) and one.ndim == 4 and one.is_floating_point()
        if not is_map or one.shape[2] != one.shape[3]:
            break
        shapes.append(MapShape(one.shape[1], one.shape[2]))
    else:
        cells = [shape.cells for shape in shapes]
        if cells and cells == sorted(cells, reverse=True):
            return shapes
    expected = "one map (N, channels, h, h), or a list of maps with the finest first"
    problem = f"gives {shape_text(output)}, but a network with a head gives {expected}"
    raise NetworkError(spec.name, problem)
