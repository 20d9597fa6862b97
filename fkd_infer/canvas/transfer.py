"""Transfer functions of SDR and HDR: from signals, 0 to 1, to light in cd/m², and back.

SDR is shown with its white at that of HDR's graphics, 203 cd/m² (ITU-R BT.2408), and by BT.1886.
PQ is SMPTE ST 2084; HLG is that of BT.2100 for a display of 1000 cd/m², whose system gamma is
applied to each channel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
WHITE = 203.0
"""cd/m² of a white page."""
HDR_PEAK = 1000.0
"""cd/m² of the brightest light of HDR, if the video does not state it."""
_SDR_GAMMA = 2.4
_HLG_GAMMA = 1.2
_M1, _M2 = 2610 / 16384, 2523 / 32
_C1, _C2, _C3 = 3424 / 4096, 2413 / 128, 2392 / 128
_A, _B, _C = 0.17883277, 0.28466892, 0.55991073


class Transfer(Protocol):
    """A transfer function."""

    def light(self, signal: Values) -> Values:
        """Light, in cd/m², of signals from 0 to 1."""
        ...

    def signal(self, light: Values) -> Values:
        """Signals, from 0 to 1, of light in cd/m²; what is brighter than its peak is 1."""
        ...


@dataclass(frozen=True, slots=True)
class Sdr:
    """BT.1886, in which all SDR is graded."""

    def light(self, signal: Values) -> Values:
        """Light, in cd/m², of signals from 0 to 1."""
        return WHITE * np.clip(signal, 0, 1) ** _SDR_GAMMA

    def signal(self, light: Values) -> Values:
        """Signals, from 0 to 1, of light in cd/m²."""
        return np.asarray(np.clip(light / WHITE, 0, 1) ** (1 / _SDR_GAMMA))


@dataclass(frozen=True, slots=True)
class Pq:
    """SMPTE ST 2084, whose signals stand for light."""

    def light(self, signal: Values) -> Values:
        """Light, in cd/m², of signals from 0 to 1 (equation 4.1)."""
        root = np.clip(signal, 0, 1) ** (1 / _M2)
        return np.asarray(1e4 * (np.maximum(root - _C1, 0) / (_C2 - _C3 * root)) ** (1 / _M1))

    def signal(self, light: Values) -> Values:
        """Signals, from 0 to 1, of light in cd/m² (equation 5.1)."""
        power = np.clip(light / 1e4, 0, 1) ** _M1
        return np.asarray(((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2)


@dataclass(frozen=True, slots=True)
class Hlg:
    """The hybrid log-gamma of BT.2100."""

    def light(self, signal: Values) -> Values:
        """Light, in cd/m², of signals from 0 to 1 (BT.2100, table 5)."""
        signal = np.clip(signal, 0, 1)
        scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - _C) / _A) + _B) / 12)
        return np.asarray(HDR_PEAK * scene**_HLG_GAMMA)

    def signal(self, light: Values) -> Values:
        """Signals, from 0 to 1, of light in cd/m²."""
        scene = np.clip(light / HDR_PEAK, 0, 1) ** (1 / _HLG_GAMMA)
        dark, bright = np.sqrt(3 * scene), _A * np.log(np.maximum(12 * scene - _B, 1e-9)) + _C
        return np.asarray(np.where(scene <= 1 / 12, dark, bright))


def tone_mapped(light: Values, peak: float = HDR_PEAK) -> Values:
    """Light of HDR, in cd/m², as SDR shows it: up to `peak`, brought below WHITE.

    The extended operator of Reinhard et al. (2002), equation 4.
    """
    relative, brightest = light / WHITE, max(peak, WHITE) / WHITE
    mapped = relative * (1 + relative / brightest**2) / (1 + relative)
    return np.asarray(WHITE * np.minimum(mapped, 1))
