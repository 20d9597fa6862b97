"""Every name that an option takes; free of imports, so that --help is quick."""

from __future__ import annotations

from typing import Literal, get_args

CropProtocol = Literal["model", "image"]
Split = Literal["official", "identity"]
Block = Literal["plain", "residual"]
Head = Literal["direct", "simcc", "heatmap", "grid"]

CROP_PROTOCOLS: tuple[CropProtocol, ...] = get_args(CropProtocol)
SPLITS: tuple[Split, ...] = get_args(Split)
