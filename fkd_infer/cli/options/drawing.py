"""Options for what is drawn on faces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from fkd_infer.choices import DEFAULT_DRAW_LAYERS, DRAW_LAYERS, DrawLayer
from fkd_infer.cli.options.group import Decorator, NameOrPath, group

if TYPE_CHECKING:
    from fkd_infer.drawing.overlay import Overlay
    from fkd_infer.pipeline import Pipeline


def layers_to_draw(
    layers: tuple[DrawLayer, ...], filters: tuple[str, ...]
) -> tuple[DrawLayer, ...]:
    """The layers that were asked for; without any, none beside filters, or else the default."""
    return layers or (() if filters else DEFAULT_DRAW_LAYERS)


def draw_option(help: str) -> Decorator:
    """The option --draw, whose layers go through `layers_to_draw`."""
    return click.option(
        "--draw",
        "layers",
        type=click.Choice(DRAW_LAYERS),
        multiple=True,
        show_default=f"{', '.join(DEFAULT_DRAW_LAYERS)}; none with --filter",
        help=help,
    )


@dataclass(frozen=True)
class DrawingOptions:
    """Names of the layers and filters to draw on faces."""

    layers: tuple[DrawLayer, ...]
    filters: tuple[str, ...]

    def overlay(self, pipeline: Pipeline) -> Overlay:
        """The overlay; without layers it draws the filters alone, or else the default layers."""
        from fkd_infer.drawing.annotator import Annotator
        from fkd_infer.drawing.overlay import Overlay
        from fkd_infer.filters.filter import load_filters

        scheme = pipeline.card.landmarks
        layers = layers_to_draw(self.layers, self.filters)
        filters = load_filters(self.filters, scheme) if self.filters else None
        return Overlay(Annotator(scheme, layers), filters)


drawing_options = group(
    "drawing",
    DrawingOptions,
    "Drawing",
    layers=draw_option(
        "Draw this layer; may be repeated. mesh: triangles between points; numbers: those of "
        "points, where there is room."
    ),
    filters=click.option(
        "--filter",
        "filters",
        type=NameOrPath(),
        metavar="NAME|DIR",
        multiple=True,
        help="Draw this filter (see fkd-infer filters list), or a pack's folder; may be repeated.",
    ),
)
"""Adds `drawing`: what is drawn on faces."""
