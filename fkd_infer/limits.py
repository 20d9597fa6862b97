"""Limits on the size of sources: a larger source is probably a mistake or an attack."""

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
"""Memory per pixel of a photo: the decoded file, BGR, gray, and the buffers of encoder and
decoder."""
VIDEO_BYTES = 185
"""Memory per pixel of a video frame: queues and the encoder hold about thirty frames. Measured with
4K frames: 120 with h264, 157 with --smooth offline, 184 with av1."""
_DEFAULT_MEMORY = 4 << 30
"""Assumed if the system does not say how much memory the process may use."""
_FILE_BYTES = 8
"""Bytes of a file per pixel, at most: four uncompressed channels of 16 bits."""
_FILE_METADATA = 1 << 26


@cache
def _half_of_memory() -> int:
    """Half of the memory that the process may use; reading the limit takes as long as a small
    photo, so it is read once."""
    return (memory_limit() or _DEFAULT_MEMORY) // 2


@dataclass(frozen=True, slots=True)
class Limits:
    """How large sources may be: a larger one is probably a mistake or an attack.

    Sources are checked before they are decoded, as far as their headers allow. The LimitError
    names the option that raises the limit.

    Examples:
        >>> import fkd_infer
        >>> fkd_infer.read_image("photo.jpg", fkd_infer.Limits(pixels=100_000))
        Traceback (most recent call last):
        fkd_infer.errors.LimitError: photo.jpg: it has 512 × 512 pixels, but 0.1 million are ...
    """

    pixels: int = MAX_MEGAPIXELS * 10**6
    """Most pixels of an image or frame."""
    frames: int = MAX_FRAMES
    """Most frames of a video, stream or camera."""
    seconds: float = MAX_SECONDS
    """Longest duration of a video, stream or camera."""
    memory: int = field(default_factory=_half_of_memory)
    """Most memory for the images of a source, in bytes; by default, half of what the process may
    use."""

    @property
    def file_bytes(self) -> int:
        """Maximum size of an image file."""
        return min(_FILE_BYTES * self.pixels + _FILE_METADATA, self.memory)

    def check_image(self, source: str | Path, width: int, height: int) -> None:
        """Raises LimitError for a photo that is too large."""
        self._check(source, width, height, IMAGE_BYTES)

    def check_video(self, source: str | Path, width: int, height: int) -> None:
        """Raises LimitError for video frames that are too large."""
        self._check(source, width, height, VIDEO_BYTES)

    def max_pending_pixels(self, target: int) -> int:
        """Pixels of photos that may be in memory at once: `target`, or fewer if memory is short."""
        return max(1, min(target, self.memory // (2 * IMAGE_BYTES)))

    def enforce(self, frames: Iterator[Frame], source: str) -> Iterator[Frame]:
        """Yields frames until one exceeds a limit; then raises LimitStoppedError."""
        for number, frame in enumerate(frames):
            if number >= self.frames:
                raise LimitStoppedError(source, f"more than {self.frames} frames", "--limit-frames")
            if frame.time > self.seconds:
                problem = f"it goes on after {self.seconds:g} s"
                raise LimitStoppedError(source, problem, "--limit-seconds")
            yield frame

    def _check(self, source: str | Path, width: int, height: int, bytes_per_pixel: int) -> None:
        size = f"it has {width} × {height} pixels"
        pixels, needed = width * height, width * height * bytes_per_pixel
        if pixels > self.pixels:
            allowed = f"{self.pixels / 1e6:g} million are allowed"
            raise LimitError(source, f"{size}, but {allowed}", "--limit-pixels")
        if needed > self.memory:
            use = f"which need about {needed / 1e6:.0f} MB of memory"
            allowed = f"{self.memory / 1e6:.0f} MB is allowed"
            raise LimitError(source, f"{size}, {use}, but {allowed}", "--limit-memory")
