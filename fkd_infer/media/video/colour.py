"""Converts between the pixel formats of videos and BGR, fast and with true colours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from fkd_infer.geometry.arrays import Pixels

if TYPE_CHECKING:
    from av.video.frame import VideoFrame
    from av.video.reformatter import VideoReformatter

MATRIX = 6
"""libav's number for the matrix of BT.601 (SMPTE 170M), which `to_i420` and OpenCV use."""
_UNTAGGED = frozenset({2, 3})
"""Values of AVColorSpace without a colour space: unspecified and reserved."""
_FULL_RANGE = 2
_LUMA_FORMATS = frozenset(
    {"yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "nv12"}
)
"""Formats whose first plane is 8-bit luma."""
_EXPAND_LUMA = np.clip(np.rint((np.arange(256) - 16) * 255 / 219), 0, 255).astype(np.uint8)
"""Maps luma from 16-235 to 0-255."""
_LIMIT_CHROMA = np.rint(128 + (np.arange(256) - 128) * 224 / 255).astype(np.uint8)
"""Maps chroma from 0-255 to 16-240."""


class PictureConverter:
    """Converts the decoded pictures of a video to upright images of one size, that of the first:
    BGR (H, W, 3), or with `gray` their luma (H, W). A size that changes is scaled, as players do.
    """

    def __init__(self, gray: bool = False) -> None:
        from av.video.reformatter import VideoReformatter

        self._convert = to_gray if gray else to_bgr
        self._reformatter = VideoReformatter()
        self._size: tuple[int, int] | None = None

    def __call__(self, picture: VideoFrame) -> Pixels:
        """Converts the next picture."""
        image = self._convert(picture, self._reformatter)
        size = image.shape[1], image.shape[0]
        self._size = self._size or size
        if size == self._size:
            return image
        return np.asarray(cv2.resize(image, self._size, interpolation=cv2.INTER_AREA), np.uint8)


def to_bgr(picture: VideoFrame, reformatter: VideoReformatter) -> Pixels:
    """Converts a decoded picture to upright BGR (H, W, 3), in the colours that players show."""
    from av.video.reformatter import ColorRange, Colorspace, Interpolation

    space: int | None = None
    if picture.colorspace in _UNTAGGED:
        # What players assume: BT.709 for high definition, else BT.601.
        hd = picture.width >= 1280 or picture.height >= 720
        space = Colorspace.ITU709 if hd else Colorspace.ITU601
    # For these formats libav's fast path is accurate, and repeats each chroma sample in its four
    # pixels, so that to_i420 restores it. For others it is off by up to 5 levels instead of 3.
    fast = picture.format.name in ("yuv420p", "yuvj420p")
    interpolation = Interpolation.BILINEAR | (0 if fast else Interpolation.ACCURATE_RND)
    bgr = reformatter.reformat(
        picture,
        format="bgr24",
        src_colorspace=space,
        dst_color_range=ColorRange.JPEG,
        interpolation=interpolation,
        threads=1,
    )
    return _upright(np.asarray(bgr.to_ndarray(), np.uint8), picture)


def to_gray(picture: VideoFrame, reformatter: VideoReformatter) -> Pixels:
    """Returns the luma of a decoded picture, upright, (H, W), from 0 to 255."""
    if picture.format.name not in _LUMA_FORMATS:
        return np.asarray(cv2.cvtColor(to_bgr(picture, reformatter), cv2.COLOR_BGR2GRAY), np.uint8)
    plane = picture.planes[0]
    lines = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
    luma = lines[: picture.height, : picture.width]
    full = picture.color_range == _FULL_RANGE or picture.format.name.startswith("yuvj")
    expanded = luma.copy() if full else cv2.LUT(luma, _EXPAND_LUMA)
    return _upright(np.asarray(expanded, np.uint8), picture)


def to_i420(image: Pixels) -> Pixels:
    """Converts BGR (H, W, 3) of even sizes to YUV 4:2:0 (H * 3 / 2, W), BT.601, limited range.

    Chroma is the mean of four pixels; OpenCV's own conversion uses only one of them.
    """
    height, width = image.shape[:2]
    stored = cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420)
    half = cv2.resize(image, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    chroma = cv2.LUT(cv2.cvtColor(half, cv2.COLOR_BGR2YCrCb), _LIMIT_CHROMA)
    planes = stored[height:].reshape(2, height // 2, width // 2)
    cv2.extractChannel(chroma, 2, planes[0])
    cv2.extractChannel(chroma, 1, planes[1])
    return np.asarray(stored, np.uint8)


def _upright(stored: Pixels, picture: VideoFrame) -> Pixels:
    """Turns and mirrors a picture as its display matrix says, by whole quarters of a circle."""
    side_data: Any = picture.side_data  # whose types know motion vectors alone
    display = side_data.get("DISPLAYMATRIX")
    if display is None:
        return stored
    # Positions on screen are x' = a x + c y and y' = b x + d y; third column and row do not matter.
    matrix = np.frombuffer(bytes(display), "<i4").reshape(3, 3)
    (a, b), (c, d) = matrix[:2, :2].astype(float)
    if abs(b) > abs(a):
        stored, a, d = np.swapaxes(stored, 0, 1), c, b
    return np.ascontiguousarray(stored[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1], np.uint8)
