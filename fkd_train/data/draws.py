"""Which face each sample of an epoch shows, when data sets have weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fkd_train.config.sections import DataConfig
from fkd_train.data.faces import Faces


@dataclass(frozen=True)
class FaceDraws:
    """Draws each face of a data set `weight` times an epoch, on average, and equally often.

    `rows` are the faces of each data set, `counts` the samples that it has in an epoch.
    """

    rows: tuple[NDArray[np.intp], ...]
    counts: tuple[int, ...]

    @classmethod
    def of(cls, faces: Faces, configs: Sequence[DataConfig]) -> FaceDraws:
        """The draws of training faces, by the weights of a recipe's data sets."""
        weights = {config.name: config.weight for config in configs}
        names = np.array(faces.sets)
        rows = [np.flatnonzero(names == name) for name in dict.fromkeys(faces.sets)]
        counts = [max(1, round(weights.get(faces.sets[some[0]], 1.0) * len(some))) for some in rows]
        return cls(tuple(rows), tuple(counts))

    def __len__(self) -> int:
        return sum(self.counts)

    def row(self, epoch: int, number: int) -> int:
        """The face that sample `number` of an epoch shows."""
        for rows, count in zip(self.rows, self.counts, strict=True):
            if number < count:
                return int(rows[(epoch * count + number) % len(rows)])
            number -= count
        raise IndexError(number)
