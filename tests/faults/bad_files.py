"""Files that cannot be read, with the error that names each, and unusual files that can be read."""

from __future__ import annotations

import os
import socket
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from faults.media_bytes import (
    apng,
    bmp,
    bomb,
    damaged_video,
    encoded,
    false_size,
    frame_header,
    gif,
    huge_frames,
    oriented,
    other_video,
    patched,
    picture,
    pillow,
    png,
    png_chunk,
    progressive,
    scans,
    sound,
    tiff,
    video,
    vp8l,
    webp,
)

from fkd_infer.media.images.webp import canvas_chunk, chunk, webp_file

Make = Callable[[Path], None]
"""Creates a file."""


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
    os.chdir(path.parent)  # socket names are limited to about 100 bytes
    try:
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(path.name)
    finally:
        os.chdir(here)


def _reaching_far(data: bytes) -> bytes:
    """A GIF whose second picture lies far outside of its screen."""
    at = data.rindex(b"\x2c\0\0\0\0")
    return patched(data, at + 1, b"\0\xff" * 2)


def _end_first(data: bytes) -> bytes:
    """A PNG that ends before its pixels, which announce four gigabytes."""
    at = data.index(b"IDAT") - 4
    return data[:at] + png_chunk(b"IEND", b"") + b"\xff" + data[at + 1 :]


def _size_later(data: bytes) -> bytes:
    """An animated PNG whose first chunk is not its size."""
    at = data.index(b"acTL") - 4
    return data[:8] + data[at : at + 20] + data[8:at] + data[at + 20 :]


def _stated_twice(data: bytes) -> bytes:
    """A PNG with a second size, which is vast."""
    size = struct.pack(">II", 1 << 28, 1 << 28)
    return data[:33] + png_chunk(b"IHDR", size + data[24:29]) + data[33:]


_DEEP = (picture().astype(np.uint16) << 8) | 7
_CUT = "cut short"
_NO_IMAGE = "not an image"
_NO_VIDEO = "cannot be read as a video"
_LARGE = "pixels, but 250 million are allowed"
_JPEG, _PNG, _WEBP = encoded(".jpg"), encoded(".png"), encoded(".webp")

