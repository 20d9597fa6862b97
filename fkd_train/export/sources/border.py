"""What a network of others takes and gives, and how that is joined to the runtime's border.

The runtime hands over uint8 crops (N, S, S, C), BGR or gray, and expects points in crop pixels. In
between stand colour order, range, mean, deviation, layout and the unit of the points. Here they
are stated once, and computed by hand in numpy, which checks what `module.py` and `onnx_graph.py`
compute inside the exported file.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fkd_infer.geometry.arrays import Floats, Pixels
from fkd_train.choices import ColorOrder, Layout, OutputUnit
from fkd_train.errors import NetworkError

Range = tuple[float, float]
Shape = Sequence[int | str | None]


@dataclass(frozen=True)
class Border:
    """A network's own input and output.

    It takes square crops of `size` pixels with colours in the order `color`, as `layout` has them.
    Their values, scaled from 0…255 to `range`, are reduced by `mean` and divided by `std`, one
    number for each channel in the network's order. Its points are in `unit`: "unit" of the crop's
    side, "pixels", or "centred", from -1 to 1 across the crop.
    """

    size: int
    color: ColorOrder = "rgb"
    layout: Layout = "nchw"
    range: Range = (0.0, 1.0)
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    unit: OutputUnit = "unit"

    @property
    def channels(self) -> Literal[1, 3]:
        """Channels of the crops."""
        return 1 if self.color == "gray" else 3

    @property
    def scale_and_offset(self) -> tuple[Floats, Floats]:
        """Factors and summands (C,), or (1,) for all channels, that lead from bytes to inputs."""
        low, high = self.range
        mean, std = np.array(self.mean), np.array(self.std)
        scale, offset = (high - low) / 255 / std, (low - mean) / std
        return scale.astype(np.float32), offset.astype(np.float32)

    @property
    def point_scale_and_offset(self) -> tuple[float, float]:
        """The factor and the summand that lead from outputs to crop pixels."""
        return {
            "unit": (float(self.size), 0.0),
            "pixels": (1.0, 0.0),
            "centred": (self.size / 2, self.size / 2),
        }[self.unit]

    def feed(self, crops: Pixels) -> Floats:
        """The network's input for crops (N, S, S, C), step by step as users do it by hand."""
        ordered = crops[..., ::-1] if self.color == "rgb" else crops
        low, high = self.range
        mean, std = np.array(self.mean, np.float32), np.array(self.std, np.float32)
        shares = ordered.astype(np.float32) / np.float32(255)
        values = (shares * np.float32(high - low) + np.float32(low) - mean) / std
        if self.layout == "nchw":
            values = np.moveaxis(values, -1, 1)
        return np.ascontiguousarray(values, np.float32)

    def points(self, output: NDArray[Any], count: int) -> Floats:
        """Points (N, count, 2) in crop pixels from an output of 2 or 3 numbers for each point."""
        scale, offset = self.point_scale_and_offset
        places = output.reshape(len(output), count, -1)[..., :2].astype(np.float32)
        return np.asarray(places * np.float32(scale) + np.float32(offset))


def find_points(
    name: str, shapes: Mapping[str, Shape], count: int, wanted: str | None = None
) -> str:
    """The name of a network's output that holds the points: the `wanted` one, or the one that has 2
    or 3 numbers for each point. The first side of each shape is the batch.

    Raises NetworkError with what there is.
    """
    described = ", ".join(f"{each} {_text(shape)}" for each, shape in shapes.items()) or "nothing"
    fix = "name its points' --scheme, and the output with --points-output"
    if wanted is not None:
        if wanted not in shapes:
            raise NetworkError(name, f"it has no output {wanted!r}, but {described}", fix)
        return wanted
    fitting = [each for each, shape in shapes.items() if _numbers(shape) in (2 * count, 3 * count)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        problem = f"several outputs could be the {count} points: {described}"
        raise NetworkError(name, problem, fix)
    expected = f"(N, {count}, 2) or (N, {2 * count}) for {count} points"
    if any(len(shape) == 4 and shape[1] == count for shape in shapes.values()):
        fix = "decode heatmaps in the module"
    raise NetworkError(name, f"it gives {described}, not {expected}", fix)


def _numbers(shape: Shape) -> int | None:
    """Numbers for each image, None if they are unknown."""
    sides = [side for side in shape[1:] if isinstance(side, int)]
    return math.prod(sides) if len(sides) == len(shape) - 1 else None


def _text(shape: Shape) -> str:
    return f"({', '.join('?' if side is None else str(side) for side in shape)})"
