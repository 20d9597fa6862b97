"""How large sources may be. What is larger is a mistake or an attack, unless somebody says so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from fkd_infer.choices import MAX_FRAMES, MAX_MEGAPIXELS, MAX_SECONDS
from fkd_infer.errors import LimitError, LimitStoppedError
from fkd_infer.system.hardware import memory_limit
from fkd_infer.types import Frame

IMAGE_BYTES = 12
"""Of memory for each pixel of a photo in work: the file's own depth, BGR, gray, and what encoders
and decoders hold of it."""
VIDEO_BYTES = 185
"""Of memory for each pixel of a frame: queues and the encoder hold about thirty frames. Measured
with frames of 4K: 120 with h264, 157 with --smooth offline, 184 with av1."""
_UNKNOWN = 4 << 30
_FILE_BYTES = 8
"""Of a file for each of its pixels, at most: four channels of 16 bits, as they are."""
_FILE_HEAD = 1 << 26


@cache
def _half() -> int:
    """Asked once: it does not change, and takes as long as to read a small picture."""
    return (memory_limit() or _UNKNOWN) // 2


@dataclass(frozen=True, slots=True)
class Limits:
    """At most so many pixels a picture, frames and seconds a video, stream or camera, and bytes of
    memory for pictures; half of what the process may have by default.

    Everything that is read here is checked before it is decoded, as far as files say what is in
    them. Raises LimitError, which names the way out.
    """

    pixels: int = MAX_MEGAPIXELS * 10**6
    frames: int = MAX_FRAMES
    seconds: float = MAX_SECONDS
    memory: int = field(default_factory=_half)

    @property
    def file_bytes(self) -> int:
        """Bytes that a file of one picture can have."""
        return min(_FILE_BYTES * self.pixels + _FILE_HEAD, self.memory)

    def check_image(self, source: str | Path, width: int, height: int) -> None:
        """Refuses a photo that is too large."""
        self._check(source, width, height, IMAGE_BYTES)

    def check_video(self, source: str | Path, width: int, height: int) -> None:
        """Refuses frames that are too large."""
        self._check(source, width, height, VIDEO_BYTES)

    def max_pending_pixels(self, most: int) -> int:
        """Pixels of photos that may be in memory at once: `most`, or fewer where it is small."""
        return max(1, min(most, self.memory // (2 * IMAGE_BYTES)))

    def enforce(self, frames: Iterator[Frame], source: str) -> Iterator[Frame]:
        """The frames, until one is beyond a limit: then LimitStoppedError, which keeps the rest."""
        for number, frame in enumerate(frames):
            if number >= self.frames:
                raise LimitStoppedError(source, f"more than {self.frames} frames", "--limit-frames")
            if frame.time > self.seconds:
                what = f"it goes on after {self.seconds:g} s"
                raise LimitStoppedError(source, what, "--limit-seconds")
            yield frame

    def _check(self, source: str | Path, width: int, height: int, each: int) -> None:
        size = f"it measures {width} × {height} pixels"
        pixels = width * height
        if pixels > self.pixels:
            most = f"{self.pixels / 1e6:g} million are allowed"
            raise LimitError(source, f"{size}, and {most}", "--limit-pixels")
        if pixels * each > self.memory:
            needs = f"which takes about {pixels * each / 1e6:.0f} MB of memory"
            most = f"{self.memory / 1e6:.0f} are allowed"
            raise LimitError(source, f"{size}, {needs}, and {most}", "--limit-memory")
