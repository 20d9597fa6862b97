"""What the numbers of a video's pictures mean: matrix, range, transfer, primaries, bit depth.

Tags are the code points of ITU-T H.273, which all formats and libav use.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fkd_infer.canvas.canvas import Colour
from fkd_infer.canvas.transfer import HDR_PEAK, Hlg, Pq, Sdr, Transfer, Values, tone_mapped
from fkd_infer.choices import Blend
from fkd_infer.geometry.arrays import Floats, Matrix, Pixels

UNSPECIFIED = 2
BT709, BT601, BT2020 = 1, 6, 9
PQ, HLG = 16, 18
_WEIGHTS = {
    BT709: (0.2126, 0.0722),
    4: (0.30, 0.11),
    5: (0.299, 0.114),
    BT601: (0.299, 0.114),
    7: (0.212, 0.087),
    BT2020: (0.2627, 0.0593),
    10: (0.2627, 0.0593),
}
"""Weights of red and blue in luma, by matrix (H.273, table 4)."""
BT709_IN_BT2020 = np.array(
    [[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]]
)
"""From linear BT.709 to linear BT.2020, red first (ITU-R BT.2087)."""


@dataclass(frozen=True, slots=True)
class MasteringDisplay:
    """The display that HDR was graded on (SMPTE ST 2086): red, green, blue and white point as CIE
    x and y, and its darkest and brightest light, in cd/m²."""

    primaries: tuple[tuple[float, float], ...]
    white: tuple[float, float]
    luminance: tuple[float, float]


@dataclass(frozen=True, slots=True)
class ColourSpace:
    """The tags of a video's pictures; `full_range` is None where it is not stated.

    `hd` says that they are of the size at which players take those without a matrix for BT.709
    instead of BT.601. HDR has `mastering`, `content_light`, the lightest pixel and the lightest
    frame in cd/m² (CTA-861.3), and names of what describes each frame in `dynamic`.
    """

    matrix: int = UNSPECIFIED
    primaries: int = UNSPECIFIED
    transfer: int = UNSPECIFIED
    full_range: bool | None = None
    bits: int = 8
    hd: bool = False
    mastering: MasteringDisplay | None = field(default=None, compare=False)
    content_light: tuple[int, int] | None = field(default=None, compare=False)
    dynamic: frozenset[str] = field(default=frozenset(), compare=False)

    @property
    def dtype(self) -> type[np.uint8] | type[np.uint16]:
        """The type of its planes."""
        return np.uint8 if self.bits == 8 else np.uint16

    @property
    def is_hdr(self) -> bool:
        """Whether it is PQ or HLG."""
        return self.transfer in (PQ, HLG)

    @property
    def is_wide(self) -> bool:
        """Whether its primaries are those of BT.2020."""
        return self.primaries == BT2020

    @property
    def curve(self) -> Transfer:
        """Its transfer function."""
        curves: dict[int, Transfer] = {PQ: Pq(), HLG: Hlg()}
        return curves.get(self.transfer, Sdr())

    @property
    def peak(self) -> float:
        """The brightest light of HDR, in cd/m²."""
        if self.transfer == PQ and self.content_light and self.content_light[0]:
            return float(self.content_light[0])
        if self.transfer == PQ and self.mastering is not None:
            return self.mastering.luminance[1]
        return HDR_PEAK

    @property
    def effective_matrix(self) -> int:
        """The matrix that players take: the stated one, or that of the size."""
        return self.matrix if self.matrix in _WEIGHTS else (BT709 if self.hd else BT601)

    @property
    def black_and_scale(self) -> tuple[float, float]:
        """The number that stands for black, and how far white is above it."""
        unit = 1 << (self.bits - 8)
        return (0, (1 << self.bits) - 1) if self.full_range else (16 * unit, 219 * unit)

    @property
    def neutral_and_scale(self) -> tuple[float, float]:
        """The chroma of gray, and the range of chroma."""
        unit = 1 << (self.bits - 8)
        return 128 * unit, (1 << self.bits) - 1 if self.full_range else 224 * unit

    def _gain(self, factor: float) -> float:
        """The factor of its signals that is like this one of SDR's, for light about white."""
        if not self.is_hdr:
            return factor
        white = np.array([1.0, factor])
        full, scaled = self.curve.signal(Sdr().light(white)).tolist()
        return float(scaled / full)

    def picture(self, picture: Pixels, blend: Blend, gain: float = 1.0) -> NDArray[Any]:
        """A picture BGRA (h, w, 4), colours times alpha, in these colours, and these times `gain`.

        Normal ones become luma, blue and red chroma, and alpha up to the type's maximum; those
        that are multiplied or screened stay BGRA.
        """
        values = np.asarray(picture / np.float32(255), np.float32)
        if self.is_hdr or self.is_wide:
            values = self._regraded(values, blend)
        values[..., :3] *= self._gain(gain)
        if blend != "normal":
            return np.rint(255 * values).astype(np.uint8)
        planes, full = cv2.transform(values, self._from_bgra), np.iinfo(self.dtype).max
        stacked = np.concatenate([planes, full * values[..., 3:]], axis=-1)
        return np.asarray(np.rint(stacked).clip(0, full), self.dtype)

    def mark(self, colour: Colour) -> tuple[int, ...]:
        """Luma and chroma of a colour at 8 bits, and full opacity."""
        return _mark(self, colour)

    @property
    def from_bgr(self) -> Matrix:
        """The matrix (3, 3) from B', G', R', 0 to 1, to luma above black and chroma beside gray."""
        return _from_bgr(self)

    @property
    def zeros(self) -> tuple[float, float, float]:
        """Black in luma, and gray in both chromas."""
        neutral = self.neutral_and_scale[0]
        return self.black_and_scale[0], neutral, neutral

    @property
    def to_bgr(self) -> Matrix:
        """The matrix (3, 4) from luma and chroma to B', G', R', 0 to 1."""
        return _to_bgr(self)

    def gray(self, luma: NDArray[Any], out: Pixels | None = None) -> Pixels:
        """Luma from 0 to 255, as SDR shows it: HDR's is tone-mapped."""
        if self.bits > 8:
            luma = cv2.convertScaleAbs(luma, dst=out, alpha=1 / (1 << (self.bits - 8)))
        return np.asarray(cv2.LUT(luma, _gray_table(self, self.peak), dst=out), np.uint8)

    @property
    def _from_bgra(self) -> Matrix:
        """The matrix (3, 4) for colours times alpha, with alpha."""
        return np.column_stack([self.from_bgr, np.array(self.zeros)])

    def _regraded(self, values: Floats, blend: Blend) -> Floats:
        """A picture (h, w, 4) of SDR and BT.709, 0 to 1, in this transfer and these primaries."""
        alpha = values[..., 3:]
        light = Sdr().light(values[..., :3] / np.maximum(alpha, 1e-6))
        if self.is_wide:
            light = light @ BT709_IN_BT2020[::-1, ::-1].T
        signal = self.curve.signal(light)
        if blend == "multiply":  # white keeps what is below
            signal /= self.curve.signal(Sdr().light(np.ones(1)))
        return np.concatenate([signal * alpha, alpha], axis=-1, dtype=np.float32).clip(0, 1)


