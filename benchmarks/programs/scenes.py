"""Generates videos with known contents: a window moves over a photo on a known path."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.stream import VideoStream
from skimage import data

from fkd_infer.geometry.arrays import Floats, Pixels
from fkd_infer.system.files.atomic import atomic_write

RATE, SOUND_RATE = 30, 48_000
_ENLARGED = 3.2
"""Scale at which a window of 720 lines covers the face."""
_ENCODERS = {
    8: ("libx264", "yuv420p", {"preset": "veryfast"}),
    10: ("libx265", "yuv420p10le", {"preset": "veryfast", "x265-params": "log-level=none"}),
}
_HEADS = (256, 451)
"""Height and width of the part of the photo that is tiled for four faces."""


@dataclass(frozen=True)
class Scene:
    """A 16:9 video with one or four faces, of 8 or 10 bits."""

    lines: int
    faces: int
    bits: int = 8

    @property
    def name(self) -> str:
        """Its name, also of its file."""
        return f"{self.lines}p-{self.faces}" + ("" if self.bits == 8 else f"-{self.bits}bit")

    @property
    def _unit(self) -> float:
        return self.lines / 720

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the window."""
        return self.lines * 16 // 9, self.lines

    @property
    def _path(self) -> tuple[float, float, float, float]:
        """Mean x, y of the window's corner, and the amplitudes of its motion, in units."""
        return (180, 90, 170, 85) if self.faces == 1 else (30, 20, 30, 20)

    def photo(self) -> Pixels:
        """The image under the window: NASA's portrait of Eileen Collins, once or four times."""
        portrait = np.ascontiguousarray(data.astronaut()[..., ::-1])  # type: ignore[no-untyped-call]
        if self.faces == 1:
            factor = _ENLARGED * self._unit
            large = cv2.resize(portrait, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
            return np.asarray(large, np.uint8)
        height, width = _HEADS
        tile = cv2.resize(portrait[:height, :width], self._tile, interpolation=cv2.INTER_CUBIC)
        return np.tile(np.asarray(tile, np.uint8), (2, 2, 1))

    @property
    def _tile(self) -> tuple[int, int]:
        """Width and height of a quarter of the photo with four faces."""
        x, y, dx, dy = self._path
        width, height = self.size
        return round((width + (x + dx) * self._unit) / 2), round(
            (height + (y + dy) * self._unit) / 2
        )

    def corner(self, index: int) -> tuple[int, int]:
        """The window's top left corner in the photo at a frame."""
        x, y, dx, dy = self._path
        turn = 2 * np.pi * index / (8 * RATE)
        right, down = x + dx * np.sin(turn), y + dy * np.sin(1.7 * turn)
        return round(right * self._unit), round(down * self._unit)

    def frame(self, photo: Pixels, index: int) -> Pixels:
        """A frame of the video."""
        (x, y), (width, height) = self.corner(index), self.size
        return np.ascontiguousarray(photo[y : y + height, x : x + width])

    def face_index(self, points: Floats) -> int:
        """Index of the face with these points (k, 2) in the photo."""
        if self.faces == 1:
            return 0
        column, row = (points.mean(axis=0) / self._tile).astype(int)
        return int(2 * row + column)


def make_video(scene: Scene, path: Path, seconds: int) -> None:
    """Writes a scene with a tone of 440 Hz; replaces an existing file."""
    photo = scene.photo()
    with atomic_write(path) as partial, av.open(str(partial), "w", format="mp4") as container:
        encoder, format, options = _ENCODERS[scene.bits]
        video = container.add_stream(encoder, rate=RATE, options=options)
        assert isinstance(video, VideoStream)
        (video.width, video.height), video.pix_fmt = scene.size, format
        sound = container.add_stream("aac", rate=SOUND_RATE, layout="mono")
        for index in range(seconds * RATE):
            picture = av.VideoFrame.from_ndarray(scene.frame(photo, index), format="bgr24")
            container.mux(video.encode(picture))
        container.mux(video.encode(None))
        for start in range(0, seconds * SOUND_RATE, 1024):
            tone = np.sin(2 * np.pi * 440 * np.arange(start, start + 1024) / SOUND_RATE)
            samples = (0.3 * tone).astype(np.float32)[None]
            frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
            frame.sample_rate, frame.pts = SOUND_RATE, start
            container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
