"""Points of followed faces smoothed without lag: for files, where the frames to come are known.

Each coordinate is a local quadratic regression over time (Savitzky & Golay, 1964, made for any
distances of frames by Cleveland's weights, 1979): about the frame at t, samples weigh
(1 - |(tᵢ - t) / h|³)³. It has no lag, and keeps parabolas as they are. Where the points of a window
of h = WIDE move as one h = NARROW does not, as in a blink, the narrow one's word counts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from fkd_infer.tracking.scene_change import Glance
from fkd_infer.types import Face, Frame

WIDE, NARROW = Fraction(3, 10), Fraction(1, 10)
"""Half widths of the windows, in seconds. A face that is missing for WIDE at most is filled in."""
APART = 0.006
"""Distance between the two windows' answers, in sizes of the face, at which each counts half."""
JUMP, PACE = 0.5, 4.0
"""A face that went further between frames than JUMP, and PACE for each second, in its sizes, was
not moved there; the same holds for the logarithm of its size."""

Reals = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class _Sample:
    """A face in a frame: its points with its box's corners, (k + 2, 2).

    Samples of one `run` are one movement, without a cut, a jump or a gap that is too long.
    """

    time: Fraction
    shot: int
    run: int
    corners: Reals
    face: Face


def smooth_offline(
    items: Iterable[tuple[Frame, list[Face]]],
) -> Iterator[tuple[Frame, list[Face]]]:
    """The same frames, in order, each with its faces' points and boxes smoothed without lag.

    Faces without id stay as they are. One that is missing for WIDE seconds at most is filled in,
    with the score that it had before and no presence. Nothing is smoothed across a cut, a jump,
    or into another source. Frames are held until WIDE seconds after them have been read.
    """
    window = _Window()
    for frame, faces in items:
        if window.ends_before(frame):
            yield from window.flush()
            window = _Window()
        window.take(frame, faces)
        while window.is_full:
            yield window.give()
    yield from window.flush()


class _Window:
    """Frames that wait for those to come, and samples of the faces about them, by id."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Frame, list[Face]]] = deque()
        self._samples: dict[int, list[_Sample]] = {}
        self._last: tuple[Frame, Glance] | None = None
        self._shot = self._runs = 0

    def ends_before(self, frame: Frame) -> bool:
        """Whether a frame is of something else."""
        if self._last is None:
            return False
        last = self._last[0]
        return frame.source != last.source or frame.time <= last.time

    def take(self, frame: Frame, faces: list[Face]) -> None:
        """One frame more."""
        glance = Glance.at(frame.image)
        if self._last is not None and glance.is_cut_from(self._last[1]):
            self._shot += 1
        self._last = frame, glance
        self._waiting.append((frame, faces))
        for face in faces:
            if face.id is not None:
                self._sample(frame.time, face, self._samples.setdefault(face.id, []))

    def _sample(self, time: Fraction, face: Face, samples: list[_Sample]) -> None:
        corners = np.concatenate([face.points, face.box.reshape(2, 2)]).astype(np.float64)
        before = samples[-1] if samples else None
        if before and before.shot == self._shot and _moved(before, time, corners):
            run = before.run
        else:
            self._runs += 1
            run = self._runs
        samples.append(_Sample(time, self._shot, run, corners, face))

    @property
    def is_full(self) -> bool:
        """Whether the frames that the oldest one waits for are all there."""
        return bool(self._waiting) and (
            self._waiting[-1][0].time - self._waiting[0][0].time >= WIDE
        )

    def flush(self) -> Iterator[tuple[Frame, list[Face]]]:
        """All that waits."""
        while self._waiting:
            yield self.give()

    def give(self) -> tuple[Frame, list[Face]]:
        """The oldest frame, with its faces smoothed."""
        frame, faces = self._waiting.popleft()
        smooth = [face if face.id is None else self._smooth(face, frame.time) for face in faces]
        missing = self._samples.keys() - {face.id for face in faces}
        filled = (self._filled(name, frame.time) for name in sorted(missing))
        smooth += [face for face in filled if face is not None]
        for name, samples in list(self._samples.items()):
            self._samples[name] = [s for s in samples if s.time > frame.time - WIDE]
            if not self._samples[name]:
                del self._samples[name]
        return frame, smooth

    def _smooth(self, face: Face, time: Fraction) -> Face:
        assert face.id is not None
        samples = self._samples[face.id]
        own = next(sample for sample in samples if sample.time == time)
        return _at(face, time, [sample for sample in samples if sample.run == own.run])

    def _filled(self, name: int, time: Fraction) -> Face | None:
        """A face that is missing at a time, where it is there shortly before and after."""
        samples = self._samples[name]
        before = next((s for s in reversed(samples) if s.time < time), None)
        after = next((s for s in samples if s.time > time), None)
        if before is None or after is None or before.run != after.run:
            return None
        face = replace(before.face, presence=None)
        return _at(face, time, [sample for sample in samples if sample.run == before.run])


def _moved(before: _Sample, time: Fraction, corners: Reals) -> bool:
    """Whether a face may have moved from a sample to corners at a later time."""
    seconds = time - before.time
    if seconds > WIDE or before.corners.shape != corners.shape:
        return False
    sizes = [max(float(np.ptp(c[:-2], axis=0).max()), 1e-6) for c in (before.corners, corners)]
    way = np.linalg.norm(before.corners.mean(axis=0) - corners.mean(axis=0))
    limit = JUMP + PACE * float(seconds)
    return bool(way < limit * min(sizes) and abs(np.log(sizes[1] / sizes[0])) < limit)


def _at(face: Face, time: Fraction, samples: list[_Sample]) -> Face:
    """The face at a time, from the samples of its movement."""
    seconds = np.array([float(sample.time - time) for sample in samples])
    corners = np.stack([sample.corners for sample in samples])
    wide, narrow = (_regressed(seconds, corners, float(half)) for half in (WIDE, NARROW))
    size = max(float(np.ptp(wide[:-2], axis=0).max()), 1e-6)
    apart = np.linalg.norm(wide - narrow, axis=1, keepdims=True) / (APART * size)
    smooth = (narrow + (wide - narrow) / (1 + apart**4)).astype(np.float32)
    return replace(face, points=smooth[:-2], box=smooth[-2:].reshape(4))


def _regressed(seconds: Reals, values: Reals, half: float) -> Reals:
    """Values (n, …) at second 0, by a parabola about it, or what so many samples allow."""
    near = np.abs(seconds) < half
    # Two on each side bear a line between them; a gap's may be out of a narrow window.
    for side in (seconds <= 0, seconds >= 0):
        if not (near & side).any() and side.any():
            half = max(half, 1.01 * float(np.abs(seconds[side]).min()))
    near = np.abs(seconds) < half
    weights = (1 - np.abs(seconds[near] / half) ** 3) ** 3
    powers = (seconds[near, None] / half) ** np.arange(min(3, int(near.sum())))
    root = np.sqrt(weights)
    kernel = np.linalg.pinv(powers * root[:, None])[0] * root
    return np.asarray(np.tensordot(kernel, values[near], axes=1))
