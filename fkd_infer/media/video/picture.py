"""A picture as videos store it: in planes of luma and chroma, 4:2:0."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np

from fkd_infer.canvas.colour_space import BT601, BT709, ColourSpace
from fkd_infer.canvas.plane_canvas import Plane, PlaneCanvas
from fkd_infer.geometry.arrays import Pixels
from fkd_infer.media.video.colour import range_tag, to_bgr

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

Fields = Literal["top", "bottom"]
IMAGE_SPACE = ColourSpace(BT601, BT709, BT709, full_range=False)
"""That of pictures from images: OpenCV's matrix."""
_LIMIT_CHROMA = np.rint(128 + (np.arange(256) - 128) * 224 / 255).astype(np.uint8)
"""Maps chroma from 0-255 to 16-240."""


@dataclass(frozen=True, slots=True, eq=False)
class VideoPicture:
    """Luma (H, W), blue and red chroma (⌈H/2⌉, ⌈W/2⌉), upright; uint8, or uint16 for 10 bits.

    `alpha` is as large as the luma. `fields` says which half of an interlaced picture, of every
    other line, is shown first.
    """

    luma: Plane
    blue: Plane
    red: Plane
    space: ColourSpace
    alpha: Plane | None = None
    fields: Fields | None = None

    @classmethod
    def of_image(cls, image: Pixels) -> VideoPicture:
        """Converts BGR (H, W, 3); chroma is the mean of four pixels, not OpenCV's one of them."""
        height, width = image.shape[:2]
        if height % 2 or width % 2:
            border = cv2.BORDER_REPLICATE
            image = np.asarray(
                cv2.copyMakeBorder(image, 0, height % 2, 0, width % 2, border), np.uint8
            )
        rows, columns = image.shape[:2]
        luma = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420))[:height, :width]
        half = cv2.resize(image, (columns // 2, rows // 2), interpolation=cv2.INTER_AREA)
        chroma = cv2.LUT(cv2.cvtColor(half, cv2.COLOR_BGR2YCrCb), _LIMIT_CHROMA)
        blue, red = cv2.extractChannel(chroma, 2), cv2.extractChannel(chroma, 1)
        return cls(luma, np.asarray(blue), np.asarray(red), IMAGE_SPACE)

    def canvas(self) -> PlaneCanvas:
        """What draws on this picture."""
        return PlaneCanvas(self.luma, self.blue, self.red, self.space, self.alpha)

    def bgr(self) -> Pixels:
        """The picture as players show it, (H, W, 3); HDR is tone-mapped."""
        height, width = self.luma.shape
        frame = new_frame(width, height, self.space)
        self.copy_to(frame)
        return to_bgr(frame)

    def copy_to(self, frame: VideoFrame) -> None:
        """Copies the planes into a picture of libav's of the same size and format."""
        frame.make_writable()
        planes = self.luma, self.blue, self.red, self.alpha
        for target, plane in zip(planes_of(frame), planes, strict=False):
            target[:] = plane


def new_frame(width: int, height: int, space: ColourSpace, alpha: bool = False) -> VideoFrame:
    """A picture 4:2:0 of libav's, without contents."""
    from av.video.frame import VideoFrame

    frame = VideoFrame(width, height, "yuva420p" if alpha else format_of(space.bits))
    frame.colorspace, frame.color_primaries = space.matrix, space.primaries
    frame.color_trc, frame.color_range = space.transfer, range_tag(space)
    return frame


def format_of(bits: int) -> str:
    """libav's name of 4:2:0 at a depth."""
    return "yuv420p" if bits == 8 else "yuv420p10le"


def planes_of(frame: VideoFrame) -> list[Plane]:
    """Luma, chroma and alpha of a picture of libav's in a planar format, in its memory."""
    planes = []
    for plane, part in zip(frame.planes, frame.format.components, strict=False):
        dtype = np.uint8 if part.bits == 8 else np.uint16
        lines = np.frombuffer(memoryview(plane), dtype).reshape(plane.height, -1)
        planes.append(lines[:, : plane.width])
    return planes
