"""Draws the plots of a report."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import cycle

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Picture

from benchmarks.harness.results import Figure, Measurement
from benchmarks.networks.candidates import FKD_SETTINGS
from fkd_train.reports.plots import COLOURS, style_axes

_FAMILIES = {
    "torch": COLOURS[1],
    "TorchScript": COLOURS[1],
    "ONNX Runtime": COLOURS[0],
    "OpenVINO": COLOURS[2],
}
_INK = "#222222"
_MARKERS = "os^Dv"
_SHOWN = {"device": "cpu", "batch": "1", "threads": "1"}
"""Conditions of the latencies that are plotted against accuracy."""


def latency_bars(measurements: Sequence[Measurement]) -> dict[str, Picture]:
    """A picture per network: rows of panels by batch size, columns by number of threads."""
    own = [m for m in measurements if m.command == "latency"]
    return {
        _file_name(model): _bars(model, [m for m in own if m.model == model])
        for model in dict.fromkeys(m.model for m in own)
    }


def _bars(model: str, rows: Sequence[Measurement]) -> Picture:
    batches = _sorted_numbers(m.conditions["batch"] for m in rows)
    threads = _sorted_numbers(m.conditions["threads"] for m in rows)
    names = list(dict.fromkeys(m.contender for m in rows))
    height = 0.9 + len(batches) * (0.6 + 0.26 * len(names))
    picture = Picture(figsize=(3.6 + 3.4 * len(threads), height), layout="constrained")
    axes = picture.subplots(len(batches), len(threads), squeeze=False, sharey=True)
    for line, batch in zip(axes, batches, strict=True):
        for axis, count in zip(line, threads, strict=True):
            panel = {"batch": batch, "threads": count}
            measured = {m.contender: m for m in rows if panel.items() <= m.conditions.items()}
            _panel(axis, names, measured)
            plural = "" if count == "1" else "s"
            axis.set_title(f"batch {batch}, {count} thread{plural}", fontsize=10)
    for axis in axes[-1]:
        axis.set_xlabel("p50 of a call, ms; lines: 95 % interval")
    picture.suptitle(f"{model}: shorter is faster", parse_math=False)
    return picture


def _panel(axis: Axes, names: Sequence[str], measured: dict[str, Measurement]) -> None:
    for place, name in enumerate(names):
        if name not in measured:
            continue
        p50 = measured[name].figures["p50"]
        below, above = _error_bars(p50)
        axis.barh(
            place,
            p50.value,
            0.72,
            color=_colour(name),
            xerr=[[below], [above]],
            error_kw={"ecolor": _INK, "elinewidth": 1.2, "capsize": 2},
        )
        axis.annotate(
            f"{p50.value:.3g}",
            (p50.value + above, place),
            (4, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
        )
    axis.set_yticks(range(len(names)), names, fontsize=8)
    for label in axis.get_yticklabels():
        label.set_parse_math(False)
    axis.set_ylim(len(names) - 0.5, -0.5)
    axis.margins(x=0.16)
    axis.set_xlim(left=0)
    style_axes(axis)
    axis.grid(visible=False, axis="y")


def accuracy_against_latency(measurements: Sequence[Measurement]) -> Picture | None:
    """Plots each file with both measurements; None if there is none.

    Latency: one crop, one thread, ONNX Runtime with fkd's settings. Accuracy: the split on which
    most of the files were measured.
    """
    times = {
        m.sha256: m.figures["p50"]
        for m in measurements
        if m.command == "latency"
        and (m.contender == FKD_SETTINGS or m.contender.startswith(f"{FKD_SETTINGS}: "))
        and _SHOWN.items() <= m.conditions.items()
    }
    measured = [
        m
        for m in measurements
        if m.command == "accuracy" and m.sha256 in times and m.conditions["boxes"] == "points"
    ]
    if not measured:
        return None
    splits = [m.conditions["split"] for m in measured]
    # At a tie the identity split, whose people are in no training set.
    split = max(("identity", "official"), key=splits.count)
    plotted = [m for m in measured if m.conditions["split"] == split]
    return _scatter([(m.model, times[m.sha256], m.figures["NME"]) for m in plotted], split)


def _scatter(points: Sequence[tuple[str, Figure, Figure]], split: str) -> Picture:
    picture = Picture(figsize=(7.5, 4.2), layout="constrained")
    axis = picture.subplots()
    markers = zip(points, cycle(_MARKERS), cycle(COLOURS), strict=False)
    handles: list[Artist] = []
    for (_, time, error), marker, colour in markers:
        across, up = ([[low], [high]] for low, high in (_error_bars(time), _error_bars(error)))
        bars = axis.errorbar(
            time.value, error.value, up, across, fmt=marker, color=colour, capsize=3, alpha=0.8
        )
        handles.append(bars.lines[0])
    legend = picture.legend(
        handles, [name for name, *_ in points], loc="outside right upper", frameon=False, fontsize=9
    )
    for text in legend.get_texts():
        text.set_parse_math(False)
    axis.set(
        title=f"accuracy on the {split} split against latency",
        xlabel="p50 of one crop, one thread, ONNX Runtime with fkd's settings, ms",
        ylabel="NME, %; lower left is better; lines: 95 % intervals",
    )
    axis.margins(0.15)
    axis.set_xlim(left=0)
    style_axes(axis)
    return picture


def _error_bars(figure: Figure) -> tuple[float, float]:
    """Lengths of the error bars below and above the value."""
    low = figure.value if figure.low is None else figure.low
    high = figure.value if figure.high is None else figure.high
    return max(0.0, figure.value - low), max(0.0, high - figure.value)


def _colour(contender: str) -> str:
    return next((c for family, c in _FAMILIES.items() if contender.startswith(family)), "#777777")


def _sorted_numbers(values: Iterable[str]) -> list[str]:
    return sorted(set(values), key=int)


def _file_name(model: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", model.removesuffix(".onnx"))
