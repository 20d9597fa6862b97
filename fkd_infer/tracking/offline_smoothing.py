"""Smooths the points of tracked faces without lag, for files, whose later frames are known.

Each coordinate is a local quadratic regression over time (Savitzky & Golay, 1964, for frames at
uneven distances with the weights of Cleveland, 1979): around the frame at time t, samples have the
weight (1 - |(tᵢ - t) / h|³)³. It has no lag and preserves parabolas. Where the result of a window
h = WIDE differs from that of h = NARROW, as in a blink, the narrow window dominates.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from fkd_infer.errors import StoppedError
from fkd_infer.tracking.scene_change import SceneChangeDetector, Thumbnail
from fkd_infer.types import Face, Frame

WIDE, NARROW = Fraction(3, 10), Fraction(1, 10)
"""Half widths of the windows, in seconds. Gaps of up to WIDE are filled."""
EQUAL_WEIGHT_DISTANCE = 0.006
"""Distance between the results of both windows, in face sizes, at which both have equal weight."""
MAX_JUMP, MAX_SPEED = 0.5, 4.0
"""A face moves by less than MAX_JUMP + MAX_SPEED · seconds between frames, in its sizes; the same
limit holds for the logarithm of its size."""

Reals: TypeAlias = NDArray[np.float64]
FrameFaces: TypeAlias = tuple[Frame, list[Face]]


def smooth_offline(
    items: Iterable[FrameFaces], starts_shot: Callable[[Frame], bool] | None = None
) -> Iterator[FrameFaces]:
    """Yields the same frames, in order, with the points and boxes of their faces smoothed.

    Unlike the smoothing of a Tracker it adds no lag: each point is a local quadratic regression
    over the frames around (Savitzky and Golay, 1964, with the weights of Cleveland, 1979). So it is
    for files, whose later frames are known.

    Faces without id stay as they are. Gaps of up to WIDE seconds, and predicted faces in them, are
    filled with predicted faces that have the score from before the gap. Nothing is smoothed across
    a cut, a jump or the end of a source. A frame is yielded once the frames up to WIDE seconds
    after it have been read. `starts_shot` tells which frames follow a cut, if their pixels do not.
    WIDE is 0.3.

    Examples:
        >>> import fkd_infer
        >>> (video,) = fkd_infer.expand_sources("party.mp4")
        >>> pipeline = fkd_infer.load()
        >>> tracker = fkd_infer.Tracker(pipeline, pipeline.detector)
        >>> frames = fkd_infer.frames_from(video, fkd_infer.FrameRange(max_frames=20))
        >>> tracked = ((frame, tracker(frame)) for frame in frames)
        >>> [len(faces) for frame, faces in fkd_infer.smooth_offline(tracked)][:3]
        [1, 1, 1]
    """
    starts_shot = starts_shot or _starts_shot()
    window = _Window()
    try:
        for frame, faces in items:
            if window.ends_before(frame):
                yield from window.drain()
                window = _Window()
            window.add(frame, faces, starts_shot(frame))
            while window.is_full:
                yield window.pop()
    except StoppedError:  # the frames before it are good
        yield from window.drain()
        raise
    yield from window.drain()


def _starts_shot() -> Callable[[Frame], bool]:
    """Tells cuts by the frames' pixels."""
    scene = SceneChangeDetector()
    return lambda frame: scene.is_cut(Thumbnail.of(frame.image))


@dataclass(frozen=True, slots=True, eq=False)
class _Sample:
    """A face in a frame: its points and its box's two corners, (k + 2, 2).

    Samples with the same `run` form one movement, without a cut, a jump or a long gap.
    """

    time: Fraction
    shot: int
    run: int
    points: Reals
    face: Face


