"""Options that say what is drawn on faces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from fkd_infer.choices import DEFAULT_DRAW_LAYERS, DRAW_LAYERS, DrawLayer
from fkd_infer.cli.options.group import NameOrPath, group

if TYPE_CHECKING:
    from fkd_infer.drawing.overlay import Overlay
    from fkd_infer.pipeline import Pipeline


@dataclass(frozen=True)
class DrawingOptions:
    """What is drawn on faces, by name."""

    layers: tuple[DrawLayer, ...]
    filters: tuple[str, ...]

    def overlay(self, pipeline: Pipeline) -> Overlay:
        """What draws it; filters alone where they are given and no layer is."""
        from fkd_infer.drawing.annotator import Annotator
        from fkd_infer.drawing.overlay import Overlay
        from fkd_infer.filters.filter import load_filters

        scheme = pipeline.card.landmarks
        layers = self.layers or (() if self.filters else DEFAULT_DRAW_LAYERS)
        filters = load_filters(self.filters, scheme) if self.filters else None
        return Overlay(Annotator(scheme, layers), filters)


drawing_options = group(
    "drawing",
    DrawingOptions,
    layers=click.option(
        "--draw",
        "layers",
        type=click.Choice(DRAW_LAYERS),
        multiple=True,
        show_default="contours, points; none with --filter",
        help="What to draw; may be given several times.",
    ),
    filters=click.option(
        "--filter",
        "filters",
        type=NameOrPath(),
        metavar="NAME|DIR",
        multiple=True,
        help="A filter such as hat (fkd-infer filters list), or a pack's folder; several wear.",
    ),
)
"""Options that say what is drawn, for a command's argument `drawing`."""
