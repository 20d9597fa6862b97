"""Decoded pictures become the images and stored pictures of frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from fkd_infer.canvas.colour_space import ColourSpace
from fkd_infer.geometry.arrays import Pixels
from fkd_infer.media.video.colour import (
    colorspace,
    display_matrix,
    has_alpha,
    is_rgb,
    space_of,
    to_bgr,
    upright,
)
from fkd_infer.media.video.filtering import SDR, ColourMapper
from fkd_infer.media.video.picture import Fields, VideoPicture, format_of, planes_of
from fkd_infer.system.buffer_pool import BufferPool
from fkd_infer.types import ReadSettings

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

_COPIED = frozenset({"yuv420p", "yuvj420p", "yuv420p10le", "yuva420p"})
"""Formats whose planes are taken as they are."""
_LUMA = frozenset({"yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "nv12", "gray"}) | _COPIED
"""Formats whose first plane is luma of 8 or 10 bits, in the lower ones."""


class PictureConverter:
    """Converts the decoded pictures of a video to images and stored pictures, upright, of one size
    and one colour space, those of the first: players scale a size that changes, too.

    `bottom_first` says which half of interlaced pictures is shown first.
    """

    def __init__(self, settings: ReadSettings, bottom_first: bool = False) -> None:
        from av.video.reformatter import VideoReformatter

        self._settings = settings
        self._fields: Fields = "bottom" if bottom_first else "top"
        self._reformatter = VideoReformatter()
        self._pool = BufferPool()
        self._size: tuple[int, int] | None = None
        self._first: tuple[int, int, ColourSpace] | None = None

    def __call__(self, picture: VideoFrame) -> tuple[Pixels, VideoPicture | None]:
        """The image of the next picture and, if it is asked for, the stored one."""
        if self._settings.sdr and space_of(picture).is_hdr:
            picture = ColourMapper.between(space_of(picture), SDR)(picture)
        if not self._settings.stored:
            return self._scaled(self._image(picture)), None
        stored = self._stored(picture)
        if self._settings.gray:
            gray: Pixels = self._pool.array(stored.luma.shape)
            return stored.space.gray(stored.luma, gray), stored
        return self._scaled(self._image(picture)), stored

    def _image(self, picture: VideoFrame) -> Pixels:
        if not self._settings.gray:
            return np.ascontiguousarray(to_bgr(picture, self._reformatter))
        if picture.format.name not in _LUMA:
            bgr = to_bgr(picture, self._reformatter)
            return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY), np.uint8)
        gray = space_of(picture).gray(planes_of(picture)[0])
        return np.ascontiguousarray(upright(gray, display_matrix(picture)))

    def _scaled(self, image: Pixels) -> Pixels:
        size = image.shape[1], image.shape[0]
        self._size = self._size or size
        if size == self._size:
            return image
        return np.asarray(cv2.resize(image, self._size, interpolation=cv2.INTER_AREA), np.uint8)

    def _stored(self, picture: VideoFrame) -> VideoPicture:
        space = space_of(picture)
        width, height, first = self._first = self._first or (picture.width, picture.height, space)
        is_like_first = (picture.width, picture.height, space) == self._first
        display = display_matrix(picture)
        is_interlaced = picture.interlaced_frame and is_like_first and display is None
        if picture.format.name not in _COPIED or not is_like_first:
            picture = self._reformatted(picture, width, height, first)
        planes = [self._copy(upright(plane, display)) for plane in planes_of(picture)]
        luma, blue, red, alpha = planes if len(planes) == 4 else (*planes, None)
        fields = self._fields if is_interlaced else None
        return VideoPicture(luma, blue, red, first, alpha, fields)

    def _reformatted(
        self, picture: VideoFrame, width: int, height: int, space: ColourSpace
    ) -> VideoFrame:
        """A picture 4:2:0 of a size and colour space; only chroma changes if just it has to."""
        own = space_of(picture)
        if own.curve != space.curve:
            picture, own = ColourMapper.between(own, space)(picture), space
        if (colorspace(own), bool(own.full_range)) != (colorspace(space), bool(space.full_range)):
            # Between formats of luma and chroma, libav keeps the matrix.
            picture = self._reformat(picture, width, height, "rgb48le", own, space)
        return self._reformat(picture, width, height, format_of(space.bits), own, space)

    def _reformat(
        self,
        picture: VideoFrame,
        width: int,
        height: int,
        format: str,
        own: ColourSpace,
        space: ColourSpace,
    ) -> VideoFrame:
        from av.video.reformatter import ColorRange, Interpolation

        if format == "yuv420p" and has_alpha(picture):
            format = "yuva420p"
        exact = Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INP
        ranges = [
            ColorRange.JPEG if one.full_range or rgb else ColorRange.MPEG
            for one, rgb in ((own, is_rgb(picture)), (space, format == "rgb48le"))
        ]
        return self._reformatter.reformat(
            picture,
            width,
            height,
            format,
            src_colorspace=colorspace(own),
            dst_colorspace=colorspace(space),
            src_color_range=ranges[0],
            dst_color_range=ranges[1],
            interpolation=Interpolation.BILINEAR | exact,
            threads=1,
        )

    def _copy(self, plane: Any) -> Any:
        copy = self._pool.array(plane.shape, plane.dtype)
        np.copyto(copy, plane)
        return copy
