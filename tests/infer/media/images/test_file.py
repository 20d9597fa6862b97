"""Images with known corners are written and read; damaged files are reported."""

from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from fkd_infer.errors import OutputError, UnreadableImageError
from fkd_infer.media.images.file import format_by_content, read_image
from fkd_infer.media.images.formats import WRITABLE_SUFFIXES
from fkd_infer.media.images.writing import write_image

RED, GREEN, BLUE, WHITE = (0, 0, 255), (0, 255, 0), (255, 0, 0), (255, 255, 255)
LOSSLESS = [".png", ".apng", ".bmp", ".dib", ".tif", ".tiff", ".jp2", ".ppm"]


def corners(height: int = 64, width: int = 96) -> NDArray[np.uint8]:
    """Returns an image: red top left, green top right, blue bottom left, white bottom right."""
    image = np.empty((height, width, 3), np.uint8)
    middle, centre = height // 2, width // 2
    image[:middle, :centre], image[:middle, centre:] = RED, GREEN
    image[middle:, :centre], image[middle:, centre:] = BLUE, WHITE
    return image


def encoded(suffix: str, image: NDArray[np.uint8] | None = None) -> bytes:
    image = corners() if image is None else image
    return bytes(cv2.imencode(suffix, image)[1].tobytes())


def oriented_jpeg(image: NDArray[np.uint8], orientation: int) -> bytes:
    """Returns a JPEG whose EXIF block holds only an orientation."""
    entry = struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0)
    tiff = b"II*\0" + struct.pack("<IH", 8, 1) + entry + struct.pack("<I", 0)
    block = b"Exif\0\0" + tiff
    data = encoded(".jpg", image)
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + data[2:]


@pytest.mark.parametrize("suffix", sorted(WRITABLE_SUFFIXES))
def test_reads_what_was_written(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / "new" / f"a{suffix.upper()}"
    write_image(path, corners())
    difference = np.abs(read_image(path).astype(int) - corners())
    assert difference.mean() <= (0 if suffix in LOSSLESS else 4)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


STORED_AS = {
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.transpose(1, 0, 2),
    6: lambda upright: np.rot90(upright),
    7: lambda upright: np.rot90(upright, 2).transpose(1, 0, 2),
    8: lambda upright: np.rot90(upright, -1),
}


@pytest.mark.parametrize("orientation", range(1, 9))
def test_applies_the_exif_orientation(orientation: int, tmp_path: Path) -> None:
    path = tmp_path / "phone.jpg"
    stored = np.ascontiguousarray(STORED_AS[orientation](corners()))
    path.write_bytes(oriented_jpeg(stored, orientation))
    assert read_image(path).shape == corners().shape
    assert np.abs(read_image(path).astype(int) - corners()).mean() < 4


def test_the_content_decides_and_alpha_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "really a png.jpg"
    alpha = np.zeros((64, 96, 1), np.uint8)
    path.write_bytes(encoded(".png", np.concatenate([corners(), alpha], axis=2)))
    np.testing.assert_array_equal(read_image(path), corners())


def test_gray_and_16_bit_become_bgr(tmp_path: Path) -> None:
    path = tmp_path / "deep.png"
    path.write_bytes(encoded(".png", np.full((4, 5), 0x8000, np.uint16)))
    np.testing.assert_array_equal(read_image(path), np.full((4, 5, 3), 128))


def test_names_beyond_ascii(tmp_path: Path) -> None:
    path = tmp_path / "Ærø 写真.png"
    write_image(path, corners())
    np.testing.assert_array_equal(read_image(path), corners())


@pytest.mark.parametrize("share", [0.05, 0.5, 0.999])
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_reports_a_truncated_file(suffix: str, share: float, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    data = encoded(suffix, rng.integers(0, 256, (64, 96, 3), dtype=np.uint8))
    path = tmp_path / f"cut{suffix}"
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(UnreadableImageError, match=f"cut{suffix}.*cut short"):
        read_image(path)


def test_a_thumbnail_does_not_hide_that_a_jpeg_is_truncated(tmp_path: Path) -> None:
    thumbnail, data = encoded(".jpg"), encoded(".jpg")
    block = b"\xff\xe1" + struct.pack(">H", len(thumbnail) + 2) + thumbnail
    path = tmp_path / "a.jpg"
    path.write_bytes(data[:2] + block + data[2:])
    assert read_image(path).shape == (64, 96, 3)
    path.write_bytes(data[:2] + block + data[2:-200])
    with pytest.raises(UnreadableImageError, match="cut short"):
        read_image(path)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_ignores_appended_data(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"with video{suffix}"
    path.write_bytes(encoded(suffix) + b"\xff\xda ftypmp42 a moving picture" * 99)
    assert read_image(path).shape == (64, 96, 3)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "No such file"),
        (b"", "the file is empty"),
        (b"x,y\n1,2\n", "not an image"),
        (b"\x89PNG\r\n\x1a\n" + bytes(40), "the file is cut short"),
        (encoded(".png")[:-12] + b"\xe0\0\0\0IEND\xae\x42\x60\x82", "the file is cut short"),
    ],
)
def test_refuses_other_files(content: bytes | None, why: str, tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UnreadableImageError, match=f"photo.jpg: cannot be read as an image: {why}"):
        read_image(path)


def test_refuses_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UnreadableImageError, match="it is a folder, not a file"):
        read_image(tmp_path)


def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"before")

    def fail(image: Image.Image, path: Path, *options: object, **more: object) -> None:
        path.write_bytes(b"begun")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(OutputError, match=r"a\.png: cannot be written: No space left"):
        write_image(path, corners())
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_refuses_an_unknown_suffix(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"a\.xyz.*ends in .*\.png"):
        write_image(tmp_path / "a.xyz", corners())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", sorted(WRITABLE_SUFFIXES))
def test_the_format_by_content(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    write_image(path, corners())
    format = format_by_content(path)
    assert format is not None
    assert suffix in format.suffixes
    path.write_bytes(b"\0\0\0\x20ftypisom")
    assert format_by_content(path) is None
