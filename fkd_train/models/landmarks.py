"""Landmark networks: uint8 crops in, points in crop pixels out.

To add one: write its body in a file of this folder, from normalised planes (N, C, S, S) to
normalised points, and add a row to `NETWORKS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from fkd_train.errors import RecipeError
from fkd_train.models.fkdnet import FkdNet
from fkd_train.models.naimishnet import naimishnet, naimishnet_paper
from fkd_train.models.spec import ModelSpec


class LandmarkNet(nn.Module):
    """Wraps the body of every network.

    Scaling the input and de-normalising the points are part of the module, so that the exported
    graph, training and evaluation always agree on them.
    """

    def __init__(self, spec: ModelSpec, body: nn.Module) -> None:
        super().__init__()
        self.spec = spec
        self.body = body

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """(points,) or (points, score) for crops uint8 (N, S, S, C).

        Points are float32 (N, n, 2) in crop pixels. The score, float32 (N,), is the probability
        that the crop shows a well-framed face.
        """
        planes = image.permute(0, 3, 1, 2).float() / 255
        output = self.body(planes)
        normalised, *logits = output if isinstance(output, tuple) else (output,)
        points = normalised.float().reshape(-1, self.spec.points, 2)
        points = points * self.spec.unit + self.spec.offset
        return (points, *(logit.float().flatten().sigmoid() for logit in logits))


@dataclass(frozen=True)
class NetworkType:
    """A row of `NETWORKS`; `has_trunk` for networks built from a recipe's trunk, head and score."""

    build_body: Callable[[ModelSpec], nn.Module]
    has_trunk: bool = False


NETWORKS: dict[str, NetworkType] = {
    "naimishnet": NetworkType(naimishnet),
    "naimishnet-paper": NetworkType(naimishnet_paper),
    "fkdnet": NetworkType(FkdNet, has_trunk=True),
}
"""Networks by their names in recipes."""


def build_landmark_net(spec: ModelSpec) -> LandmarkNet:
    """Builds the network of a spec, initialised from torch's global generator.

    Raises RecipeError for an unknown name or an input too small for the convolutions.
    """
    if spec.name not in NETWORKS:
        raise RecipeError(spec.name, "no such network", f"there are: {', '.join(NETWORKS)}")
    try:
        return LandmarkNet(spec, NETWORKS[spec.name].build_body(spec))
    except RuntimeError as error:
        raise RecipeError(spec.name, f"input size {spec.size} is too small for it") from error
