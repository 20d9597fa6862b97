"""Files that are no good, each made by script, and what is to be told of it; and files that are
merely unusual, which have to be read."""

from __future__ import annotations

import os
import socket
import struct
import zlib
from collections.abc import Callable
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.audio.stream import AudioStream
from av.video.stream import VideoStream
from numpy.typing import NDArray

from fkd_infer.media.images.animation import riff_chunk, webp_file, webp_header
from fkd_infer.media.images.animation_writer import AnimationSink
from fkd_infer.media.video.encoding import Encoding
from fkd_infer.media.video.writer import VideoSink
from fkd_infer.types import Frame

Make = Callable[[Path], None]


def picture(width: int = 64, height: int = 48) -> NDArray[np.uint8]:
    """Something with an edge in it."""
    image = np.full((height, width, 3), 60, np.uint8)
    image[height // 4 :, width // 3 :] = (40, 120, 230)
    return image


def encoded(suffix: str, *options: int, image: NDArray[Any] | None = None) -> bytes:
    """The picture in a format."""
    _, data = cv2.imencode(suffix, picture() if image is None else image, list(options))
    return data.tobytes()


def progressive() -> bytes:
    """A JPEG of several scans."""
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    return encoded(".jpg", cv2.IMWRITE_JPEG_PROGRESSIVE, 1, image=noise)


def png_chunk(kind: bytes, content: bytes) -> bytes:
    """A part of a PNG with its checksum."""
    body = kind + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))


def png(width: int, height: int, depth: int, colour: int, rows: bytes, *extra: bytes) -> bytes:
    """A PNG of compressed rows."""
    head = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    parts = [b"\x89PNG\r\n\x1a\n", head, *extra, png_chunk(b"IDAT", rows), png_chunk(b"IEND", b"")]
    return b"".join(parts)


