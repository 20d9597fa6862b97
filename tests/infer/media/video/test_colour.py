"""Conversions between BGR and the planes of videos."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from fkd_infer.canvas.colour_space import BT601, BT2020, PQ, ColourSpace
from fkd_infer.media.video.colour import space_of, to_bgr
from fkd_infer.media.video.converter import PictureConverter
from fkd_infer.media.video.filtering import SDR, ColourMapper, deinterlaced
from fkd_infer.media.video.picture import IMAGE_SPACE, VideoPicture, new_frame, planes_of
from fkd_infer.types import ReadSettings

RED, BLUE = 0.299, 0.114
"""Weights of red and blue in the luma of BT.601."""
STORED = ReadSettings(gray=True, stored=True)


def bt601(bgr: NDArray[np.float64]) -> NDArray[np.float64]:
    """Y, U and V of BT.601 in limited range (..., 3)."""
    blue, green, red = np.moveaxis(bgr, -1, 0)
    luma = RED * red + BLUE * blue + (1 - RED - BLUE) * green
    u = (blue - luma) / (2 * (1 - BLUE))
    v = (red - luma) / (2 * (1 - RED))
    return np.stack([16 + luma * 219 / 255, 128 + u * 224 / 255, 128 + v * 224 / 255], axis=-1)


def smooth(height: int, width: int) -> NDArray[np.uint8]:
    """Returns an image of smooth gradients over a wide range of colours."""
    y, x = np.mgrid[:height, :width]
    channels = [
        127 + 120 * np.sin(x / 40),
        127 + 120 * np.cos(y / 50),
        127 + 120 * np.sin((x + y) / 60),
    ]
    return np.stack(channels, axis=-1).astype(np.uint8)


def random_frame(format: str, width: int = 96, height: int = 64, **tags: int) -> VideoFrame:
    """A picture of libav's with random planes."""
    frame = VideoFrame(width, height, format)
    random = np.random.default_rng(0)
    for plane, part in zip(planes_of(frame), frame.format.components, strict=False):
        plane[:] = random.integers(0, 1 << part.bits, plane.shape)
    for name, value in tags.items():
        setattr(frame, name, value)
    return frame


