"""Builds image and video files in memory: valid, unusual and damaged ones."""

from __future__ import annotations

import struct
import zlib
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av
import cv2
import numpy as np
from av.audio.stream import AudioStream
from av.video.stream import VideoStream
from numpy.typing import NDArray
from PIL import Image
from pillow_heif import register_heif_opener

from fkd_infer.media.images.animation_writer import AnimationSink
from fkd_infer.media.images.webp import chunk, webp_file
from fkd_infer.media.video.encoding import Encoding
from fkd_infer.media.video.writer import VideoSink
from fkd_infer.types import Frame

register_heif_opener()  # for writing


def picture(width: int = 64, height: int = 48) -> NDArray[np.uint8]:
    """A picture with an edge."""
    image = np.full((height, width, 3), 60, np.uint8)
    image[height // 4 :, width // 3 :] = (40, 120, 230)
    return image


def encoded(suffix: str, *options: int, image: NDArray[Any] | None = None) -> bytes:
    """Encodes the picture, or another image."""
    _, data = cv2.imencode(suffix, picture() if image is None else image, list(options))
    return data.tobytes()


def pillow(format: str) -> bytes:
    """Encodes a picture of noise with Pillow."""
    out, noise = BytesIO(), np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    Image.fromarray(noise).save(out, format)
    return out.getvalue()


def progressive() -> bytes:
    """A progressive JPEG, which has several scans."""
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    return encoded(".jpg", cv2.IMWRITE_JPEG_PROGRESSIVE, 1, image=noise)


def png_chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk of a PNG with its checksum."""
    body = kind + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))


def png(width: int, height: int, depth: int, colour: int, rows: bytes, *extra: bytes) -> bytes:
    """A PNG from compressed rows."""
    head = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    parts = [b"\x89PNG\r\n\x1a\n", head, *extra, png_chunk(b"IDAT", rows), png_chunk(b"IEND", b"")]
    return b"".join(parts)


def bomb(side: int = 40_000) -> bytes:
    """A valid PNG of 40,000 × 40,000 pixels in 200 KB."""
    packer = zlib.compressobj(9)
    row = bytes(1 + side // 8)
    parts = [packer.compress(row * 1000) for _ in range(side // 1000)]
    return png(side, side, 1, 0, b"".join(parts) + packer.flush())


def patched(data: bytes, at: int, new: bytes) -> bytes:
    """Replaces bytes at an offset."""
    return data[:at] + new + data[at + len(new) :]


def frame_header(jpeg: bytes) -> int:
    """The offset of a JPEG's frame header."""
    return next(jpeg.index(m) for m in (b"\xff\xc0", b"\xff\xc2") if m in jpeg)


def scans(count: int) -> bytes:
    """A progressive JPEG whose last scan is repeated."""
    data = progressive()
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * count + b"\xff\xd9"


def gif(frames: int = 3) -> bytes:
    """An animated GIF."""
    return _of_sink(".gif", frames)


def apng(frames: int = 3) -> bytes:
    """An animated PNG."""
    return _of_sink(".png", frames)


def webp(frames: int = 3) -> bytes:
    """An animated WebP."""
    return _of_sink(".webp", frames)


def _of_sink(suffix: str, frames: int) -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder, f"a{suffix}")
        with AnimationSink(path, None) as sink:
            for number in range(frames):
                sink.write(
                    Frame(np.roll(picture(), 9 * number, 1), "", number, Fraction(number, 5))
                )
        return path.read_bytes()


def video(suffix: str = ".mp4", frames: int = 12, size: tuple[int, int] = (64, 48)) -> bytes:
    """A short video."""
    with TemporaryDirectory() as folder:
        path = Path(folder, f"a{suffix}")
        with VideoSink(path, None, Encoding("h264")) as sink:
            for number in range(frames):
                image = np.roll(picture(*size), 5 * number, 1)
                sink.write(Frame(image, "", number, Fraction(number, 25)))
        return path.read_bytes()


def other_video(container: str, codec: str, frames: int = 12) -> bytes:
    """A short video in a format that fkd can read but not write."""
    out = BytesIO()
    with av.open(out, "w", format=container) as file:
        stream = file.add_stream(codec, rate=25)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        for number in range(frames):
            image = np.roll(picture(), 5 * number, 1)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        file.mux(stream.encode(None))
    return out.getvalue()


def sound() -> bytes:
    """An MP4 without a video stream."""
    out = BytesIO()
    with av.open(out, "w", format="mp4") as file:
        stream = file.add_stream("aac", rate=44100)
        assert isinstance(stream, AudioStream)
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), "fltp", "mono")
        silence.rate, silence.pts = 44100, 0
        file.mux(stream.encode(silence))
        file.mux(stream.encode(None))
    return out.getvalue()


def tiff(width: int, height: int, offset: int = 8, entries: int = 2) -> bytes:
    """The header and the directory of a TIFF, without pixels."""
    tags = struct.pack("<HHII", 256, 4, 1, width) + struct.pack("<HHII", 257, 4, 1, height)
    head = struct.pack("<2sHIH", b"II", 42, offset, entries)
    return head + tags + bytes(64)


def bmp(width: int, height: int) -> bytes:
    """The header of a BMP, with few pixels."""
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    return struct.pack("<2sIHHI", b"BM", 1 << 20, 0, 0, 54) + head + bytes(256)


def vp8l(width: int, height: int) -> bytes:
    """A lossless WebP with a size but no pixels."""
    bits = (width - 1) | (height - 1) << 14
    return webp_file(chunk(b"VP8L", b"\x2f" + bits.to_bytes(4, "little") + bytes(20)))


def huge_frames() -> bytes:
    """A video of JPEGs whose headers claim 65,535 × 65,535 pixels."""
    data, at = bytearray(other_video("avi", "mjpeg")), 0
    while (at := data.find(b"\xff\xc0\0\x11\x08", at + 1)) > 0:
        data[at + 5 : at + 9] = b"\xff" * 4
    return bytes(data)


def false_size() -> bytes:
    """A video of JPEGs whose container claims another size."""
    data, size = other_video("avi", "mjpeg"), struct.pack("<ii", 64, 48)
    return data.replace(size, struct.pack("<ii", 60_000, 60_000))


def damaged_video() -> bytes:
    """A video with zeros in the middle of its frame data."""
    data = bytearray(video(frames=40))
    start = data.index(b"mdat") + 400
    data[start : start + 600] = bytes(600)
    return bytes(data)


def oriented(orientation: bytes) -> bytes:
    """A JPEG with an Exif orientation."""
    tags = b"Exif\0\0II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0" + orientation + b"\0\0\0\0\0\0"
    jpeg = encoded(".jpg")
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", 2 + len(tags)) + tags + jpeg[2:]
