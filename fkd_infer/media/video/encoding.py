"""How videos are encoded: containers, codecs and their settings in libav."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fkd_infer.choices import DEFAULT_CODEC, DEFAULT_QUALITY, Codec
from fkd_infer.errors import OutputError

CONTAINERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}
"""Suffixes that videos can be written with, and libav's names of their formats."""


@dataclass(frozen=True, slots=True)
class Encoder:
    """An encoder of libav.

    `worst` and `default` are its constant rate factors at quality 0 and at the default quality.
    `odd_format` is the pixel format for odd sizes, None if it encodes only even ones. `in_mov` says
    whether players expect the codec in QuickTime files.
    """

    name: str
    options: dict[str, str]
    worst: int
    default: int
    odd_format: str | None = "yuv444p"
    in_mov: bool = True


_ENCODERS: dict[Codec, Encoder] = {
    "h264": Encoder("libx264", {"preset": "veryfast"}, 51, 20),
    "h265": Encoder("libx265", {"preset": "veryfast", "x265-params": "log-level=none"}, 51, 24),
    "vp9": Encoder(
        "libvpx-vp9",
        {"deadline": "realtime", "cpu-used": "6", "row-mt": "1", "b": "0"},
        63,
        31,
        in_mov=False,
    ),
    "av1": Encoder("libsvtav1", {"preset": "10"}, 63, 32, odd_format=None, in_mov=False),
}


@dataclass(frozen=True, slots=True)
class Encoding:
    """A codec and a quality from 0 to 100; None is the default quality.

    The quality sets a constant rate factor, so that hard scenes get more bits. With
    `strip_metadata`, pictures and videos are written without that of their originals; the place of
    a video is only kept with `keep_location`.
    """

    codec: Codec = DEFAULT_CODEC
    quality: int | None = None
    strip_metadata: bool = False
    keep_location: bool = False

    @property
    def encoder(self) -> Encoder:
        """The codec's encoder."""
        return _ENCODERS[self.codec]

    @property
    def options(self) -> dict[str, str]:
        """The encoder's options, rate factor included."""
        default, worst = self.encoder.default, self.encoder.worst
        quality = DEFAULT_QUALITY if self.quality is None else self.quality
        factor = round(worst - (worst - default) * quality / DEFAULT_QUALITY)
        return {**self.encoder.options, "crf": str(factor)}

    def check_container(self, path: Path) -> None:
        """Raises OutputError unless a file of this name can hold the codec."""
        suffix = path.suffix.lower()
        if suffix not in CONTAINERS:
            raise OutputError(path, f"a video's name ends in {', '.join(CONTAINERS)}")
        if suffix == ".mov" and not self.encoder.in_mov:
            why = f".mov does not hold {self.codec}"
            raise OutputError(path, why, "choose --codec h264 or h265")

    def pixel_format(self, path: Path, width: int, height: int) -> str:
        """Returns libav's name of the pixel format for frames of a size.

        Raises OutputError, which names the output's `path`, if the codec has none.
        """
        if width % 2 == height % 2 == 0:
            return "yuv420p"
        if self.encoder.odd_format is None:
            why = f"{self.codec} cannot encode frames of {width}x{height}"
            raise OutputError(path, why, "choose --codec h264")
        return self.encoder.odd_format