class _Window:
    """Frames that wait for later frames, and the samples of all faces around them, by id."""

    def __init__(self) -> None:
        self._waiting: deque[FrameFaces] = deque()
        self._samples: dict[int, list[_Sample]] = {}
        self._last: Frame | None = None
        self._shot = self._runs = 0

    def ends_before(self, frame: Frame) -> bool:
        """Whether a frame is from another source, or its time does not advance."""
        last = self._last
        return last is not None and (frame.source != last.source or frame.time <= last.time)

    def add(self, frame: Frame, faces: list[Face], starts_shot: bool) -> None:
        """Adds the next frame."""
        self._shot += starts_shot
        self._last = frame
        self._waiting.append((frame, faces))
        for face in faces:
            if face.id is not None and not face.predicted:
                self._add_sample(frame.time, face, self._samples.setdefault(face.id, []))

    def _add_sample(self, time: Fraction, face: Face, samples: list[_Sample]) -> None:
        points = np.concatenate([face.points, face.box.reshape(2, 2)]).astype(np.float64)
        last = samples[-1] if samples else None
        if last and last.shot == self._shot and _continues(last, time, points):
            run = last.run
        else:
            self._runs += 1
            run = self._runs
        samples.append(_Sample(time, self._shot, run, points, face))

    @property
    def is_full(self) -> bool:
        """Whether all frames that the oldest one waits for have been added."""
        return bool(self._waiting) and (
            self._waiting[-1][0].time - self._waiting[0][0].time >= WIDE
        )

    def drain(self) -> Iterator[FrameFaces]:
        """Yields all waiting frames."""
        while self._waiting:
            yield self.pop()

    def pop(self) -> FrameFaces:
        """Removes the oldest frame, and returns it with smoothed faces."""
        frame, faces = self._waiting.popleft()
        smooth = [self._smooth(face, frame.time) for face in faces]
        missing = self._samples.keys() - {face.id for face in faces}
        filled = (self._interpolate(number, frame.time) for number in sorted(missing))
        smooth += [face for face in filled if face is not None]
        self._forget_before(frame.time - WIDE)
        return frame, smooth

    def _forget_before(self, time: Fraction) -> None:
        recent = {
            number: [sample for sample in samples if sample.time > time]
            for number, samples in self._samples.items()
        }
        self._samples = {number: samples for number, samples in recent.items() if samples}

    def _smooth(self, face: Face, time: Fraction) -> Face:
        if face.id is None:
            return face
        if face.predicted:
            return self._interpolate(face.id, time) or face
        samples = self._samples[face.id]
        own = next(sample for sample in samples if sample.time == time)
        return _smoothed(face, time, [sample for sample in samples if sample.run == own.run])

    def _interpolate(self, number: int, time: Fraction) -> Face | None:
        """A face that is missing at a time; None if it is not there shortly before and after."""
        samples = self._samples.get(number, [])
        before = next((s for s in reversed(samples) if s.time < time), None)
        after = next((s for s in samples if s.time > time), None)
        if before is None or after is None or before.run != after.run:
            return None
        face = replace(before.face, presence=None, spread=None, predicted=True)
        return _smoothed(face, time, [sample for sample in samples if sample.run == before.run])


def _continues(last: _Sample, time: Fraction, points: Reals) -> bool:
    """Whether a face may have moved from its last sample to points at a later time."""
    seconds = time - last.time
    if seconds > WIDE or last.points.shape != points.shape:
        return False
    sizes = [_size(last.points), _size(points)]
    distance = np.linalg.norm(last.points.mean(axis=0) - points.mean(axis=0))
    limit = MAX_JUMP + MAX_SPEED * float(seconds)
    return bool(distance < limit * min(sizes) and abs(np.log(sizes[1] / sizes[0])) < limit)


def _size(points: Reals) -> float:
    """The longer side of a face's points; the last two rows are the box's corners."""
    return max(float(np.ptp(points[:-2], axis=0).max()), 1e-6)


def _smoothed(face: Face, time: Fraction, samples: Sequence[_Sample]) -> Face:
    """The face at a time, from the samples of its movement."""
    seconds = np.array([float(sample.time - time) for sample in samples])
    points = np.stack([sample.points for sample in samples])
    wide, narrow = (_regress(seconds, points, float(half)) for half in (WIDE, NARROW))
    scale = EQUAL_WEIGHT_DISTANCE * _size(wide)
    distance = np.linalg.norm(wide - narrow, axis=1, keepdims=True) / scale
    smooth = (narrow + (wide - narrow) / (1 + distance**4)).astype(np.float32)
    return replace(face, points=smooth[:-2], box=smooth[-2:].reshape(4))


def _regress(seconds: Reals, values: Reals, half: float) -> Reals:
    """Values (n, …) at second 0, by a parabola around it; by a line or a mean of fewer samples."""
    near = np.abs(seconds) < half
    # A line needs a sample on each side; in a gap, the nearest may be outside of a narrow window.
    for side in (seconds <= 0, seconds >= 0):
        if not (near & side).any() and side.any():
            half = max(half, 1.01 * float(np.abs(seconds[side]).min()))
    near = np.abs(seconds) < half
    weights = (1 - np.abs(seconds[near] / half) ** 3) ** 3
    powers = (seconds[near, None] / half) ** np.arange(min(3, int(near.sum())))
    root = np.sqrt(weights)
    kernel = np.linalg.pinv(powers * root[:, None])[0] * root
    return np.asarray(np.tensordot(kernel, values[near], axes=1))
