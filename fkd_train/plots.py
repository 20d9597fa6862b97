"""Pictures of a run: curves, sheets of faces, the first layer's filters, errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import nn

from fkd_infer.annotate import Annotator
from fkd_infer.crop import Floats, Pixels, transform
from fkd_infer.imagefile import write_image
from fkd_infer.metrics import ced, nme
from fkd_infer.types import Face, Frame
from fkd_infer.wholefile import whole_file, writing
from fkd_train.augment import Sampler
from fkd_train.data import Faces
from fkd_train.evaluate import Evaluation
from fkd_train.models import LandmarkNet
from fkd_train.runlog import Row

TILE = 224
_INK = "#222222"
_BLUE, _ORANGE = "#2f6fb7", "#d9702b"


def plot_run(
    out: Path,
    log: Sequence[Row],
    network: LandmarkNet,
    sampler: Sampler,
    faces: Faces,
    evaluation: Evaluation,
) -> None:
    """All plots of a run into `<out>/plots/`."""
    folder = out / "plots"
    folder.mkdir(parents=True, exist_ok=True)
    errors = nme(evaluation.points, faces.points, faces.scheme)
    spread = np.linspace(0, len(faces) - 1, min(12, len(faces))).astype(int)
    worst = np.argsort(-errors)[:12]
    _save(curves(log), folder / "curves.png")
    _save(ced_curve(errors), folder / "ced.png")
    _save(first_filters(network, sampler, faces), folder / "filters.png")
    for name, rows in (("faces", spread), ("worst", worst)):
        sheet = face_sheet(faces, evaluation.points, rows, errors, sampler)
        write_image(folder / f"{name}.png", sheet)


def curves(log: Sequence[Row]) -> Figure:
    """Loss, NME and the seed's figure over the epochs."""
    epochs = [row["epoch"] for row in log]
    panels = [
        ("train_loss", "training loss", "mean over points"),
        ("nme", "NME on the evaluation faces", "% of interocular distance"),
        ("seed_mse", "MSE on the evaluation faces", "((px - 100) / 50)², central 224 crop"),
    ]
    figure = Figure(figsize=(13, 3.6), layout="constrained")
    axes = figure.subplots(1, len(panels))
    for axis, (key, title, unit) in zip(axes, panels, strict=True):
        values = [row[key] for row in log]
        axis.plot(epochs, values, color=_BLUE, marker="." if len(log) < 30 else "")
        axis.set(title=f"{title}\nlast {values[-1]:.4g}", xlabel="epoch", ylabel=unit)
        # A long run starts so high that its end would lie on the axis.
        top = max(values) if len(log) < 30 else float(np.percentile(values, 95))
        axis.set_ylim(0, 1.05 * top)
        _clean(axis)
    return figure


def ced_curve(errors: Floats, limit: float = 15.0) -> Figure:
    """Cumulative error distribution of faces' NME."""
    figure = Figure(figsize=(5, 4), layout="constrained")
    axis = figure.subplots()
    x, y = ced(errors, limit)
    axis.step(x, 100 * y, where="post", color=_BLUE)
    axis.axvline(10, color=_ORANGE, linewidth=1, linestyle="--")
    title = f"mean {errors.mean():.2f} %, {100 * np.mean(errors > 10):.1f} % of faces above 10 %"
    axis.set(title=title, xlabel="NME, % of interocular distance", ylabel="% of faces below")
    axis.set(xlim=(0, limit), ylim=(0, 100))
    _clean(axis)
    return figure


def first_filters(network: LandmarkNet, sampler: Sampler, faces: Faces, count: int = 16) -> Figure:
    """The first convolution's filters, and below each what it makes of a face."""
    first = next(module for module in network.modules() if isinstance(module, nn.Conv2d))
    weights = first.weight.detach().float().cpu().mean(dim=1).numpy()[:count]
    matrix = sampler.matrix(faces.images[0], faces.points[0])
    pixels = sampler.cut(faces.images[0], matrix)
    planes = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255
    with torch.inference_mode():
        maps = first(planes.to(first.weight)).float().cpu().numpy()[0, :count]
    columns = -(-len(weights) // 2)
    figure = Figure(figsize=(1.4 * columns, 5.8), layout="constrained")
    axes = figure.subplots(4, columns)
    figure.suptitle("first layer: filters, and their response to a face")
    for number in range(2 * columns):
        row, column = divmod(number, columns)
        for axis, images in ((axes[2 * row, column], weights), (axes[2 * row + 1, column], maps)):
            axis.axis("off")
            if number < len(images):
                axis.imshow(images[number], cmap="gray")
    return figure


def face_sheet(
    faces: Faces, points: Floats, rows: NDArray[np.intp], errors: Floats, sampler: Sampler
) -> Pixels:
    """Pairs of crops, three a line: true points left, predicted right, with the face's NME."""
    pairs = [
        np.hstack(
            [
                _tile(faces, row, faces.points[row], sampler, "true"),
                _tile(faces, row, points[row], sampler, f"NME {errors[row]:.1f} %"),
            ]
        )
        for row in rows
    ]
    blank = np.full_like(pairs[0], 255)
    pairs += [blank] * (-len(pairs) % 3)
    lines = [np.hstack(pairs[start : start + 3]) for start in range(0, len(pairs), 3)]
    return np.asarray(np.vstack(lines), dtype=np.uint8)


def _tile(faces: Faces, row: int, points: Floats, sampler: Sampler, text: str) -> Pixels:
    large = replace(sampler, size=TILE)
    enlarged = large.matrix(faces.images[row], faces.points[row])
    pixels = large.cut(faces.images[row], enlarged)
    colour = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR), dtype=np.uint8)
    moved = transform(points, enlarged)
    face = Face(moved, np.array([0, 0, TILE, TILE], np.float32))
    drawn = Annotator(faces.scheme, ("points",))(Frame(colour, "sheet"), [face]).image
    for ink, width in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        place = (6, TILE - 8)
        cv2.putText(drawn, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, ink, width, cv2.LINE_AA)
    return drawn


def _clean(axis: Axes) -> None:
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(alpha=0.25)
    axis.tick_params(colors=_INK)


def _save(figure: Figure, path: Path) -> None:
    with whole_file(path) as partial, writing(path):
        figure.savefig(partial, dpi=110, format="png")
