"""How videos are encoded: containers, codecs and their settings in libav."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fkd_infer.choices import DEFAULT_QUALITY, Codec
from fkd_infer.errors import OutputError

CONTAINERS = {
    ".mp4": "mp4",
    ".m4v": "mp4",
    ".mov": "mov",
    ".mkv": "matroska",
    ".webm": "webm",
}
"""Suffixes that videos can be written with, and libav's names of their formats."""


@dataclass(frozen=True, slots=True)
class Encoder:
    """An encoder of libav.

    `worst` and `default` are its constant rate factors at quality 0 and at the default quality.
    `odd_format` is the pixel format for odd sizes, None if it encodes only even ones. `suffixes`
    are those of files in which players expect the codec.
    """

    name: str
    options: dict[str, str]
    worst: int
    default: int
    odd_format: str | None = "yuv444p"
    suffixes: tuple[str, ...] = (".mp4", ".m4v", ".mov", ".mkv")


_WEB = (".webm", ".mp4", ".m4v", ".mkv")
_ENCODERS: dict[Codec, Encoder] = {
    "h264": Encoder("libx264", {"preset": "veryfast"}, 51, 20),
    "h265": Encoder("libx265", {"preset": "veryfast", "x265-params": "log-level=none"}, 51, 24),
    "vp9": Encoder(
        "libvpx-vp9",
        {"deadline": "realtime", "cpu-used": "6", "row-mt": "1", "b": "0"},
        63,
        31,
        suffixes=_WEB,
    ),
    "av1": Encoder("libsvtav1", {"preset": "10"}, 63, 32, odd_format=None, suffixes=_WEB),
}
"""A file of a suffix has the first that it may have, unless another one is asked for."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """A codec, None for the usual one of a file's suffix, and a quality from 0 to 100, None for the
    default.

    The quality sets a constant rate factor, so that hard scenes get more bits. With
    `strip_metadata`, pictures and videos are written without that of their originals; the place of
    a video is only kept with `keep_location`.
    """

    codec: Codec | None = None
    quality: int | None = None
    strip_metadata: bool = False
    keep_location: bool = False

    def encoder(self, path: Path) -> Encoder:
        """The encoder for a file; raises OutputError if a file of its name holds no such video."""
        suffix = path.suffix.lower()
        if suffix not in CONTAINERS:
            raise OutputError(path, f"a video's name ends in {', '.join(CONTAINERS)}")
        usual = {name: one for name, one in _ENCODERS.items() if suffix in one.suffixes}
        if self.codec is None:
            return next(iter(usual.values()))
        if self.codec not in usual:
            why = f"{suffix} does not hold {self.codec}"
            raise OutputError(path, why, f"choose --codec {' or '.join(usual)}")
        return usual[self.codec]

    def options(self, encoder: Encoder) -> dict[str, str]:
        """An encoder's options, rate factor included."""
        default, worst = encoder.default, encoder.worst
        quality = DEFAULT_QUALITY if self.quality is None else self.quality
        factor = round(worst - (worst - default) * quality / DEFAULT_QUALITY)
        return {**encoder.options, "crf": str(factor)}

    def pixel_format(self, path: Path, width: int, height: int) -> str:
        """Returns libav's name of the pixel format for frames of a size.

        Raises OutputError, which names the output's `path`, if the codec has none.
        """
        if width % 2 == height % 2 == 0:
            return "yuv420p"
        odd = self.encoder(path).odd_format
        if odd is None:
            why = f"{self.codec} cannot encode frames of {width}x{height}"
            able = [name for name, one in _ENCODERS.items() if _holds_odd(one, path)]
            raise OutputError(path, why, f"choose --codec {able[0]}")
        return odd


def _holds_odd(encoder: Encoder, path: Path) -> bool:
    """Whether a file may have frames of odd sizes by this encoder."""
    return encoder.odd_format is not None and path.suffix.lower() in encoder.suffixes
