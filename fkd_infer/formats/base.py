"""What all record formats share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from fkd_infer.choices import Extra
from fkd_infer.landmarks.attributes import DIGITS
from fkd_infer.landmarks.schemes import LandmarkScheme
from fkd_infer.types import Face, Frame

STDOUT = Path("-")


class RecordSink(Protocol):
    """Takes the faces of frames; a context manager, at whose end the file is complete."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def write(self, frame: Frame, faces: Sequence[Face]) -> None:
        """Takes a frame's faces; of the frame, its size and where it comes from."""
        ...


def check_count(face: Face, scheme: LandmarkScheme) -> None:
    """Raises ValueError for a face with other points than a table's."""
    if len(face.points) != scheme.count:
        raise ValueError(f"the table is for {scheme.count} points, not {len(face.points)}")


def short(value: float, extra: Extra) -> float:
    """Rounds an attribute's value for text formats; -0.0 becomes 0.0."""
    return round(value, DIGITS[extra]) + 0.0


def rounded(values: NDArray[np.float32]) -> list[object]:
    """Hundredths of a pixel, in double precision so that they print short; -0.0 as 0.0."""
    numbers: list[object] = (np.round(values.astype(np.float64), 2) + 0.0).tolist()
    return numbers
