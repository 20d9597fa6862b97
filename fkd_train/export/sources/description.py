"""What a user says about a network of others. Imports nothing heavy: `--help` reads it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from fkd_infer.geometry.rules import BoxRule, CropRule
from fkd_train.choices import ColorOrder, Layout, OutputUnit, Split


class InputShape(NamedTuple):
    """Side and channels of a network's square input."""

    side: int
    channels: int

    def __str__(self) -> str:
        return f"{self.side}x{self.side}x{self.channels}"


@dataclass(frozen=True)
class Description:
    """The options that describe a network of others; None for what is not said."""

    weights: Path | None = None
    scheme: str | None = None
    input: InputShape | None = None
    input_layout: Layout | None = None
    input_range: tuple[float, float] | None = None
    color: ColorOrder | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    output: OutputUnit | None = None
    points_output: str | None = None
    crop: CropRule | None = None
    boxes: tuple[tuple[str, BoxRule], ...] = ()
    split: Split | None = None
    as_stated: bool = False

    def given(self) -> list[str]:
        """The options that were given, as they are typed."""
        return [f"--{name.replace('_', '-')}" for name, value in vars(self).items() if value]
