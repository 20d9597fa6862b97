"""Plots that compare networks, each in a colour of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from fkd_infer.geometry.arrays import Floats
from fkd_train.evaluation.metrics import Array
from fkd_train.evaluation.presence import ScoreBin
from fkd_train.reports.plots import add_legend, line_styles, style_axes

_UNIT = "NME, % of interocular distance"
_MIN_FACES = 10
"""Smallest number of faces in an outermost bin, if there are enough."""


@dataclass(frozen=True)
class Bin:
    """Faces with values from `low` to `high`, and their median NME by network."""

    low: float
    high: float
    count: int
    medians: dict[str, float]


def binned(values: Array, errors: Mapping[str, Array], steps: Sequence[float]) -> list[Bin]:
    """Groups faces' errors (n,) by bins of their values (n,), divided at `steps`.

    The outermost bins extend to the extreme values and have several faces; a bin without a face is
    merged into the one before.
    """
    outside = [min(np.sum(values < step), np.sum(values >= step)) for step in steps]
    inner = [step for step, count in zip(steps, outside, strict=True) if count >= _MIN_FACES]
    numbers = np.digitize(values, inner)
    filled = np.unique(numbers).tolist()
    lows = [float(values.min()), *(float(inner[number - 1]) for number in filled[1:])]
    highs = [*lows[1:], float(values.max())]
    return [
        _bin(low, high, numbers == number, errors)
        for low, high, number in zip(lows, highs, filled, strict=True)
    ]


def _bin(low: float, high: float, inside: NDArray[np.bool_], errors: Mapping[str, Array]) -> Bin:
    medians = {name: float(np.median(values[inside])) for name, values in errors.items()}
    return Bin(low, high, int(inside.sum()), medians)


def error_by_bin(bins: Sequence[Bin], label: str) -> Figure:
    """Plots median errors by bin above the number of faces in each bin."""
    names = list(bins[0].medians)
    figure = Figure(figsize=(5, 3.8 + 0.22 * len(names)), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    places = np.arange(len(bins)) + 0.5
    for name, style in zip(names, line_styles(), strict=False):
        upper.plot(places, [b.medians[name] for b in bins], marker="o", **style)
    upper.set(ylabel=f"median {_UNIT}".replace(", ", ",\n"))
    upper.set_ylim(0, 1.1 * max(max(b.medians.values()) for b in bins))
    add_legend(figure, upper.lines, names)
    bars = lower.bar(places, [b.count for b in bins], width=0.9, color="#bbbbbb")
    lower.bar_label(bars, fontsize=8)
    lower.margins(y=0.25)
    edges = [bins[0].low, *(b.high for b in bins)]
    lower.set_xticks(range(len(edges)), [f"{edge:.0f}" for edge in edges])
    lower.set(xlabel=label, ylabel="faces")
    lower.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    for axis in (upper, lower):
        style_axes(axis)
    return figure


def grouped_bars(values: Mapping[str, Mapping[str, float]]) -> Figure:
    """Plots a group of bars per row, with a bar per network, of `values[network][row]`."""
    rows = list(next(iter(values.values())))
    thickness = 0.8 / len(values)
    figure = Figure(figsize=(5, 1.1 + 0.2 * len(rows) * (len(values) + 0.6)), layout="constrained")
    axis = figure.subplots()
    for number, (row, style) in enumerate(zip(values.values(), line_styles(), strict=False)):
        places = np.arange(len(rows)) + (number - (len(values) - 1) / 2) * thickness
        widths = [row[key] for key in rows]
        bars = axis.barh(places, widths, 0.92 * thickness, color=style["color"])
        axis.bar_label(bars, fmt="%.1f", padding=2, fontsize=8)
    labels = [row.replace("_", " ") for row in rows]
    axis.set_yticks(range(len(rows)), labels, parse_math=False)
    axis.invert_yaxis()
    axis.margins(x=0.12, y=0.02)
    axis.set(xlabel=_UNIT)
    add_legend(figure, axis.patches[:: len(rows)], list(values))
    style_axes(axis)
    axis.grid(visible=False, axis="y")
    return figure


def reliability(bins: Mapping[str, Sequence[ScoreBin]]) -> Figure:
    """Plots the mean quality of the points against the score, by network; the diagonal is ideal."""
    figure = Figure(figsize=(5, 3.8 + 0.22 * len(bins)), layout="constrained")
    axis = figure.subplots()
    for rows, style in zip(bins.values(), line_styles(), strict=False):
        scores, qualities = [row.score for row in rows], [row.quality for row in rows]
        axis.plot(scores, qualities, marker="o", markersize=4, **style)
    axis.plot([0, 1], [0, 1], color="#888888", linewidth=1, linestyle=":")
    axis.set(xlabel="score", ylabel="mean quality of the points, 0 without a face")
    axis.set(xlim=(0, 1), ylim=(0, 1))
    add_legend(figure, axis.lines, list(bins))
    style_axes(axis)
    return figure


def point_errors_on_face(face: Floats, errors: Mapping[str, Array]) -> Figure:
    """Plots the mean face (k, 2) per network, its points as discs by their errors (k,); points
    without an error, NaN, are left out."""
    columns = min(2, len(errors))
    lines = -(-len(errors) // columns)
    figure = Figure(figsize=(3.1 * columns + 0.8, 3.2 * lines + 0.2), layout="constrained")
    axes = figure.subplots(lines, columns, squeeze=False).ravel()
    lowest, highest = np.nanmin(list(errors.values())), np.nanmax(list(errors.values()))
    for axis, (name, values) in zip(axes, errors.items(), strict=False):
        known = ~np.isnan(values)
        sizes = 160 * (values[known] / highest) ** 2
        discs = axis.scatter(
            *face[known].T, sizes, values[known], cmap="viridis_r", vmin=lowest, vmax=highest
        )
        axis.set_title(name, fontsize=9, parse_math=False)
        axis.set_aspect("equal")
        axis.invert_yaxis()
    for axis in axes:
        axis.axis("off")
    figure.colorbar(discs, ax=axes.tolist(), label=_UNIT, shrink=0.8)
    return figure