def test_planes_of_images_use_the_matrix_of_their_tag() -> None:
    image = smooth(96, 128)
    stored = VideoPicture.of_image(image)
    assert stored.space == IMAGE_SPACE
    assert stored.space.matrix == BT601
    expected = bt601(image.astype(np.float64))
    np.testing.assert_allclose(stored.luma, expected[..., 0], atol=1)
    means = expected.reshape(48, 2, 64, 2, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(stored.blue, means[..., 1], atol=1.6)
    np.testing.assert_allclose(stored.red, means[..., 2], atol=1.6)


def test_images_of_odd_sizes_have_chroma_at_their_border() -> None:
    stored = VideoPicture.of_image(smooth(95, 127))
    assert stored.luma.shape == (95, 127)
    assert stored.blue.shape == stored.red.shape == (48, 64)
    assert np.abs(stored.bgr().astype(int) - smooth(95, 127)).max() <= 8


def test_chroma_is_the_mean_of_four_pixels() -> None:
    image = np.zeros((4, 4, 3), np.uint8)
    image[::2, ::2] = (255, 255, 255)
    image[1::2, 1::2, 2] = 255
    stored = VideoPicture.of_image(image)
    expected = bt601(image.astype(np.float64)).reshape(2, 2, 2, 2, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(stored.blue, expected[..., 1], atol=1.6)
    np.testing.assert_allclose(stored.red, expected[..., 2], atol=1.6)


def test_converting_there_and_back_changes_little() -> None:
    stored = VideoPicture.of_image(smooth(96, 128))
    again = VideoPicture.of_image(stored.bgr())
    for plane, other in zip(
        (stored.luma, stored.blue, stored.red), (again.luma, again.blue, again.red), strict=True
    ):
        assert np.abs(plane.astype(int) - other).max() <= 2


@pytest.mark.parametrize(("full", "low", "high"), [(False, 16, 235), (True, 0, 255)])
@pytest.mark.parametrize("bits", [8, 10])
def test_gray_has_the_full_range(full: bool, low: int, high: int, bits: int) -> None:
    frame = new_frame(16, 16, ColourSpace(full_range=full, bits=bits))
    luma = planes_of(frame)[0]
    luma[:8], luma[8:] = low << (bits - 8), (1 << bits) - 1 if full else high << (bits - 8)
    for settings in (ReadSettings(gray=True), STORED):
        gray, _ = PictureConverter(settings)(frame)
        assert gray.shape == (16, 16)
        assert (gray[:8] == 0).all()
        assert (gray[8:] == 255).all()


@pytest.mark.parametrize("format", ["yuv420p", "yuvj420p", "yuv420p10le"])
def test_planes_are_taken_bit_for_bit(format: str) -> None:
    frame = random_frame(format, 97, 63)
    _, stored = PictureConverter(STORED)(frame)
    assert stored is not None
    for plane, taken in zip(planes_of(frame), (stored.luma, stored.blue, stored.red), strict=True):
        np.testing.assert_array_equal(taken, plane)
    again = new_frame(97, 63, stored.space)
    stored.copy_to(again)
    for plane, copied in zip(planes_of(frame), planes_of(again), strict=True):
        np.testing.assert_array_equal(copied, plane)


@pytest.mark.parametrize("format", ["yuv422p", "yuvj422p", "yuv444p", "yuv422p10le", "yuv440p"])
def test_another_subsampling_changes_chroma_alone(format: str) -> None:
    frame = random_frame(format, color_range=2 if "j" in format else 1)
    _, stored = PictureConverter(STORED)(frame)
    assert stored is not None
    np.testing.assert_array_equal(stored.luma, planes_of(frame)[0])
    assert stored.blue.shape == (32, 48)
    mean = planes_of(frame)[1].mean()
    assert stored.blue.mean() == pytest.approx(mean, abs=0.02 * mean)


def test_pictures_in_rgb_become_planes_of_limited_range() -> None:
    frame = VideoFrame.from_ndarray(smooth(96, 128), format="bgr24")
    _, stored = PictureConverter(STORED)(frame)
    assert stored is not None
    assert (stored.space.matrix, stored.space.full_range) == (BT601, False)
    np.testing.assert_allclose(stored.luma, bt601(smooth(96, 128).astype(float))[..., 0], atol=1.5)
    assert np.abs(stored.bgr().astype(int) - smooth(96, 128)).max() <= 12


def test_another_matrix_in_the_middle_is_brought_to_the_first() -> None:
    image, convert = smooth(96, 128), PictureConverter(STORED)
    frames = []
    for matrix in (6, 1):
        frame = VideoReformatter().reformat(
            VideoFrame.from_ndarray(image, format="bgr24"),
            format="yuv420p",
            dst_colorspace=matrix if matrix == 1 else 5,
            dst_color_range=1,
        )
        frame.colorspace, frame.color_range = matrix, 1
        frames.append(frame)
    pictures = [convert(frame)[1] for frame in frames]
    assert pictures[0] is not None
    assert pictures[1] is not None
    assert pictures[1].space == pictures[0].space
    assert np.abs(pictures[0].luma.astype(int) - pictures[1].luma).max() <= 3


@pytest.mark.parametrize("transfer", [16, 18])
def test_hdr_is_tone_mapped_for_screens_and_networks(transfer: int) -> None:
    space = ColourSpace(BT2020, BT2020, transfer, full_range=False, bits=10)
    frame = new_frame(64, 64, space)
    luma, blue, red = planes_of(frame)
    blue[:] = red[:] = 512
    # Black, a dim gray, white paper, and the brightest light.
    white = space.curve.signal(np.array([0, 10, 203, 1000.0]))
    for row, level in enumerate(white):
        luma[16 * row : 16 * (row + 1)] = round(64 + 876 * level)
    bgr = to_bgr(frame)
    gray, _ = PictureConverter(STORED)(frame)
    for row, (low, high) in enumerate([(0, 1), (50, 80), (180, 215), (250, 255)]):
        for pixels in (bgr[16 * row + 8], gray[16 * row + 8]):
            assert low <= pixels.min() <= pixels.max() <= high, (row, pixels[0])
    assert np.ptp(bgr[8::16].astype(int), axis=-1).max() <= 2


def test_pictures_of_several_sizes_and_peaks_are_tone_mapped() -> None:
    """Each by its own light, whatever was mapped before."""
    levels = []
    for size, peak in ((64, 4000), (32, 400), (64, 400), (64, 4000)):
        space = ColourSpace(
            BT2020, BT2020, PQ, full_range=False, bits=10, content_light=(peak, peak)
        )
        mapper = ColourMapper.between(space, SDR)
        frame = new_frame(size, size, space)
        luma, blue, red = planes_of(frame)
        luma[:], blue[:], red[:] = 64 + 600, 512, 512
        levels.append(float(planes_of(mapper(frame))[0].mean()))
        gray = float(space.gray(luma).mean())
        assert gray == pytest.approx((levels[-1] - 16) * 255 / 219, abs=3)
    assert levels[0] == levels[3] < levels[1] == levels[2]


def test_sdr_brings_hdr_to_planes_of_bt709() -> None:
    space = ColourSpace(BT2020, BT2020, PQ, full_range=False, bits=10)
    _, stored = PictureConverter(ReadSettings(gray=True, stored=True, sdr=True))(
        random_frame("yuv420p10le", colorspace=9, color_primaries=9, color_trc=16, color_range=1)
    )
    assert space.is_hdr
    assert stored is not None
    assert (stored.space.matrix, stored.space.primaries, stored.space.transfer) == (1, 1, 1)
    assert stored.space.bits == 8


@pytest.mark.parametrize("hdr_first", [True, False])
def test_another_transfer_in_the_middle_is_brought_to_the_first(hdr_first: bool) -> None:
    """Paper white of HDR is that of SDR, less some of what highlights take."""
    hdr = ColourSpace(BT2020, BT2020, PQ, full_range=False, bits=10)
    sdr = ColourSpace(1, 1, 1, full_range=False)
    frames = {}
    for space, white in ((hdr, 64 + 876 * 0.5807), (sdr, 235)):
        frames[space.is_hdr] = new_frame(64, 48, space)
        luma, blue, red = planes_of(frames[space.is_hdr])
        luma[:], blue[:], red[:] = round(white), 128 << (space.bits - 8), 128 << (space.bits - 8)
    convert = PictureConverter(STORED)
    _, first = convert(frames[hdr_first])
    _, second = convert(frames[not hdr_first])
    assert first is not None
    assert second is not None
    assert second.space == first.space
    if hdr_first:
        assert abs(float(second.luma.mean()) - float(first.luma.mean())) < 8
    else:
        assert 170 < second.luma.mean() < 215
    assert np.abs(second.blue.astype(int) - (128 << (first.space.bits - 8))).max() <= 3


def test_colours_of_hdr_keep_their_hue() -> None:
    """Red of BT.709 at the light of paper, in BT.2020 and PQ, is still red."""
    space = ColourSpace(BT2020, BT2020, PQ, full_range=False, bits=10)
    picture = np.full((16, 16, 4), (40, 60, 200, 255), np.uint8)
    planes = space.picture(picture, "normal")
    frame = new_frame(16, 16, space)
    for number, plane in enumerate(planes_of(frame)):
        plane[:] = planes[0, 0, number]
    blue, green, red = to_bgr(frame)[8, 8].astype(int)
    assert red > 150
    assert abs(blue - 40) < 25
    assert abs(green - 60) < 25


def test_interlaced_pictures_become_whole_ones(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"x264-params": "tff=1"})
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for index in range(6):
            image = np.zeros((64, 64, 3), np.uint8)
            for field in range(2):
                image[field::2, 8 * index + 4 * field :][:, :8] = 255
            container.mux(stream.encode(VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode(None))
    with av.open(str(path)) as read:
        pictures = [(picture, picture.pts) for picture in read.decode(video=0)]
    times = [time for _, time in pictures]

    def combs(picture: VideoFrame) -> float:
        lines = picture.to_ndarray()[:64].astype(int)
        return float(np.abs(lines[1:-1] * 2 - lines[:-2] - lines[2:]).mean())

    before = [combs(picture) for picture, _ in pictures]
    whole = list(deinterlaced(pictures))
    assert [time for _, time in whole] == times
    after = [combs(picture) for picture, _ in whole]
    assert all(new < old / 3 for new, old in zip(after, before, strict=True)), (before, after)


def test_tags_of_pictures_are_read() -> None:
    for matrix, full in product((1, 6, 9), (1, 2)):
        frame = random_frame("yuv420p", colorspace=matrix, color_range=full)
        assert space_of(frame).matrix == matrix
        assert space_of(frame).full_range == (full == 2)
    assert space_of(random_frame("yuv420p")).full_range is None
