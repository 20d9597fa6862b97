"""Faces of five coloured dots, and a network that finds them exactly: by its colours, so that it is
wrong under another mean, colour order or unit."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fkd_infer.geometry.arrays import Floats
from fkd_train.models.spec import ModelSpec

SIZE = 64
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SCHEME = """\
name = "dots"
count = 5
outer_eye_corners = [0, 1]
mirror_pairs = [[0, 1], [3, 4]]
groups = {eyes = [0, 1], nose = [2], mouth = [3, 4]}
"""
_COLOURS = ((230, 40, 40), (40, 40, 230), (40, 200, 40), (230, 220, 40), (40, 220, 230))
"""RGB; exchanging red and blue exchanges the eyes, and the corners of the mouth."""
_PLACES = np.array([[-0.5, -0.4], [0.5, -0.4], [0, 0.1], [-0.35, 0.5], [0.35, 0.5]])


class DotNet(nn.Module):
    """Planes (N, 3, S, S), normalised by MEAN and STD, RGB, to points (N, 5, 2) in [0, 1]: the mean
    place of what has the colour of each dot."""

    def __init__(self) -> None:
        super().__init__()
        colours = (torch.tensor(_COLOURS) / 255 - torch.tensor(MEAN)) / torch.tensor(STD)
        self.colours = nn.Parameter(colours)

    def forward(self, planes: Tensor) -> Tensor:
        """The points."""
        unlike = (planes[:, None] - self.colours[None, :, :, None, None]).square().sum(2)
        weights = (-8 * unlike).flatten(2).softmax(-1)
        places = torch.arange(SIZE, dtype=torch.float32) / SIZE
        grid = torch.stack(torch.meshgrid(places, places, indexing="xy")).flatten(1)
        return weights @ grid.T


def network(_spec: ModelSpec) -> nn.Module:
    """The factory `dot_faces:network`."""
    return DotNet()


class Adapted(nn.Module):
    """DotNet with points in pixels or from -1 to 1, flattened, or with an input (N, S, S, 3)."""

    def __init__(self, unit: str = "unit", layout: str = "nchw") -> None:
        super().__init__()
        self.network = DotNet()
        self.unit = unit
        self.layout = layout

    def forward(self, image: Tensor) -> Tensor:
        """Points (N, 10)."""
        planes = image if self.layout == "nchw" else image.permute(0, 3, 1, 2)
        points: Tensor = self.network(planes).flatten(1)
        return {"unit": points, "pixels": SIZE * points, "centred": 2 * points - 1}[self.unit]


def draw(rng: np.random.Generator) -> tuple[NDArray[np.uint8], Floats]:
    """A BGR image (120, 120, 3) and its points (5, 2)."""
    image = np.full((120, 120, 3), 20, np.uint8)
    points = 60 + 35 * _PLACES + rng.uniform(-6, 6, 2) + rng.normal(0, 2, (5, 2))
    for (x, y), colour in zip(points, _COLOURS, strict=True):
        centre = round(16 * x), round(16 * y)
        cv2.circle(image, centre, 16 * 5, colour[::-1], -1, cv2.LINE_AA, 4)
    return image, points.astype(np.float32)


def write_dot_faces(folder: Path, people: int = 30) -> Path:
    """Writes a data set of two images of each person, in the layout of YouTube Faces."""
    rng = np.random.default_rng(0)
    (folder / "training").mkdir(parents=True)
    lines = ["," + ",".join(map(str, range(10)))]
    for number in range(2 * people):
        name = f"Dot{number // 2}_{number % 2}.png"
        image, points = draw(rng)
        cv2.imwrite(str(folder / "training" / name), image)
        lines.append(",".join([name, *(f"{value:.3f}" for value in points.ravel())]))
    (folder / "training_frames_keypoints.csv").write_text("\n".join(lines) + "\n")
    return folder


def write_onnx(
    path: Path, unit: str = "unit", layout: str = "nchw", batch: int | None = None
) -> Path:
    """Writes the network as somebody else would: a float input and points (N, 10)."""
    from fkd_train.export.torch_to_onnx import torch_to_onnx

    shape = (3, SIZE, SIZE) if layout == "nchw" else (SIZE, SIZE, 3)
    axes = {0: torch.export.Dim("n", min=1)} if batch is None else {}
    example = torch.zeros(batch or 2, *shape)
    model = torch_to_onnx(Adapted(unit, layout).eval(), example, ["landmarks"], axes, 18)
    path.write_bytes(model.SerializeToString())
    return path
