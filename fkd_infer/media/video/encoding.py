"""How videos are encoded: containers, codecs and their settings in libav."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fkd_infer.canvas.colour_space import ColourSpace
from fkd_infer.choices import DEFAULT_QUALITY, Codec
from fkd_infer.errors import OutputError
from fkd_infer.media.video.picture import Fields

CONTAINERS = {
    ".mp4": "mp4",
    ".m4v": "mp4",
    ".mov": "mov",
    ".mkv": "matroska",
    ".webm": "webm",
}
"""Suffixes that videos can be written with, and libav's names of their formats."""


_Light = Callable[[ColourSpace], list[str]]
"""Makes an encoder's own settings that tell the mastering display and the lightest pixels."""


def _light(
    mastering: str, content: str, xy: Callable[[float], str], luminance: Callable[[float], str]
) -> _Light:
    """Names these two settings, and writes CIE's x and y, and cd/m², as an encoder reads them."""

    def settings(space: ColourSpace) -> list[str]:
        found = []
        if (display := space.mastering) is not None:
            red, green, blue = display.primaries
            points = {"G": green, "B": blue, "R": red, "WP": display.white}
            text = "".join(f"{name}({xy(x)},{xy(y)})" for name, (x, y) in points.items())
            darkest, brightest = map(luminance, display.luminance)
            found.append(f"{mastering}={text}L({brightest},{darkest})")
        if space.content_light is not None:
            found.append(f"{content}={space.content_light[0]},{space.content_light[1]}")
        return found

    return settings


def _fiftythousandths(value: float) -> str:
    return str(round(50_000 * value))


def _tenthousandths(value: float) -> str:
    return str(round(10_000 * value))


@dataclass(frozen=True, slots=True)
class Encoder:
    """An encoder of libav.

    `worst` and `default` are its constant rate factors at quality 0 and at the default quality.
    `suffixes` are those of files in which players expect the codec. It encodes up to `bits` a
    sample, and players decode up to `played_bits`; it encodes odd sizes, if at all, in 4:4:4,
    and `encodes_fields` and `encodes_alpha` say whether it tells the halves of interlaced pictures
    apart, and keeps transparency.
    `parameters` is libav's option for the encoder's own settings, and `light` makes those of them
    that tell the mastering display and the lightest pixels.
    """

    name: str
    options: dict[str, str]
    worst: int
    default: int
    suffixes: tuple[str, ...] = (".mp4", ".m4v", ".mov", ".mkv")
    bits: int = 10
    played_bits: int = 10
    encodes_odd_sizes: bool = True
    encodes_fields: bool = False
    encodes_alpha: bool = False
    parameters: str = ""
    light: _Light | None = None

    def settings(self, factor: int, space: ColourSpace, fields: Fields | None) -> dict[str, str]:
        """libav's options at a constant rate factor."""
        options = {**self.options, "crf": str(factor)}
        own = [options[self.parameters]] if self.parameters in options else []
        if self.encodes_fields and fields is not None:
            own.append("tff=1" if fields == "top" else "bff=1")
        if self.light is not None:
            own += self.light(space)
        if own:
            options[self.parameters] = ":".join(own)
        return options


_WEB = (".webm", ".mp4", ".m4v", ".mkv")
_ENCODERS: dict[Codec, Encoder] = {
    "h264": Encoder(
        "libx264",
        {"preset": "veryfast"},
        51,
        20,
        played_bits=8,
        encodes_fields=True,
        parameters="x264-params",
        light=_light("mastering-display", "cll", _fiftythousandths, _tenthousandths),
    ),
    "h265": Encoder(
        "libx265",
        {"preset": "superfast", "x265-params": "log-level=none"},
        51,
        22,
        parameters="x265-params",
        light=_light("master-display", "max-cll", _fiftythousandths, _tenthousandths),
    ),
    "vp9": Encoder(
        "libvpx-vp9",
        {"deadline": "realtime", "cpu-used": "6", "row-mt": "1", "b": "0"},
        63,
        31,
        _WEB,
        bits=8,
        played_bits=8,
        encodes_alpha=True,
    ),
    "av1": Encoder(
        "libsvtav1",
        {"preset": "10"},
        63,
        32,
        _WEB,
        encodes_odd_sizes=False,
        parameters="svtav1-params",
        light=_light("mastering-display", "content-light", "{:.5f}".format, "{:.4f}".format),
    ),
}
"""A file of a suffix has the first that it may have and that players decode at the depth, unless
another one is asked for."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """A codec, None for the usual one of a file's suffix and depth, and a quality from 0 to 100,
    None for the default.

    The quality sets a constant rate factor, so that hard scenes get more bits. With
    `strip_metadata`, pictures and videos are written without that of their originals; the place of
    a video is only kept with `keep_location`.
    """

    codec: Codec | None = None
    quality: int | None = None
    strip_metadata: bool = False
    keep_location: bool = False

    def encoder(self, path: Path, bits: int = 8) -> Encoder:
        """The encoder for a file of pictures of this depth.

        Raises OutputError if a file of its name holds no such video.
        """
        suffix = path.suffix.lower()
        if suffix not in CONTAINERS:
            raise OutputError(path, f"a video's name ends in {', '.join(CONTAINERS)}")
        usual = {name: one for name, one in _ENCODERS.items() if suffix in one.suffixes}
        if self.codec is None:
            return next(one for one in usual.values() if one.played_bits >= bits)
        if self.codec not in usual:
            why = f"{suffix} does not hold {self.codec}"
            raise OutputError(path, why, f"choose --codec {' or '.join(usual)}")
        return usual[self.codec]

    def options(
        self, encoder: Encoder, space: ColourSpace, fields: Fields | None = None
    ) -> dict[str, str]:
        """libav's options of an encoder for pictures in a colour space, perhaps interlaced."""
        default, worst = encoder.default, encoder.worst
        quality = DEFAULT_QUALITY if self.quality is None else self.quality
        factor = round(worst - (worst - default) * quality / DEFAULT_QUALITY)
        return encoder.settings(factor, space, fields)

    def pixel_format(self, path: Path, width: int, height: int, space: ColourSpace) -> str:
        """Returns libav's name of the pixel format for frames of a size.

        Raises OutputError, which names the output's `path`, if the codec has none.
        """
        encoder = self.encoder(path, space.bits)
        if space.is_hdr and encoder.bits < space.bits:
            why = f"{self.codec} is encoded at {encoder.bits} bits, and HDR needs {space.bits}"
            raise OutputError(path, why, "choose --codec av1, or --sdr")
        depth = "" if min(encoder.bits, space.bits) == 8 else "10le"
        if width % 2 == height % 2 == 0:
            return f"yuv420p{depth}"
        if encoder.encodes_odd_sizes:
            return f"yuv444p{depth}"
        able = (name for name, one in _ENCODERS.items() if _holds_odd(one, path, space.bits))
        codec = next(able, None)
        why = f"{encoder.name} cannot encode frames of {width}x{height}"
        fix = f"choose --codec {codec}" if codec else "give --out a name that ends in .mkv or .mp4"
        raise OutputError(path, why, fix)


def _holds_odd(encoder: Encoder, path: Path, bits: int) -> bool:
    """Whether a file may have frames of odd sizes and this depth by this encoder."""
    held = path.suffix.lower() in encoder.suffixes
    return encoder.encodes_odd_sizes and held and encoder.bits >= bits