@lru_cache(maxsize=8)
def _from_bgr(space: ColourSpace) -> Matrix:
    red, blue = _WEIGHTS[space.effective_matrix]
    luma = np.array([blue, 1 - red - blue, red])
    of_blue = (np.array([1.0, 0, 0]) - luma) / (2 * (1 - blue))
    of_red = (np.array([0, 0, 1.0]) - luma) / (2 * (1 - red))
    scale, chroma_scale = space.black_and_scale[1], space.neutral_and_scale[1]
    return np.stack([luma * scale, of_blue * chroma_scale, of_red * chroma_scale])


@lru_cache(maxsize=8)
def _to_bgr(space: ColourSpace) -> Matrix:
    back = np.linalg.inv(space.from_bgr)
    return np.column_stack([back, -back @ np.array(space.zeros)])


@lru_cache(maxsize=64)
def _mark(space: ColourSpace, colour: Colour) -> tuple[int, ...]:
    opaque = np.array([[[*colour, 255]]], np.uint8)
    values = space.picture(opaque, "normal")[0, 0, :3] / (1 << (space.bits - 8))
    return (*np.rint(values).astype(int).tolist(), 255)


@lru_cache(maxsize=8)
def _gray_table(space: ColourSpace, peak: float) -> Pixels:
    """The gray of each number of luma, at 8 bits; `peak` is not part of a space's equality."""
    black, scale = replace(space, bits=8).black_and_scale
    signal: Values = ((np.arange(256) - black) / scale).clip(0, 1)
    if space.is_hdr:
        signal = Sdr().signal(tone_mapped(space.curve.light(signal), peak))
    return np.asarray(np.rint(255 * signal), np.uint8)
