"""The picture of docs/explanation/agreement.md: what the cards of shipped files say of parity."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

import fkd_infer
from fkd_train.export.landmarks import FP32_BUDGET_PX

_MODELS = ("fkdnet", "fkdnet-large", "naimishnet", "fkdnet-int8", "fkdnet-large-int8")
_COLOUR, _LIMIT = "#00796b", "#c62828"
_SIZE_INCHES, _DPI = (8.0, 2.9), 100


def draw(folder: Path) -> None:
    """Writes agreement.png."""
    figure = Figure(_SIZE_INCHES, layout="constrained")
    axes = figure.subplots()
    for row, model in enumerate(_MODELS):
        parity = fkd_infer.load(model).card.parity
        assert parity is not None, model
        spread = [parity.mean_px, parity.largest_px]
        axes.plot(spread, [row, row], color=_COLOUR, linewidth=1, alpha=0.5)
        axes.plot(spread[0], row, "o", color=_COLOUR, label=None if row else "mean")
        axes.plot(spread[1], row, "D", color=_COLOUR, label=None if row else "largest")
    axes.axvline(FP32_BUDGET_PX, color=_LIMIT, linestyle="--", label="limit of fp32 files")
    axes.set_xscale("log")
    axes.set(
        xlim=(1e-6, 20), xlabel="difference from the checkpoint, pixels of a crop of 128 × 128"
    )
    axes.set_yticks(range(len(_MODELS)), _MODELS)
    axes.invert_yaxis()
    axes.grid(axis="x", alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="lower left", frameon=False)
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / "agreement.png", dpi=_DPI, metadata={"Software": None})