BAD_FILES: dict[str, tuple[Make, str]] = {
    # empty, or another format
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
    "text.jpg": (_bytes(lambda: b"not a picture\n" * 50), _NO_IMAGE),
    "text.mp4": (_bytes(lambda: b"not a video\n" * 50), _NO_VIDEO),
    "page.jpg": (_bytes(lambda: b"<!DOCTYPE html><html><body>404</body></html>"), _NO_IMAGE),
    "drawing.png": (_bytes(lambda: b'<svg xmlns="http://www.w3.org/2000/svg"/>'), _NO_IMAGE),
    "archive.png": (_bytes(lambda: b"PK\3\4" + bytes(200)), _NO_IMAGE),
    "document.jpg": (_bytes(lambda: b"%PDF-1.7\n" + bytes(200)), _NO_IMAGE),
    "jpeg 2000.jpg": (_bytes(lambda: b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(99)), "damaged"),
    "grey map.png": (_bytes(lambda: b"P5 100000 100000 255\n" + bytes(99)), _LARGE),
    "radiance.jpg": (_bytes(lambda: b"#?RADIANCE\n\n-Y 99999 +X 99999\n" + bytes(9)), _NO_IMAGE),
    "sound.mp4": (_bytes(sound), "holds no video stream"),
    "photo.mp4": (_bytes(lambda: _PNG), _NO_VIDEO),
    # cut short
    "cut.jpg": (_bytes(lambda: _JPEG[: len(_JPEG) // 2]), _CUT),
    "cut in its head.jpg": (_bytes(lambda: _JPEG[:30]), _CUT),
    "cut progressive.jpg": (_bytes(lambda: progressive()[:-400]), _CUT),
    "cut.png": (_bytes(lambda: _PNG[: len(_PNG) // 2]), _CUT),
    "cut.webp": (_bytes(lambda: _WEBP[: len(_WEBP) // 2]), _CUT),
    "cut.heic": (_bytes(lambda: pillow("HEIF")[:-200]), "cannot be read as an image"),
    "cut.avif": (_bytes(lambda: pillow("AVIF")[:-100]), "cannot be read as an image"),
    "cut.jp2": (_bytes(lambda: pillow("JPEG2000")[:-900]), "cannot be read as an image"),
    "cut.ppm": (_bytes(lambda: encoded(".ppm")[:3000]), _CUT),
    "cut animated.png": (_bytes(lambda: apng()[:-80]), _CUT),
    "cut.gif": (_bytes(lambda: gif(1)[:60]), "cannot be read as an image"),
    "cut animated.gif": (_bytes(lambda: gif()[:-40]), _CUT),
    "cut animated.webp": (_bytes(lambda: webp()[:-40]), _CUT),
    "cut.bmp": (_bytes(lambda: encoded(".bmp")[:500]), "cannot be read as an image"),
    "cut.tif": (_bytes(lambda: encoded(".tif")[:60]), "cannot be read as an image"),
    "cut.mp4": (_bytes(lambda: video()[:-300]), _NO_VIDEO),
    "cut.mkv": (_bytes(lambda: video(".mkv", 60)[:-2500]), _CUT),
    "cut.avi": (_bytes(lambda: other_video("avi", "mjpeg", 60)[:-9000]), "damaged or missing"),
    # too large
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
        _bytes(lambda: webp_file(canvas_chunk(2**24, 2**24, 0) + chunk(b"VP8 ", b""))),
        _LARGE,
    ),
    "vast lossless.webp": (_bytes(lambda: vp8l(16_384, 16_384)), _LARGE),
    "vast animated.webp": (_bytes(lambda: patched(webp(), 24, b"\xff" * 6)), _LARGE),
    "vast.gif": (_bytes(lambda: patched(gif(1), 6, b"\xff" * 4)), _LARGE),
    "vast animated.gif": (_bytes(lambda: patched(gif(), 6, b"\xff" * 4)), _LARGE),
    "two sizes.png": (_bytes(lambda: _stated_twice(_PNG)), "states several sizes"),
    "two sizes animated.png": (_bytes(lambda: _stated_twice(apng())), "states several sizes"),
    "late size.png": (_bytes(lambda: _size_later(apng())), "states several sizes"),
    "end before deep pixels.png": (_bytes(lambda: _end_first(encoded(".png", image=_DEEP))), _CUT),
    "vast picture.gif": (_bytes(lambda: _reaching_far(gif())), _LARGE),
    "end before pixels.png": (_bytes(lambda: _end_first(_PNG)), _CUT),
    "vast frames.avi": (_bytes(huge_frames), _NO_VIDEO),
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
    "no directory.tif": (_bytes(lambda: tiff(64, 48, 10**6)), "damaged"),
    "no pixels.tif": (_bytes(lambda: tiff(64, 48)), "cannot be read as an image"),
    "no chunks.webp": (_bytes(lambda: b"RIFF\x04\0\0\0WEBP"), "does not say its size"),
    "wrong chunk.webp": (
        _bytes(lambda: webp_file(chunk(b"VP8 ", bytes(40)))),
        "does not say its size",
    ),
    "damaged.mp4": (_bytes(damaged_video), "damaged or missing"),
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
    # not regular files
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
"""How each file is made, and a part of its error; "" if it is not a source."""


def _rows(width: int, height: int, row: bytes) -> bytes:
    return zlib.compress(b"".join(b"\0" + row for _ in range(height)))


_PALETTE = png_chunk(b"PLTE", bytes(range(48)))
_NOTES = png_chunk(b"zTXt", b"note\0\0" + zlib.compress(bytes(10**7)))

PARTLY_READABLE = {"cut.mkv": "cut.mkv", "cut.avi": "cut.avi.mp4", "damaged.mp4": "damaged.mp4"}
"""Bad files of which most can be decoded, with the names of their outputs."""
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
    "real numbers.tif": _bytes(lambda: encoded(".tif", image=picture().astype(np.float32))),
    "levels.pgm": _bytes(lambda: encoded(".pgm", image=picture()[..., 0])),
    "from a phone.heic": _bytes(lambda: pillow("HEIF")),
    "really a jpeg.heic": _bytes(lambda: _JPEG),
    "of today.avif": _bytes(lambda: pillow("AVIF")),
    "of the film.jp2": _bytes(lambda: pillow("JPEG2000")),
    "one pixel.png": _bytes(lambda: encoded(".png", image=picture()[:1, :1])),
    "one line.bmp": _bytes(lambda: encoded(".bmp", image=picture()[:1])),
    "really a png.jpg": _bytes(lambda: _PNG),
    "really a gif.png": _bytes(lambda: gif(1)),
    "still.gif": _bytes(lambda: gif(1)),
    "moving.gif": _bytes(gif),
    "moving.webp": _bytes(webp),
    "moving.png": _bytes(apng),
    "really a mkv.mp4": _bytes(lambda: video(".mkv")),
    "odd.mp4": _bytes(lambda: video(size=(63, 47))),
    "jpegs.avi": _bytes(lambda: other_video("avi", "mjpeg")),
    "lying head.avi": _bytes(false_size),
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
"""Each name says what is unusual."""