def bomb(side: int = 40_000) -> bytes:
    """40,000 × 40,000 pixels in 200 KB, all of them there."""
    packer = zlib.compressobj(9)
    row = bytes(1 + side // 8)
    parts = [packer.compress(row * 1000) for _ in range(side // 1000)]
    return png(side, side, 1, 0, b"".join(parts) + packer.flush())


def patched(data: bytes, at: int, new: bytes) -> bytes:
    """The same with other bytes in one place."""
    return data[:at] + new + data[at + len(new) :]


def frame_header(jpeg: bytes) -> int:
    """Where the header of a JPEG's frame begins."""
    return next(jpeg.index(m) for m in (b"\xff\xc0", b"\xff\xc2") if m in jpeg)


def scans(count: int) -> bytes:
    """A progressive JPEG whose last scan comes again and again."""
    data = progressive()
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * count + b"\xff\xd9"


def gif(frames: int = 3) -> bytes:
    """An animated GIF."""
    return _of_sink(".gif", frames)


def webp(frames: int = 3) -> bytes:
    """An animated WebP."""
    return _of_sink(".webp", frames)


def _of_sink(suffix: str, frames: int) -> bytes:
    from tempfile import TemporaryDirectory

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
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        path = Path(folder, f"a{suffix}")
        with VideoSink(path, None, Encoding("h264")) as sink:
            for number in range(frames):
                image = np.roll(picture(*size), 5 * number, 1)
                sink.write(Frame(image, "", number, Fraction(number, 25)))
        return path.read_bytes()


def other_video(container: str, codec: str, frames: int = 12) -> bytes:
    """A short video in a format that is read and not written."""
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
    """An MP4 with sound alone."""
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
    """A TIFF's head and a directory."""
    tags = struct.pack("<HHII", 256, 4, 1, width) + struct.pack("<HHII", 257, 4, 1, height)
    head = struct.pack("<2sHIH", b"II", 42, offset, entries)
    return head + tags + bytes(64)


def bmp(width: int, height: int) -> bytes:
    """A BMP's head, and little behind it."""
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    return struct.pack("<2sIHHI", b"BM", 1 << 20, 0, 0, 54) + head + bytes(256)


def vp8l(width: int, height: int) -> bytes:
    """A lossless WebP of nothing but a size."""
    bits = (width - 1) | (height - 1) << 14
    return webp_file(riff_chunk(b"VP8L", b"\x2f" + bits.to_bytes(4, "little") + bytes(20)))


def vast_frames() -> bytes:
    """A video of JPEGs, each of which says that it is 65,535 × 65,535."""
    data, at = bytearray(other_video("avi", "mjpeg")), 0
    while (at := data.find(b"\xff\xc0\0\x11\x08", at + 1)) > 0:
        data[at + 5 : at + 9] = b"\xff" * 4
    return bytes(data)


def lying_head() -> bytes:
    """A video of JPEGs whose head says another size than they have."""
    data, size = other_video("avi", "mjpeg"), struct.pack("<ii", 64, 48)
    return data.replace(size, struct.pack("<ii", 60_000, 60_000))


def _bytes(make: Callable[[], bytes]) -> Make:
    return lambda path: _write(path, make())


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def _link(target: str) -> Make:
    return lambda path: path.symlink_to(target)


def _sparse(size: int, head: bytes = b"") -> Make:
    def make(path: Path) -> None:
        with path.open("wb") as file:
            file.write(head)
            file.truncate(size)

    return make


def _socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # names of sockets are short
    try:
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(path.name)
    finally:
        os.chdir(here)


_CUT = "cut short"
_NO_IMAGE = "not an image"
_NO_VIDEO = "cannot be read as a video"
_LARGE = "pixels, but 250 million are allowed"
_JPEG, _PNG, _WEBP = encoded(".jpg"), encoded(".png"), encoded(".webp")

BAD_FILES: dict[str, tuple[Make, str]] = {
    # nothing in it, or something else
    "empty.jpg": (_bytes(bytes), "the file is empty"),
    "empty.png": (_bytes(bytes), "the file is empty"),
    "empty.gif": (_bytes(bytes), "the file is empty"),
    "empty.webp": (_bytes(bytes), "the file is empty"),
    "empty.mp4": (_bytes(bytes), _NO_VIDEO),
    "one byte.jpg": (_bytes(lambda: b"\xff"), _NO_IMAGE),
    "zeros.png": (_bytes(lambda: bytes(10**6)), _NO_IMAGE),
    "noise.jpg": (_bytes(lambda: np.random.default_rng(0).bytes(10**5)), _NO_IMAGE),
    "noise.mp4": (_bytes(lambda: np.random.default_rng(1).bytes(10**5)), _NO_VIDEO),
    "noise.mkv": (_bytes(lambda: np.random.default_rng(2).bytes(10**5)), _NO_VIDEO),
    "text.jpg": (_bytes(lambda: b"I am no picture\n" * 50), _NO_IMAGE),
    "text.mp4": (_bytes(lambda: b"I am no film\n" * 50), _NO_VIDEO),
    "page.jpg": (_bytes(lambda: b"<!DOCTYPE html><html><body>404</body></html>"), _NO_IMAGE),
    "drawing.png": (_bytes(lambda: b'<svg xmlns="http://www.w3.org/2000/svg"/>'), _NO_IMAGE),
    "archive.png": (_bytes(lambda: b"PK\3\4" + bytes(200)), _NO_IMAGE),
    "document.jpg": (_bytes(lambda: b"%PDF-1.7\n" + bytes(200)), _NO_IMAGE),
    "jpeg 2000.jpg": (_bytes(lambda: b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(99)), _NO_IMAGE),
    "grey map.png": (_bytes(lambda: b"P5 100000 100000 255\n" + bytes(99)), _NO_IMAGE),
    "radiance.jpg": (_bytes(lambda: b"#?RADIANCE\n\n-Y 99999 +X 99999\n" + bytes(9)), _NO_IMAGE),
    "sound.mp4": (_bytes(sound), "holds no video stream"),
    "photo.mp4": (_bytes(lambda: _PNG), _NO_VIDEO),
    # cut short
    "cut.jpg": (_bytes(lambda: _JPEG[: len(_JPEG) // 2]), _CUT),
    "cut in its head.jpg": (_bytes(lambda: _JPEG[:30]), _CUT),
    "cut progressive.jpg": (_bytes(lambda: progressive()[:-400]), _CUT),
    "cut.png": (_bytes(lambda: _PNG[: len(_PNG) // 2]), _CUT),
    "cut.webp": (_bytes(lambda: _WEBP[: len(_WEBP) // 2]), _CUT),
    "cut.gif": (_bytes(lambda: gif(1)[:60]), "cannot be read as an image"),
    "cut animated.gif": (_bytes(lambda: gif()[:-40]), _CUT),
    "cut animated.webp": (_bytes(lambda: webp()[:-40]), _CUT),
    "cut.bmp": (_bytes(lambda: encoded(".bmp")[:500]), "cannot be read as an image"),
    "cut.tif": (_bytes(lambda: encoded(".tif")[:60]), "cannot be read as an image"),
    "cut.mp4": (_bytes(lambda: video()[:-300]), _NO_VIDEO),
    "cut.mkv": (_bytes(lambda: video(".mkv", 60)[:-2500]), _NO_VIDEO),
    "cut.avi": (_bytes(lambda: other_video("avi", "mjpeg", 60)[:-9000]), _NO_VIDEO),
    # larger than anything
    "bomb.png": (_bytes(bomb), _LARGE),
    "vast.png": (_bytes(lambda: png(2**31 - 1, 2**31 - 1, 8, 2, b"")), _LARGE),
    "vast.jpg": (
        _bytes(lambda: patched(_JPEG, frame_header(_JPEG) + 5, b"\xff\xff\xff\xff")),
        _LARGE,
    ),
    "vast.bmp": (_bytes(lambda: bmp(100_000, 100_000)), _LARGE),
    "vast upside down.bmp": (_bytes(lambda: bmp(100_000, -100_000)), _LARGE),
    "vast.tif": (_bytes(lambda: tiff(10**6, 10**6)), _LARGE),
    "vast.webp": (
        _bytes(lambda: webp_file(webp_header(2**24, 2**24, 0) + riff_chunk(b"VP8 ", b""))),
        _LARGE,
    ),
    "vast lossless.webp": (_bytes(lambda: vp8l(16_384, 16_384)), _LARGE),
    "vast animated.webp": (_bytes(lambda: patched(webp(), 24, b"\xff" * 6)), _LARGE),
    "vast.gif": (_bytes(lambda: patched(gif(1), 6, b"\xff" * 4)), _LARGE),
    "vast animated.gif": (_bytes(lambda: patched(gif(), 6, b"\xff" * 4)), _LARGE),
    "vast frames.avi": (_bytes(vast_frames), _NO_VIDEO),
    "a thousand scans.jpg": (_bytes(lambda: scans(1000)), "hundreds of scans"),
    "a hundred gigabytes.jpg": (_sparse(10**11, _JPEG), "it is larger than"),
    "a hundred gigabytes.gif": (_sparse(10**11, gif()[:200]), "it is larger than"),
    # damaged
    "no size.png": (_bytes(lambda: png(0, 0, 8, 2, b"")), "does not say its size"),
    "no height.jpg": (
        _bytes(lambda: patched(_JPEG, frame_header(_JPEG) + 5, b"\0\0")),
        "does not say its size",
    ),
    "no frame.jpg": (_bytes(lambda: b"\xff\xd8\xff\xe0\0\x04ab\xff\xd9"), "does not say its size"),
    "no rows.png": (_bytes(lambda: png(64, 48, 8, 2, b"nonsense")), "cannot be read as an image"),
    "other checksum.png": (_bytes(lambda: patched(_PNG, 29, b"abcd")), "cannot be read"),
    "no picture.gif": (_bytes(lambda: b"GIF89a\x40\0\x30\0\0\0\0;"), "cannot be read as an image"),
    "no directory.tif": (_bytes(lambda: tiff(64, 48, 10**6)), "does not say its size"),
    "no pixels.tif": (_bytes(lambda: tiff(64, 48)), "cannot be read as an image"),
    "no chunks.webp": (_bytes(lambda: b"RIFF\x04\0\0\0WEBP"), "does not say its size"),
    "wrong chunk.webp": (
        _bytes(lambda: webp_file(riff_chunk(b"VP8 ", bytes(40)))),
        "does not say its size",
    ),
    "damaged.mp4": (_bytes(lambda: _damaged_video()), _NO_VIDEO),
    "real numbers.tif": (
        _bytes(lambda: encoded(".tif", image=picture().astype(np.float32))),
        "cannot be read as an image",
    ),
    # leads elsewhere
    "playlist.mp4": (
        _bytes(lambda: b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n/etc/passwd\n"),
        _NO_VIDEO,
    ),
    "list.mp4": (_bytes(lambda: b"ffconcat version 1.0\nfile good.mp4\n"), _NO_VIDEO),
    "session.mp4": (
        _bytes(lambda: b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nm=video 9 RTP/AVP 96\n"),
        _NO_VIDEO,
    ),
    "loop a.jpg": (_link("loop b.jpg"), "symbolic links"),
    "loop b.jpg": (_link("loop a.jpg"), "symbolic links"),
    "nowhere.jpg": (_link("gone"), "No such file"),
    "nowhere.mp4": (_link("gone"), "No such file"),
    "nowhere.gif": (_link("gone"), "No such file"),
    # no files at all
    "pipe.jpg": (os.mkfifo, "it is a pipe, not a file"),
    "pipe.mp4": (os.mkfifo, "it is a pipe, not a file"),
    "pipe.gif": (os.mkfifo, "it is a pipe, not a file"),
    "socket.jpg": (_socket, "cannot be read as an image"),
    "endless.jpg": (_link("/dev/zero"), "it is a device, not a file"),
    "endless.mp4": (_link("/dev/zero"), "it is a device, not a file"),
    "endless.gif": (_link("/dev/urandom"), "it is a device, not a file"),
    "nothing.png": (_link("/dev/null"), "it is a device, not a file"),
    "a folder.jpg": (_link("."), ""),
}
"""How each is made, and what is told of it; "" for what is no source."""


def _damaged_video() -> bytes:
    """A video with zeros in the middle of its pictures."""
    data = bytearray(video(frames=40))
    start = data.index(b"mdat") + 400
    data[start : start + 600] = bytes(600)
    return bytes(data)


def oriented(orientation: bytes) -> bytes:
    """A JPEG with an Exif part that says how it was held."""
    tags = b"Exif\0\0II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0" + orientation + b"\0\0\0\0\0\0"
    return _JPEG[:2] + b"\xff\xe1" + struct.pack(">H", 2 + len(tags)) + tags + _JPEG[2:]


def cmyk() -> bytes:
    """A JPEG of four inks, as from print."""
    import PIL.Image

    out = BytesIO()
    PIL.Image.fromarray(picture()[..., ::-1]).convert("CMYK").save(out, "jpeg")
    return out.getvalue()


def _rows(width: int, height: int, row: bytes) -> bytes:
    return zlib.compress(b"".join(b"\0" + row for _ in range(height)))


_PALETTE = png_chunk(b"PLTE", bytes(range(48)))
_NOTES = png_chunk(b"zTXt", b"note\0\0" + zlib.compress(bytes(10**7)))
_DEEP = (picture().astype(np.uint16) << 8) | 7

UNUSUAL_FILES: dict[str, Make] = {
    "grey.jpg": _bytes(lambda: encoded(".jpg", image=picture()[..., 0])),
    "progressive.jpg": _bytes(progressive),
    "held sideways.jpg": _bytes(lambda: oriented(b"\6\0\0\0")),
    "held like nothing.jpg": _bytes(lambda: oriented(b"\xff\xff\0\0")),
    "broken notes.jpg": _bytes(lambda: patched(oriented(b"\6\0\0\0"), 12, b"\xff" * 20)),
    "film behind.jpg": _bytes(lambda: _JPEG + video()),
    "deep.png": _bytes(lambda: encoded(".png", image=_DEEP)),
    "deep.tif": _bytes(lambda: encoded(".tif", image=_DEEP)),
    "clear.png": _bytes(lambda: encoded(".png", image=np.dstack([picture(), picture()[..., 0]]))),
    "one bit.png": _bytes(lambda: png(64, 48, 1, 0, _rows(64, 48, b"\x0f" * 8))),
    "palette.png": _bytes(lambda: png(64, 48, 4, 3, _rows(64, 48, b"\x1f" * 32), _PALETTE)),
    "packed notes.png": _bytes(lambda: png(64, 48, 8, 0, _rows(64, 48, bytes(64)), _NOTES)),
    "one pixel.png": _bytes(lambda: encoded(".png", image=picture()[:1, :1])),
    "one line.bmp": _bytes(lambda: encoded(".bmp", image=picture()[:1])),
    "really a png.jpg": _bytes(lambda: _PNG),
    "really a gif.png": _bytes(lambda: gif(1)),
    "still.gif": _bytes(lambda: gif(1)),
    "moving.gif": _bytes(gif),
    "moving.webp": _bytes(webp),
    "really a mkv.mp4": _bytes(lambda: video(".mkv")),
    "odd.mp4": _bytes(lambda: video(size=(63, 47))),
    "jpegs.avi": _bytes(lambda: other_video("avi", "mjpeg")),
    "lying head.avi": _bytes(lying_head),
    "loud.MP4": _bytes(video),
    " spaces .png": _bytes(lambda: _PNG),
    "line\nbreak.png": _bytes(lambda: _PNG),
    "tab\tand bell\a.png": _bytes(lambda: _PNG),
    "\x1b[31mred.png": _bytes(lambda: _PNG),
    "--out.png": _bytes(lambda: _PNG),
    "-.png": _bytes(lambda: _PNG),
    "a:b.mp4": _bytes(video),
    "%d.mp4": _bytes(video),
    "quotes'\".png": _bytes(lambda: _PNG),
    "é, ü, 顔 and 🙂.png": _bytes(lambda: _PNG),
    f"{'long' * 62}.png": _bytes(lambda: _PNG),
    os.fsdecode(b"not \xff utf-8.png"): _bytes(lambda: _PNG),
}
"""What is unusual about each is in its name."""
