"""Smooths the points of tracked faces with little lag, frame by frame.

The One-Euro filter (Casiez, Roussel, Vogel, CHI 2012) is a first-order low-pass

    x̂ₜ = α xₜ + (1 - α) x̂ₜ₋₁,    α = 1 / (1 + τ / Δt),    τ = 1 / (2π f),

whose cutoff f rises with the speed, so that resting points are calm and moving points do not lag:

    f = f_min + β |v̂ₜ|,    v̂ₜ = the same low-pass, with cutoff f_v, of (xₜ - x̂ₜ₋₁) / Δt.

The points of a face are split into the face's motion and its shape. With points as complex numbers,
the similarity z = m + a r leads, in least squares, from the points r of the first filtered frame to
the current ones: m is their mean, |a| the size and arg a the roll. The noise of m and a is small,
since all points contribute, so m and log a are filtered with a high cutoff, and the shape
(z - m) / a with a low one. The unit of length is the face's size: the longer side of the points'
box in the first frame, times |a|.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from fkd_infer.choices import Smoothing
from fkd_infer.geometry.boxes import points_box
from fkd_infer.types import Face

Reals: TypeAlias = NDArray[np.float64]
Complexes: TypeAlias = NDArray[np.complex128]
MAX_JUMP = 0.5
"""Distance of a face from its filter, in face sizes, and change of log size, from which the filter
restarts: the face did not move there."""


@dataclass(frozen=True, slots=True)
class Cutoffs:
    """Parameters of a One-Euro filter: `minimum` (f_min) and `speed` (f_v) in Hz, `slope` (β) in Hz
    per unit of length and second."""

    minimum: float
    slope: float
    speed: float = 2.0


@dataclass(frozen=True, slots=True)
class FaceCutoffs:
    """Parameters of the filters of a face's motion and of its shape."""

    motion: Cutoffs
    shape: Cutoffs


LEVELS: dict[Smoothing, FaceCutoffs] = {
    "low": FaceCutoffs(Cutoffs(4.0, 40.0), Cutoffs(2.0, 20.0)),
    "medium": FaceCutoffs(Cutoffs(1.0, 40.0), Cutoffs(1.0, 20.0)),
    "high": FaceCutoffs(Cutoffs(0.5, 20.0), Cutoffs(0.4, 10.0)),
}
"""The levels but "off"; docs/explanation/tracking.md has their effects."""


@dataclass(frozen=True, slots=True, eq=False)
class OneEuro:
    """State of One-Euro filters of complex values, each with its own speed."""

    value: Complexes
    speed: Complexes

    @classmethod
    def start(cls, value: Complexes) -> OneEuro:
        """Filters at rest."""
        return cls(value, np.zeros_like(value))

    def step(self, value: Complexes, seconds: float, cutoffs: Cutoffs, unit: Reals) -> OneEuro:
        """The filters after new values; `unit` is the length that speeds are measured in."""
        speed = self.speed + _alpha(np.array(cutoffs.speed), seconds) * (
            (value - self.value) / seconds - self.speed
        )
        cutoff = cutoffs.minimum + cutoffs.slope * np.abs(speed) / unit
        return OneEuro(self.value + _alpha(cutoff, seconds) * (value - self.value), speed)

    def select(self, rows: NDArray[np.intp]) -> OneEuro:
        """The filters of these rows."""
        return OneEuro(self.value[rows], self.speed[rows])

    def where(self, mask: NDArray[np.bool_], other: OneEuro) -> OneEuro:
        """These filters, with the other's in the rows of the mask (f,)."""
        rows = mask.reshape(-1, *[1] * (self.value.ndim - 1))
        return OneEuro(
            np.where(rows, other.value, self.value), np.where(rows, other.speed, self.speed)
        )


def _alpha(cutoff: Reals, seconds: float) -> Reals:
    """The weight α of a new value, for cutoffs in Hz."""
    return np.asarray(1 / (1 + 1 / (2 * np.pi * cutoff * seconds)))


