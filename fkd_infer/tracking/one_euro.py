"""Less jitter in the points of followed faces, with little lag, or none for files.

The One-Euro filter (Casiez, Roussel, Vogel, CHI 2012) is a low-pass of first order

    x̂ₜ = α xₜ + (1 - α) x̂ₜ₋₁,    α = 1 / (1 + τ / Δt),    τ = 1 / (2π f),

whose cutoff f rises with the speed, so that what rests is calm and what moves does not lag:

    f = f_min + β |v̂ₜ|,    v̂ₜ = the same low-pass, with cutoff f_v, of (xₜ - x̂ₜ₋₁) / Δt.

A face's points are its shape, moved as a whole. The similarity z = m + a r leads from the points r
of the frame in which its filter began to those of now, z, as complex numbers in least squares: m is
their mean, |a| and arg a are size and roll. Its noise is small, being that of all points together,
so m and log a are filtered quickly, and the shape (z - m) / a slowly. All is in units of the face's
size, the longer side of the points' box in that first frame, times |a|.
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
Planar: TypeAlias = NDArray[np.complex128]
JUMP = 0.5
"""A face that is so far from where its filter has it, in its sizes, or as large by the exponential
of it, was not moved there, and its filter begins anew."""


@dataclass(frozen=True, slots=True)
class Cutoffs:
    """Of a One-Euro filter: `least` (f_min) and `speed` (f_v) in Hz, `rise` (β) in Hz for each unit
    a second."""

    least: float
    rise: float
    speed: float = 2.0


@dataclass(frozen=True, slots=True)
class Level:
    """The filters of a face as a whole, and of its shape."""

    whole: Cutoffs
    shape: Cutoffs


LEVELS: dict[Smoothing, Level] = {
    "low": Level(Cutoffs(4.0, 40.0), Cutoffs(2.0, 20.0)),
    "medium": Level(Cutoffs(1.0, 40.0), Cutoffs(1.0, 20.0)),
    "high": Level(Cutoffs(0.5, 20.0), Cutoffs(0.4, 10.0)),
}
"""What each level means, but for "off"; docs/tracking.md has what they do."""


@dataclass(frozen=True, slots=True, eq=False)
class OneEuro:
    """State of One-Euro filters of complex values, of which each has a speed of its own."""

    value: Planar
    slope: Planar

    @classmethod
    def at(cls, value: Planar) -> OneEuro:
        """Filters that begin, at rest."""
        return cls(value, np.zeros_like(value))

    def step(self, value: Planar, seconds: float, cutoffs: Cutoffs, unit: Reals) -> OneEuro:
        """The filters after values of the same shape; `unit` is what speed is measured in."""
        slope = self.slope + _alpha(np.array(cutoffs.speed), seconds) * (
            (value - self.value) / seconds - self.slope
        )
        cutoff = cutoffs.least + cutoffs.rise * np.abs(slope) / unit
        return OneEuro(self.value + _alpha(cutoff, seconds) * (value - self.value), slope)


def _alpha(cutoff: Reals, seconds: float) -> Reals:
    """The weight of the new value in a low-pass of first order, for cutoffs in Hz."""
    return np.asarray(1 / (1 + 1 / (2 * np.pi * cutoff * seconds)))


@dataclass(frozen=True, slots=True, eq=False)
class _Filters:
    """Of f faces: `first`, their centred points (f, k) where they began, in sizes; the filters of
    their places (f,), of log a (f,) and of their shapes (f, k)."""

    ids: tuple[int, ...]
    first: Planar
    place: OneEuro
    size: OneEuro
    shape: OneEuro


class Smoother:
    """Smooths the points of faces with ids, frame by frame; each id has filters of its own.

    They begin anew where a face is missing for a frame or jumps, and all of them where time does
    not go on. `level` may be changed at any time; "off" leaves points as they are.
    """

    def __init__(self, level: Smoothing = "off") -> None:
        self.level = level
        self.reset()

    def reset(self) -> None:
        """Forgets all faces."""
        self._time: Fraction | None = None
        self._filters: _Filters | None = None

    def __call__(self, time: Fraction, faces: Sequence[Face]) -> list[Face]:
        """The faces of the frame at `time`, in order, with points smoothed; those without id as
        they are."""
        known = [face for face in faces if face.id is not None]
        if self.level == "off" or not known:
            self.reset()
            return list(faces)
        points = np.stack([face.points for face in known]).astype(np.float64)
        smooth = self._step(time, tuple(face.id or 0 for face in known), points)
        rows = iter(smooth.astype(np.float32))
        return [face if face.id is None else replace(face, points=next(rows)) for face in faces]

    def _step(self, time: Fraction, ids: tuple[int, ...], points: Reals) -> Reals:
        """Points (f, k, 2), smoothed."""
        now = points[..., 0] + 1j * points[..., 1]
        filters, before = _began(ids, now), self._filters
        if before is not None and self._time is not None and time > self._time:
            filters = _carried(filters, before, now)
            filters = self._filtered(filters, now, float(time - self._time))
        self._time, self._filters = time, filters
        a = np.exp(filters.size.value)[:, None]
        whole = filters.place.value[:, None] + a * filters.shape.value
        return np.stack([whole.real, whole.imag], axis=-1)

    def _filtered(self, filters: _Filters, now: Planar, seconds: float) -> _Filters:
        """Filters after points (f, k); those that have just begun stay as they are."""
        place, size, shape = _parts(now, filters)
        level, one = LEVELS[self.level], np.ones(1)
        return replace(
            filters,
            place=filters.place.step(place, seconds, level.whole, np.exp(size.real)),
            size=filters.size.step(size, seconds, level.whole, one),
            shape=filters.shape.step(shape, seconds, level.shape, one),
        )


def _began(ids: tuple[int, ...], now: Planar) -> _Filters:
    """Filters that begin with points (f, k)."""
    box = points_box(np.stack([now.real, now.imag], axis=-1)).astype(np.float64)
    sides = np.maximum((box[:, 2:] - box[:, :2]).max(axis=1), 1e-6)
    place = now.mean(axis=1)
    first = (now - place[:, None]) / sides[:, None]
    size = np.log(sides).astype(np.complex128)
    return _Filters(ids, first, OneEuro.at(place), OneEuro.at(size), OneEuro.at(first))


def _parts(now: Planar, filters: _Filters) -> tuple[Planar, Planar, Planar]:
    """Place m (f,), log a (f,) and shape (f, k) of points (f, k)."""
    place = now.mean(axis=1)
    centred = now - place[:, None]
    square = np.maximum((np.abs(filters.first) ** 2).sum(axis=1), 1e-12)
    a = (filters.first.conj() * centred).sum(axis=1) / square
    a = np.where(np.abs(a) < 1e-9, 1e-9, a)
    size = np.log(a)
    # A roll is known up to whole turns; the one nearest to the last is meant.
    turns = np.round((filters.size.value - size).imag / (2 * np.pi))
    return place, size + 2j * np.pi * turns, centred / a[:, None]


def _carried(began: _Filters, before: _Filters, now: Planar) -> _Filters:
    """Filters that begin, but those from before for faces that were there and did not jump."""
    rows = np.array([before.ids.index(i) if i in before.ids else -1 for i in began.ids])
    old = _rows(before, rows)
    place, size, _ = _parts(now, old)
    apart = np.abs(place - old.place.value) / np.exp(size.real)
    grown = np.abs((size - old.size.value).real)
    return _merged(began, old, (rows >= 0) & (apart < JUMP) & (grown < JUMP))


def _rows(filters: _Filters, rows: NDArray[np.intp]) -> _Filters:
    ids = tuple(filters.ids[row] for row in rows)

    def of(one: OneEuro) -> OneEuro:
        return OneEuro(one.value[rows], one.slope[rows])

    place, size, shape = of(filters.place), of(filters.size), of(filters.shape)
    return _Filters(ids, filters.first[rows], place, size, shape)


def _merged(base: _Filters, other: _Filters, taken: NDArray[np.bool_]) -> _Filters:
    """The filters of `base`, but those of `other` where they are `taken` (f,)."""

    def choose(one: Planar, two: Planar) -> Planar:
        return np.where(taken.reshape(-1, *[1] * (one.ndim - 1)), two, one)

    def both(one: OneEuro, two: OneEuro) -> OneEuro:
        return OneEuro(choose(one.value, two.value), choose(one.slope, two.slope))

    return _Filters(
        base.ids,
        choose(base.first, other.first),
        both(base.place, other.place),
        both(base.size, other.size),
        both(base.shape, other.shape),
    )
