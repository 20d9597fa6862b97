"""The plots of a report of measurements."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import cycle

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Picture

from benchmarks.harness.results import Figure, Measurement
from benchmarks.networks.contenders import OURS
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
"""Under which conditions latency is set against accuracy."""


def latency_bars(measurements: Sequence[Measurement]) -> dict[str, Picture]:
    """A picture for each network: a panel for each batch, down, and number of threads, across."""
    own = [m for m in measurements if m.command == "latency"]
    return {
        _file_name(model): _bars(model, [m for m in own if m.model == model])
        for model in dict.fromkeys(m.model for m in own)
    }


def _bars(model: str, rows: Sequence[Measurement]) -> Picture:
    batches = _in_order(m.conditions["batch"] for m in rows)
    threads = _in_order(m.conditions["threads"] for m in rows)
    names = list(dict.fromkeys(m.contender for m in rows))
    height = 0.9 + len(batches) * (0.6 + 0.26 * len(names))
    picture = Picture(figsize=(3.6 + 3.4 * len(threads), height), layout="constrained")
    axes = picture.subplots(len(batches), len(threads), squeeze=False, sharey=True)
    for line, batch in zip(axes, batches, strict=True):
        for axis, count in zip(line, threads, strict=True):
            wanted = {"batch": batch, "threads": count}
            found = {m.contender: m for m in rows if wanted.items() <= m.conditions.items()}
            _panel(axis, names, found)
            plural = "" if count == "1" else "s"
            axis.set_title(f"batch {batch}, {count} thread{plural}", fontsize=10)
    for axis in axes[-1]:
        axis.set_xlabel("p50 of a call, ms; lines: 95 % interval")
    picture.suptitle(f"{model}: shorter is faster", parse_math=False)
    return picture


def _panel(axis: Axes, names: Sequence[str], found: dict[str, Measurement]) -> None:
    for place, name in enumerate(names):
        if name not in found:
            continue
        p50 = found[name].figures["p50"]
        below, above = _arms(p50)
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
    """A point for each file that both were measured of; None where there is none.

    Latency is that of one crop on one thread under ONNX Runtime with fkd's settings; accuracy that
    of the split that most of the files were measured on.
    """
    times = {
        m.sha256: m.figures["p50"]
        for m in measurements
        if m.command == "latency"
        and (m.contender == OURS or m.contender.startswith(f"{OURS}: "))
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
    # The one with most files; people whom nobody trained on tell more, where both have as many.
    split = max(("identity", "official"), key=splits.count)
    chosen = [m for m in measured if m.conditions["split"] == split]
    return _scatter([(m.model, times[m.sha256], m.figures["NME"]) for m in chosen], split)


def _scatter(points: Sequence[tuple[str, Figure, Figure]], split: str) -> Picture:
    picture = Picture(figsize=(7.5, 4.2), layout="constrained")
    axis = picture.subplots()
    markers = zip(points, cycle(_MARKERS), cycle(COLOURS), strict=False)
    handles: list[Artist] = []
    for (_, time, error), marker, colour in markers:
        across, up = ([[low], [high]] for low, high in (_arms(time), _arms(error)))
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


def _arms(figure: Figure) -> tuple[float, float]:
    """How far the interval reaches below and above the value."""
    low = figure.value if figure.low is None else figure.low
    high = figure.value if figure.high is None else figure.high
    return max(0.0, figure.value - low), max(0.0, high - figure.value)


def _colour(contender: str) -> str:
    return next((c for family, c in _FAMILIES.items() if contender.startswith(family)), "#777777")


def _in_order(values: Iterable[str]) -> list[str]:
    return sorted(set(values), key=int)


def _file_name(model: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", model.removesuffix(".onnx"))
