"""Drawing on luma and chroma, compared with drawing on the same picture in BGR."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from fkd_infer.canvas.canvas import Box
from fkd_infer.canvas.colour_space import BT709, BT2020, HLG, PQ, ColourSpace
from fkd_infer.canvas.image_canvas import ImageCanvas
from fkd_infer.canvas.paint import Paint
from fkd_infer.canvas.plane_canvas import PlaneCanvas
from fkd_infer.canvas.transfer import WHITE
from fkd_infer.choices import Blend
from fkd_infer.geometry.arrays import Pixels

SPACES = [
    ColourSpace(),
    ColourSpace(BT709, full_range=True),
    ColourSpace(BT709, bits=10),
    ColourSpace(BT2020, full_range=True, bits=10),
]
SIZE = (48, 64)
BOX: Box = (10, 12, 50, 40)


def image(height: int = SIZE[0], width: int = SIZE[1]) -> Pixels:
    """Soft colours, none of which is at the border of what planes hold."""
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / 9), np.cos(y / 11), np.sin((x + y) / 13)]
    return np.stack([128 + 70 * wave for wave in waves], axis=-1).astype(np.uint8)


def picture() -> Pixels:
    """A soft picture of BOX's size, colours times alpha."""
    x0, y0, x1, y1 = BOX
    alpha = image(y1 - y0, x1 - x0)[..., :1]
    colour = image(y1 - y0, x1 - x0)[::-1].astype(float) * alpha / 255
    return np.concatenate([colour.astype(np.uint8), alpha], axis=-1)


