"""What all record formats share: the sink's protocol and the rounding of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fkd_infer.choices import Extra
from fkd_infer.landmarks.attributes import DIGITS
from fkd_infer.landmarks.schemes import LandmarkScheme
from fkd_infer.types import Face, Frame


class RecordSink(AbstractContextManager["RecordSink", None], Protocol):
    """Writes the faces of frames to a file, which is complete when the context ends.

    Any class with these methods is one; no base class is needed.
    """

    def write(self, frame: Frame, faces: Sequence[Face]) -> None:
        """Writes the faces of a frame; the frame's pixels may be missing, its size is not."""
        ...


def check_point_count(face: Face, scheme: LandmarkScheme) -> None:
    """Raises ValueError unless a face has as many points as the scheme."""
    if len(face.points) != scheme.count:
        raise ValueError(f"the table is for {scheme.count} points, not {len(face.points)}")


def round_extra(value: float, extra: Extra) -> float:
    """Rounds a number of an extra for text formats; -0.0 becomes 0.0."""
    return round(value, DIGITS[extra]) + 0.0


def round_pixels(values: NDArray[np.float32]) -> list[object]:
    """Rounds to 1/100 pixel, in float64 so that numbers print short; -0.0 becomes 0.0."""
    numbers: list[object] = (np.round(values.astype(np.float64), 2) + 0.0).tolist()
    return numbers
