"""The colours of libav's pictures: their tags, and upright BGR and gray as players show them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from fkd_infer.canvas.colour_space import BT601, BT709, ColourSpace, MasteringDisplay
from fkd_infer.geometry.arrays import Pixels
from fkd_infer.media.video.filtering import SDR, ColourMapper

if TYPE_CHECKING:
    from av.sidedata.sidedata import SideData
    from av.video.frame import VideoFrame
    from av.video.reformatter import VideoReformatter

T = TypeVar("T", bound=np.generic)
_LIMITED, _FULL = 1, 2
"""libav's ranges."""
_DYNAMIC = {
    "DOVI_METADATA": "Dolby Vision",
    "DOVI_RPU_BUFFER": "Dolby Vision",
    "DYNAMIC_HDR_PLUS": "HDR10+",
    "DYNAMIC_HDR_VIVID": "HDR Vivid",
}
"""Descriptions of each frame's light that are read from no encoder's input."""


def space_of(picture: VideoFrame) -> ColourSpace:
    """The tags of a picture, as those of luma and chroma if it has neither."""
    full_range = {_LIMITED: False, _FULL: True}.get(int(picture.color_range))
    if full_range is None and picture.format.name.startswith("yuvj"):
        full_range = True
    matrix = int(picture.colorspace)
    if is_rgb(picture):
        matrix, full_range = BT709 if is_hd(picture) else BT601, False
    side_data = _side_data(picture)
    light = side_data.get("CONTENT_LIGHT_LEVEL")
    display = side_data.get("MASTERING_DISPLAY_METADATA")
    return ColourSpace(
        matrix,
        int(picture.color_primaries),
        int(picture.color_trc),
        full_range,
        10 if picture.format.components[0].bits > 8 else 8,
        is_hd(picture),
        None if display is None else _mastering(bytes(display)),
        None if light is None else tuple(np.frombuffer(bytes(light), np.uint32)[:2].tolist()),
        frozenset(name for key, name in _DYNAMIC.items() if key in side_data),
    )


def range_tag(space: ColourSpace) -> int:
    """libav's number of a range; 0 where it is not stated."""
    return {None: 0, False: _LIMITED, True: _FULL}[space.full_range]


def is_hd(picture: VideoFrame) -> bool:
    """Whether players take a picture without a matrix for BT.709."""
    return picture.width >= 1280 or picture.height >= 720


def is_rgb(picture: VideoFrame) -> bool:
    """Whether a picture has neither luma nor chroma."""
    return picture.format.is_rgb or picture.format.has_palette


def has_alpha(picture: VideoFrame) -> bool:
    """Whether a picture may be transparent."""
    return len(picture.format.components) in (2, 4)


def to_bgr(picture: VideoFrame, reformatter: VideoReformatter | None = None) -> Pixels:
    """Converts a decoded picture to upright BGR (H, W, 3), in the colours that players show; HDR is
    tone-mapped. A `reformatter` is quicker from the second picture on."""
    from av.video.reformatter import ColorRange, Interpolation, VideoReformatter

    space = space_of(picture)
    if space.is_hdr:
        picture, space = ColourMapper.between(space, SDR)(picture), space_of(picture)
    # For these formats libav's fast path is accurate. For others it is off by up to 5 levels
    # instead of 3.
    fast = picture.format.name in ("yuv420p", "yuvj420p")
    interpolation = Interpolation.BILINEAR | (0 if fast else Interpolation.ACCURATE_RND)
    bgr = (reformatter or VideoReformatter()).reformat(
        picture,
        format="bgr24",
        src_colorspace=None if is_rgb(picture) else colorspace(space),
        dst_color_range=ColorRange.JPEG,
        interpolation=interpolation,
        threads=1,
    )
    return upright(np.asarray(bgr.to_ndarray(), np.uint8), display_matrix(picture))


def colorspace(space: ColourSpace) -> int:
    """PyAV's number, for conversions, of the matrix that players take."""
    from av.video.reformatter import Colorspace

    matrix = space.effective_matrix
    return int(Colorspace.ITU601) if matrix == BT601 else matrix


def display_matrix(picture: VideoFrame) -> SideData | None:
    """How a picture is shown turned or mirrored; None: as it is stored."""
    return _side_data(picture).get("DISPLAYMATRIX")


def upright(stored: NDArray[T], display: SideData | None) -> NDArray[T]:
    """Turns and mirrors an array as a display matrix says, by whole quarters of a circle.

    The result may share its memory.
    """
    if display is None:
        return stored
    # Positions on screen are x' = a x + c y and y' = b x + d y; third column and row do not matter.
    matrix = np.frombuffer(bytes(display), "<i4").reshape(3, 3)
    (a, b), (c, d) = matrix[:2, :2].astype(float)
    if abs(b) > abs(a):
        stored, a, d = np.swapaxes(stored, 0, 1), c, b
    return stored[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]


def _side_data(picture: VideoFrame) -> dict[str, SideData]:
    """What comes with a picture, by its type's name; few pictures have any."""
    found: Any = picture.side_data  # whose own look-ups take longer than a pass over it
    return {one.type.name: one for one in found}


def _mastering(data: bytes) -> MasteringDisplay | None:
    """Reads libav's structure: red, green, blue and white, then the darkest and brightest light."""
    numbers = np.frombuffer(data, np.int32)
    if not numbers[20:22].all():  # whether both halves are stated
        return None
    values = (numbers[0:20:2] / numbers[1:20:2]).tolist()
    red, green, blue, white, (darkest, brightest) = zip(values[::2], values[1::2], strict=True)
    return MasteringDisplay((red, green, blue), white, (darkest, brightest))
