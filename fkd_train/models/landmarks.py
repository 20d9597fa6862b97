"""Landmark networks: uint8 crops in, points in crop pixels out.

To add one: write its body in a file of this folder, from normalised planes (N, C, S, S) to
normalised points, and add a row to `NETWORKS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from fkd_train.errors import RecipeError
from fkd_train.models.conventions import Conventions
from fkd_train.models.fkdnet import BodyOutput, FkdNet
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
        self.conventions = (
            Conventions(spec.conventions, spec.mirror, spec.shipped) if spec.conventions else None
        )

    def forward(
        self, image: Tensor, data_sets: Tensor | None = None, mirrored: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        """(points, score, spread), or those of them that it has, for crops uint8 (N, S, S, C).

        Crops of three channels are BGR, as OpenCV has them; the body sees RGB. Points are float32 (N, n, 2) in crop pixels, as the annotators of the shipped data set place
        them or, in training, those of `data_sets` (N,), for crops of which some are `mirrored`
        (N,). The score, float32 (N,), is near 1 for a well-framed face with exact points, 0.5 for
        points that are off by 15 % of the interocular distance, and near 0 without a face. The
        spread, float32 (N, n), is the error that the network expects of each point, in crop pixels.
        """
        planes = image.permute(0, 3, 1, 2)
        if self.spec.channels == 3:
            planes = planes.flip(1)
        planes = planes.float() / 255
        output = self.body(planes)
        output = output if isinstance(output, BodyOutput) else BodyOutput(output)
        points = output.points.float().reshape(-1, self.spec.points, 2)
        offset: float | Tensor = self.spec.offset
        if self.conventions is not None:
            offset = self.conventions(data_sets, mirrored) * self.spec.unit + offset
        points = points * self.spec.unit + offset
        outputs = [points]
        if output.score is not None:
            outputs.append(output.score.float().flatten().sigmoid())
        if output.spread is not None:
            outputs.append(output.spread.float().exp() * self.spec.unit)
        return tuple(outputs)


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