@dataclass(frozen=True, slots=True, eq=False)
class _Filters:
    """The filters of f faces.

    `first` are the centred points (f, k) of their first frames, in sizes; `place` filters m (f,),
    `size` log a (f,), and `shape` the shapes (f, k).
    """

    ids: tuple[int, ...]
    first: Complexes
    place: OneEuro
    size: OneEuro
    shape: OneEuro

    @classmethod
    def start(cls, ids: tuple[int, ...], points: Complexes) -> _Filters:
        """Filters at rest at points (f, k)."""
        box = points_box(np.stack([points.real, points.imag], axis=-1)).astype(np.float64)
        sides = np.maximum((box[:, 2:] - box[:, :2]).max(axis=1), 1e-6)
        place = points.mean(axis=1)
        first = (points - place[:, None]) / sides[:, None]
        size = np.log(sides).astype(np.complex128)
        return cls(ids, first, OneEuro.start(place), OneEuro.start(size), OneEuro.start(first))

    def split(self, points: Complexes) -> tuple[Complexes, Complexes, Complexes]:
        """Splits points (f, k) into place m (f,), log a (f,) and shape (f, k)."""
        place = points.mean(axis=1)
        centred = points - place[:, None]
        square = np.maximum((np.abs(self.first) ** 2).sum(axis=1), 1e-12)
        a = (self.first.conj() * centred).sum(axis=1) / square
        a = np.where(np.abs(a) < 1e-9, 1e-9, a)
        size = np.log(a)
        # The roll is known up to full turns; the one nearest to the last roll is right.
        turns = np.round((self.size.value - size).imag / (2 * np.pi))
        return place, size + 2j * np.pi * turns, centred / a[:, None]

    def step(
        self, points: Complexes, predicted: NDArray[np.bool_], seconds: float, cutoffs: FaceCutoffs
    ) -> _Filters:
        """The filters after points (f, k); those that start with these points stay as they are.

        Faces that are `predicted` (f,) say nothing of their shape.
        """
        place, size, shape = self.split(points)
        return replace(
            self,
            place=self.place.step(place, seconds, cutoffs.motion, np.exp(size.real)),
            size=self.size.step(size, seconds, cutoffs.motion, np.ones(1)),
            shape=self.shape.step(shape, seconds, cutoffs.shape, np.ones(1)).where(
                predicted, self.shape
            ),
        )

    def resume(self, earlier: _Filters, points: Complexes) -> _Filters:
        """These filters, with the earlier ones of faces that were there and did not jump."""
        rows = np.array([earlier.ids.index(i) if i in earlier.ids else -1 for i in self.ids])
        old = earlier._select(rows)
        place, size, _ = old.split(points)
        distance = np.abs(place - old.place.value) / np.exp(size.real)
        growth = np.abs((size - old.size.value).real)
        keep = (rows >= 0) & (distance < MAX_JUMP) & (growth < MAX_JUMP)
        return _Filters(
            self.ids,
            np.where(keep[:, None], old.first, self.first),
            self.place.where(keep, old.place),
            self.size.where(keep, old.size),
            self.shape.where(keep, old.shape),
        )

    def _select(self, rows: NDArray[np.intp]) -> _Filters:
        return _Filters(
            tuple(self.ids[row] for row in rows),
            self.first[rows],
            self.place.select(rows),
            self.size.select(rows),
            self.shape.select(rows),
        )

    @property
    def points(self) -> Reals:
        """The filtered points (f, k, 2)."""
        a = np.exp(self.size.value)[:, None]
        points = self.place.value[:, None] + a * self.shape.value
        return np.stack([points.real, points.imag], axis=-1)


class Smoother:
    """Smooths the points of faces with ids, frame by frame; each id has its own filters.

    A filter restarts if its face is missing for a frame or jumps; all filters restart if time does
    not advance. `level` may be changed between frames; "off" leaves points as they are.
    """

    def __init__(self, level: Smoothing = "off") -> None:
        self.level = level
        self.reset()

    def reset(self) -> None:
        """Forgets all faces."""
        self._time: Fraction | None = None
        self._filters: _Filters | None = None

    def __call__(self, time: Fraction, faces: Sequence[Face]) -> list[Face]:
        """The faces of the frame at `time`, smoothed, in order; faces without id are unchanged."""
        tracked = [face for face in faces if face.id is not None]
        if self.level == "off" or not tracked:
            self.reset()
            return list(faces)
        points = np.stack([face.points for face in tracked]).astype(np.float64)
        predicted = np.array([face.predicted for face in tracked])
        smooth = self._step(time, tuple(face.id or 0 for face in tracked), points, predicted)
        rows = iter(smooth.astype(np.float32))
        return [face if face.id is None else replace(face, points=next(rows)) for face in faces]

    def _step(
        self, time: Fraction, ids: tuple[int, ...], points: Reals, predicted: NDArray[np.bool_]
    ) -> Reals:
        """Points (f, k, 2), smoothed."""
        plane = points[..., 0] + 1j * points[..., 1]
        filters, earlier = _Filters.start(ids, plane), self._filters
        if earlier is not None and self._time is not None and time > self._time:
            filters = filters.resume(earlier, plane)
            filters = filters.step(plane, predicted, float(time - self._time), LEVELS[self.level])
        self._time, self._filters = time, filters
        return filters.points
