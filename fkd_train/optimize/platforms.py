"""Which platforms this machine can stand for in timings."""

from __future__ import annotations

from fkd_infer.choices import Platform
from fkd_infer.system.hardware import DOT_PRODUCTS, cpu_features

_VNNI = {"avx_vnni", "avx512_vnni", "amx_int8"}
_ARM = {"asimddp", "i8mm"}


def runs_here(platform: Platform) -> bool:
    """Returns whether this machine's timings hold for a platform."""
    features = set(cpu_features())
    match platform:
        case "any":
            return True
        case "avx2":
            return "avx2" in features and not features & DOT_PRODUCTS
        case "vnni":
            return bool(features & _VNNI)
        case "arm":
            return bool(features & _ARM)
