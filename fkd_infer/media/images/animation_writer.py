"""Writes frames to an animated GIF, WebP or PNG, with the durations and repetitions of the source.

Frames are placed at the nearest tick of the format's clock, so that rounding does not add up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

from fkd_infer.errors import OutputError, StoppedError
from fkd_infer.media.encoder_errors import encoder_errors
from fkd_infer.media.images.animation import DEFAULT_DURATION, Animation, read_animation
from fkd_infer.media.images.animation_encoders import (
    AnimationEncoder,
    GifEncoder,
    PngEncoder,
    WebpEncoder,
)
from fkd_infer.media.images.formats import ANIMATED, GIF, PNG, by_suffix
from fkd_infer.system.files.atomic import atomic_write, output_errors
from fkd_infer.system.scoped import Scoped
from fkd_infer.types import Frame, FrameRange

_DEFAULT_QUALITY = 90


class AnimationSink(Scoped):
    """Writes an animated file, which appears when it is complete; without frames there is no file.

    `source` is the animation that the frames were read from, and `frame_range` the range that they
    were read by. `quality`, from 0 to 100, is WebP's. Frames that follow the one before too closely
    for players are left out.
    """

    notes: Sequence[str] = ()

    def __init__(
        self,
        path: Path,
        source: Path | None,
        quality: int | None = None,
        frame_range: FrameRange = FrameRange(),  # noqa: B008 (frozen)
    ) -> None:
        self._format = by_suffix(path.suffix.lower())
        if self._format not in ANIMATED:
            kinds = ", ".join(suffix for format in ANIMATED for suffix in format.suffixes)
            raise OutputError(path, f"an animation's name ends in one of {kinds}")
        self._path = path
        self._quality = _DEFAULT_QUALITY if quality is None else quality
        self._range = frame_range
        self._source: Animation | None = read_animation(source) if source else None
        self._encoder: AnimationEncoder | None = None
        self._size = (0, 0)
        self._zero = self._last = Fraction(0)
        self._tick = 0

    def _scope(self) -> Iterator[None]:
        # Frames before a StoppedError are good, and become a file.
        with suppress(StoppedError):
            yield
        if self._encoder is not None:
            with atomic_write(self._path) as partial, output_errors(self._path):
                self._finish(self._encoder, partial)

    def write(self, frame: Frame) -> None:
        """Appends a frame, which must be of the same size as those before."""
        if self._encoder is None:
            self._size = frame.width, frame.height
            self._zero = frame.time if self._range.start > 0 else Fraction(0)
            self._encoder = self._new_encoder()
            self._tick = -self._encoder.min_ticks
        if (frame.width, frame.height) != self._size:
            raise OutputError(self._path, f"frame {frame.index} has another size than the first")
        tick = round((frame.time - self._zero) * self._encoder.clock)
        self._last = frame.time
        if tick < self._tick + self._encoder.min_ticks:
            return
        self._tick = tick
        with output_errors(self._path), encoder_errors(self._path):
            self._encoder.add(frame.image, tick)

    def _new_encoder(self) -> AnimationEncoder:
        if self._format is GIF:
            return GifEncoder(*self._size)
        if self._format is PNG:
            return PngEncoder(*self._size)
        return WebpEncoder(*self._size, self._quality)

    def _finish(self, encoder: AnimationEncoder, path: Path) -> None:
        """Writes the file."""
        end, loop = self._last + DEFAULT_DURATION, 0
        if self._source is not None:
            end = self._source.end_of(self._last, self._range.stride)
            loop = self._source.loop if self._source.format is self._format else 0
        ticks = max(self._tick + encoder.min_ticks, round((end - self._zero) * encoder.clock))
        with encoder_errors(self._path):
            encoder.finish(path, ticks, loop)
