"""fkd beside other tools: faces found against time, and error against time.

The figures are those that docs/explanation/detector.md and docs/how-to/web.md state, with how they
were measured; whoever measures again changes them here and there.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

_OURS, _THEIRS = "#00796b", "#78909c"
_SIZE_INCHES, _DPI = (9.0, 3.6), 100


@dataclass(frozen=True)
class Tool:
    """A tool, its time in ms, and what it reaches in percent; `above` is where its name stands."""

    name: str
    milliseconds: float
    percent: float
    above: bool = True

    @property
    def colour(self) -> str:
        """Whether it is one of ours."""
        return _OURS if self.name.startswith("fkd") else _THEIRS


DETECTORS = (
    Tool("fkd", 5.3, 99.63, above=False),
    Tool("YuNet", 17.8, 100.0),
    Tool("Haar cascade", 37.6, 83.13),
)
BROWSERS = (
    Tool("fkd-web", 42, 3.5, above=False),
    Tool("face-api, its smallest networks", 61, 6.6, above=False),
    Tool("face-api", 277, 6.7),
)


def draw(folder: Path) -> None:
    """Writes peers.png."""
    figure = Figure(_SIZE_INCHES, layout="constrained")
    found, error = figure.subplots(1, 2)
    _scatter(found, DETECTORS, "ms a picture, one thread", "faces found, %")
    found.set(title="Finding faces (higher is better)", ylim=(80, 102), xlim=(3, 70))
    _scatter(
        error,
        BROWSERS,
        "ms a picture in a browser, two threads",
        "error of points, % of eye distance",
    )
    error.set(title="Points in the browser (lower is better)", ylim=(0, 8), xlim=(20, 500))
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / "peers.png", dpi=_DPI, metadata={"Software": None})


def _scatter(axes: Axes, tools: tuple[Tool, ...], time: str, reached: str) -> None:
    """Draws tools with their names, time on a logarithmic axis."""
    axes.set_xscale("log")
    ticks = [5, 10, 20, 50, 100, 200, 400]
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.minorticks_off()
    for tool in tools:
        axes.plot(tool.milliseconds, tool.percent, "o", color=tool.colour, markersize=9)
        axes.annotate(
            tool.name,
            (tool.milliseconds, tool.percent),
            (0, 9 if tool.above else -18),
            textcoords="offset points",
            ha="center",
            color=tool.colour,
        )
    axes.set(xlabel=time, ylabel=reached)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
