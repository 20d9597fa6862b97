"""A network of one's own, as the text of a module, and the module's import in a test."""

from __future__ import annotations

from collections.abc import Callable

WriteModule = Callable[[str, str], None]
"""Writes a module by its name and its text, so that the test can import it."""

HEADER = "import torch\nfrom torch import nn\n"
POINTS = (
    HEADER
    + """
class Points(nn.Module):
    def __init__(self, spec):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(spec.channels, 4, 3, 2, 1),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(16, 2 * spec.points),
        )
        self.points, self.gain = spec.points, spec.options.get("gain", 1.0)

    def forward(self, planes):
        return (self.gain * self.layers(planes)).unflatten(1, (self.points, 2)).sigmoid()

class Maps(nn.Sequential):
    def __init__(self, spec):
        super().__init__(
            nn.Conv2d(spec.channels, 8, 3, 4, 1), nn.ReLU(), nn.Conv2d(8, 8, 3, 2, 1), nn.ReLU()
        )
"""
)
"""`Points` gives shares of the crop, `Maps` a feature map for a head."""
