"""The run by which a session on a device is believed.

A provider may start and then fail at its first convolution, as CUDA does without cuDNN, or compute
something else: in half precision, or int8 with other roundings. So a session runs one batch when it
starts, and its answer is compared with the CPU's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from fkd_infer.geometry.arrays import Floats, Pixels

TOLERANCE = 1 / 256
"""Largest median difference of points from the CPU's, as a share of the crop's side: half a pixel
of 128. Rounding of factors to 10 bits, as TF32 does, moves them by a hundredth of that."""
GRAY = 90
"""Of pictures without a face."""
_FACE = 96
"""Side of the face in pictures: the shipped detector scores it 0.9 and more in those of all
sizes."""
SCORE_TOLERANCE = 0.05
"""Largest difference of scores from the CPU's."""


class Proof(Protocol):
    """One run, and its comparison with the CPU's."""

    def feed(self) -> dict[str, Pixels]:
        """Returns the inputs by name."""

    def difference(self, answer: Sequence[Floats], expected: Sequence[Floats]) -> str:
        """Returns how an answer differs from the CPU's, empty if it does not."""


@dataclass(frozen=True)
class LandmarkProof:
    """The proof of a landmark network: a batch of a drawn face."""

    size: int
    channels: int
    batch: int = 1

    def feed(self) -> dict[str, Pixels]:
        """Returns the inputs by name."""
        face = np.repeat(drawn_face(self.size)[..., None], self.channels, axis=-1)
        return {"image": np.repeat(face[None], self.batch, axis=0)}

    def difference(self, answer: Sequence[Floats], expected: Sequence[Floats]) -> str:
        """Returns how an answer differs from the CPU's, empty if it does not."""
        distances = np.linalg.norm(np.subtract(answer[0], expected[0], dtype=np.float64), axis=-1)
        px = float(np.median(distances))
        if px <= TOLERANCE * self.size:  # False for NaN
            return ""
        return f"its points are {px:.2g} px from the CPU's, in crops of {self.size} px"


@dataclass(frozen=True)
class DetectorProof:
    """The proof of a detector: a picture (size, size) with a drawn face."""

    size: int = 256

    def feed(self) -> dict[str, Pixels]:
        """Returns the inputs by name."""
        return {"image": face_picture(self.size, self.size)}

    def difference(self, answer: Sequence[Floats], expected: Sequence[Floats]) -> str:
        """Returns how an answer differs from the CPU's, empty if it does not."""
        best, on_cpu = (float(outputs[1].max(initial=0.0)) for outputs in (answer, expected))
        if abs(best - on_cpu) <= SCORE_TOLERANCE:
            return ""
        return f"its best score is {best:.2f} where the CPU's is {on_cpu:.2f}"


def face_picture(height: int, width: int) -> Pixels:
    """Returns a gray picture (height, width, 3) with a drawn face in its middle."""
    picture = np.full((height, width, 3), GRAY, np.uint8)
    side = min(_FACE, height, width)
    top, left = (height - side) // 2, (width - side) // 2
    picture[top : top + side, left : left + side] = drawn_face(side)[..., None]
    return picture


def drawn_face(size: int) -> Pixels:
    """Returns a gray face (size, size) of ellipses, whose parts are at DRAWN_PARTS."""
    y, x = np.mgrid[:size, :size] / size
    face = np.full((size, size), 90, np.uint8)

    def ellipse(cx: float, cy: float, rx: float, ry: float, gray: int) -> None:
        face[((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 < 1] = gray

    ellipse(0.5, 0.55, 0.34, 0.44, 190)
    for eye in ("right_eye", "left_eye"):
        cx, cy = DRAWN_PARTS[eye]
        ellipse(cx, cy, 0.07, 0.04, 240)
        ellipse(cx, cy, 0.03, 0.04, 30)
        ellipse(cx, cy - 0.11, 0.09, 0.025, 60)
    ellipse(0.5, 0.58, 0.055, 0.03, 140)
    ellipse(*DRAWN_PARTS["outer_lips"], 0.125, 0.04, 110)
    return face


DRAWN_PARTS = {"right_eye": (0.36, 0.42), "left_eye": (0.64, 0.42), "outer_lips": (0.5, 0.75)}
"""Centres (x, y) of the parts of `drawn_face`, as shares of its side."""