def canvas_of(bgr: Pixels, space: ColourSpace) -> PlaneCanvas:
    """Planes of a BGR image, rounded to whole numbers."""
    zeros = [space.black_and_scale[0], *[space.neutral_and_scale[0]] * 2]
    matrix = np.column_stack([space.from_bgr, zeros])
    luma, blue, red = cv2.split(cv2.transform(bgr.astype(np.float32) / 255, matrix))
    half = (bgr.shape[1] // 2, bgr.shape[0] // 2)
    chroma = [cv2.resize(one, half, interpolation=cv2.INTER_AREA) for one in (blue, red)]
    planes = [np.rint(one).astype(space.dtype) for one in (luma, *chroma)]
    return PlaneCanvas(*planes, space)  # type: ignore[call-arg]


def bgr_of(canvas: PlaneCanvas) -> NDArray[Any]:
    """The canvas in BGR, 0 to 255."""
    space = canvas.palette
    zeros = np.array([space.black_and_scale[0], *[space.neutral_and_scale[0]] * 2])
    size = canvas.width, canvas.height
    chroma = [cv2.resize(one, size) for one in (canvas.blue, canvas.red)]
    merged = cv2.merge([canvas.luma, *chroma]).astype(np.float32)
    back = np.linalg.inv(space.from_bgr)
    return np.asarray(255 * cv2.transform(merged, np.column_stack([back, -back @ zeros])))


def planes(canvas: PlaneCanvas) -> list[NDArray[Any]]:
    return [canvas.luma, canvas.blue, canvas.red]


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("blend", ["normal", "multiply", "screen"])
@pytest.mark.parametrize("gain", [1.0, 0.6])
def test_blending_looks_as_on_an_image(space: ColourSpace, blend: Blend, gain: float) -> None:
    bgr, paint = image(), Paint(blend, gain, 0.8)
    canvas, reference = canvas_of(bgr, space), bgr.copy()
    canvas.blend(BOX, canvas.palette.picture(picture(), blend, gain), paint)
    on_image = ImageCanvas(reference)
    on_image.blend(BOX, on_image.palette.picture(picture(), blend, gain), paint)
    assert np.abs(reference.astype(int) - bgr).max() > 30
    difference = np.abs(bgr_of(canvas) - bgr_of(canvas_of(reference, space)))
    assert np.percentile(difference, 99) < 4
    assert difference.mean() < 1


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("blend", ["normal", "multiply", "screen"])
def test_no_other_pixel_changes(space: ColourSpace, blend: Blend) -> None:
    canvas = canvas_of(image(), space)
    before = [plane.copy() for plane in planes(canvas)]
    clear = picture()
    clear[:, :20] = 0
    canvas.blend(BOX, canvas.palette.picture(clear, blend), Paint(blend))
    for plane, old, scale in zip(planes(canvas), before, (1, 2, 2), strict=True):
        touched = np.zeros(plane.shape, bool)
        touched[BOX[1] // scale : BOX[3] // scale, 30 // scale : BOX[2] // scale] = True
        assert (plane == old)[~touched].all()
        assert (plane != old)[touched].any()


@pytest.mark.parametrize("space", SPACES)
def test_ink_has_the_colour_of_its_mark(space: ColourSpace) -> None:
    canvas = canvas_of(image(), space)
    with canvas.ink(BOX) as ink:
        assert ink.corner == BOX[:2]
        ink.pixels[4:20, 4:20] = ink.palette.mark((40, 80, 160))
    middle = bgr_of(canvas)[20:28, 18:26]
    assert np.abs(middle - (40, 80, 160)).max() < 3
    np.testing.assert_array_equal(canvas.luma[40:], canvas_of(image(), space).luma[40:])


def test_a_box_has_whole_pixels_of_chroma() -> None:
    canvas = canvas_of(image(), ColourSpace())
    assert canvas.box(3.2, 5.0, 8.1, 9.0) == (2, 4, 10, 10)
    assert canvas.box(-9.0, 5.0, 99.0, 99.0) == (0, 4, 64, 48)
    assert canvas.box(np.nan, 5.0, 99.0, 99.0) is None
    assert canvas.box(70.0, 5.0, 99.0, 99.0) is None


def test_odd_sizes_are_drawn_to_their_border() -> None:
    space = ColourSpace()
    luma, chroma = np.full((47, 63), 90, np.uint8), np.full((24, 32), 128, np.uint8)
    canvas = PlaneCanvas(luma, chroma.copy(), chroma.copy(), space)
    box = canvas.box(50.0, 40.0, 99.0, 99.0)
    assert box == (50, 40, 63, 47)
    with canvas.ink(box) as ink:
        ink.pixels[:] = ink.palette.mark((255, 0, 0))
    assert (canvas.blue[20:, 25:] == 240).all()
    assert (canvas.luma[40:, 50:] == canvas.luma[46, 62]).all()


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_white_has_the_light_of_paper_in_hdr(transfer: int) -> None:
    space = ColourSpace(BT2020, BT2020, transfer, full_range=False, bits=10)
    white = np.full((4, 4, 4), 255, np.uint8)
    luma, blue, red, alpha = space.picture(white, "normal")[0, 0].tolist()
    light = space.curve.light(np.array((luma - 64) / 876))
    assert float(light) == pytest.approx(WHITE, rel=0.02)
    assert (blue, red, alpha) == (512, 512, 65535)
    assert space.picture(white, "multiply").min() == 255, "white keeps what is below"
    dim = space.picture(white, "normal", 0.5)[0, 0, 0] - 64
    assert dim > 0.5 * (luma - 64), "HDR's signals are closer together"


def test_transfer_functions_are_inverse() -> None:
    signal = np.linspace(0, 1, 101)
    for transfer in (PQ, HLG, BT709):
        curve = ColourSpace(transfer=transfer).curve
        np.testing.assert_allclose(curve.signal(curve.light(signal)), signal, atol=2e-6)
    assert float(ColourSpace(transfer=PQ).curve.light(np.array(0.5806))) == pytest.approx(203, 0.01)
    assert float(ColourSpace(transfer=HLG).curve.light(np.array(0.75))) == pytest.approx(203, 0.01)


@pytest.mark.parametrize("space", SPACES)
def test_brightness_is_luma_from_black_to_white(space: ColourSpace) -> None:
    for level in (0, 100, 255):
        canvas = canvas_of(np.full((*SIZE, 3), level, np.uint8), space)
        assert np.abs(canvas.brightness(BOX, 8) - level).max() <= 1
