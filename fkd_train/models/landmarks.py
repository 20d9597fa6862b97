"""Landmark networks: uint8 crops in, points in crop pixels out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fkd_train.errors import NetworkError, RecipeError
from fkd_train.models.conventions import Conventions
from fkd_train.models.factories import load_factory, network_type
from fkd_train.models.headed import BodyOutput, HeadedNet
from fkd_train.models.outside_code import BATCH, dry_run, shape_text
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

        Crops of three channels are BGR, as OpenCV has them; the body sees RGB planes.

        Points are float32 (N, n, 2) in crop pixels, as the annotators of the shipped data set place
        them or, in training, those of `data_sets` (N,), for crops of which some are `mirrored`
        (N,). The score, float32 (N,), is near 1 for a well-framed face with exact points, 0.5 for
        points that are off by 15 % of the interocular distance, and near 0 without a face. The
        spread, float32 (N, n), is the error that the network expects of each point, in crop pixels.
        """
        planes = image.permute(0, 3, 1, 2)
        if self.spec.channels == 3:
            planes = planes.flip(1)
        return self.from_planes(planes.float() / 255, data_sets, mirrored)

    def from_planes(
        self, planes: Tensor, data_sets: Tensor | None = None, mirrored: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        """The same for planes (N, C, S, S) in [0, 1], gray or RGB."""
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


class WithoutBorder(nn.Module):
    """A network that takes planes (N, C, S, S) in [0, 1], gray or RGB, for programs that prepare
    them."""

    def __init__(self, network: LandmarkNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """What the network gives for these planes; see `LandmarkNet.forward`."""
        return self.network.from_planes(image)


class CropUnits(nn.Module):
    """A network whose points are shares of the crop, from 0 at its left or top edge, in the
    normalised units of all others.

    It maps planes (N, C, S, S) to points (N, n, 2). Raises NetworkError for one that does not.
    """

    def __init__(self, spec: ModelSpec, network: nn.Module) -> None:
        super().__init__()
        self.spec = spec
        self.network = network
        output, expected = dry_run(spec, network), (BATCH, spec.points, 2)
        if not (
            isinstance(output, Tensor) and output.shape == expected and output.is_floating_point()
        ):
            wanted = shape_text(torch.empty(expected))
            problem = f"gives {shape_text(output)}, but {wanted} is expected"
            fix = "return points as shares of the crop; for feature maps, state a head"
            raise NetworkError(spec.name, problem, fix)

    def forward(self, planes: Tensor) -> Tensor:
        """Normalised points (N, n, 2)."""
        shares: Tensor = self.network(planes)
        return (shares * self.spec.size - self.spec.offset) / self.spec.unit


def build_landmark_net(spec: ModelSpec) -> LandmarkNet:
    """Builds the network of a spec, initialised from torch's global generator.

    Raises NetworkError as load_factory and the heads do, InstallError if its package is missing,
    and RecipeError for an input too small for the convolutions.
    """
    factory = load_factory(spec.name)
    try:
        body = factory(spec)
    except RuntimeError as error:
        raise RecipeError(spec.name, f"input size {spec.size} is too small for it") from error
    if spec.head is not None:
        body = HeadedNet(spec, body)
    elif network_type(spec.name).gives_crop_units:
        body = CropUnits(spec, body)
    return LandmarkNet(spec, body)
