"""Plots of a run: training curves, sheets of faces, first-layer filters, and errors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor, nn

from fkd_infer.drawing.marks import WHITE_TEXT, draw_outlined_text
from fkd_infer.geometry.arrays import Floats, Pixels, bgr_image
from fkd_infer.geometry.transforms import transform
from fkd_infer.media.images.writing import write_image
from fkd_infer.system.files.atomic import atomic_write, output_errors
from fkd_train.config.landmarks import LandmarkRecipe
from fkd_train.data.crop_sampler import CropSampler
from fkd_train.data.faces import Faces
from fkd_train.evaluation.accuracy import Evaluation, evaluation_matrices
from fkd_train.evaluation.metrics import Array, LogRow, ced
from fkd_train.evaluation.predict import convention_offsets, torch_predict
from fkd_train.models.landmarks import LandmarkNet
from fkd_train.reports.point_marks import draw_points

TILE = 224
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
"""Distinguishable with every kind of colour vision (Okabe & Ito, Color Universal Design, 2008)."""
_INK = "#222222"
_BLUE = COLOURS[0]


def plot_run(
    out: Path,
    log: Sequence[LogRow],
    recipe: LandmarkRecipe,
    network: LandmarkNet,
    faces: Faces,
    evaluation: Evaluation,
) -> None:
    """Writes all plots of a run into `<out>/plots/`."""
    folder, sampler = out / "plots", CropSampler.of(recipe)
    folder.mkdir(parents=True, exist_ok=True)
    errors = evaluation.face_errors
    spread = np.linspace(0, len(faces) - 1, min(12, len(faces))).astype(int)
    worst = np.argsort(-errors)[:12]
    save_figure(curves(log), folder / "curves.png")
    save_figure(ced_curve(errors), folder / "ced.png")
    if figure := first_filters(network, sampler, faces):
        save_figure(figure, folder / "filters.png")
    if offsets := convention_offsets(network, recipe):
        assert recipe.convention is not None
        figure = convention_arrows(offsets, recipe.convention, mean_crop_face(faces, sampler))
        save_figure(figure, folder / "conventions.png")
    for name, rows in (("faces", spread), ("worst", worst)):
        sheet = face_sheet(faces, evaluation.points, rows, errors, sampler)
        write_image(folder / f"{name}.png", sheet)


def curves(log: Sequence[LogRow]) -> Figure:
    """Plots loss, NME and, of ibug68, seed MSE by epoch; what has no last value is left out."""
    epochs = [row["epoch"] for row in log]
    known = [
        ("train_loss", "training loss", "mean over points"),
        ("nme", "NME on the evaluation faces", "% of interocular distance"),
        ("seed_mse", "MSE on the evaluation faces", "((px - 100) / 50)², central 224 crop"),
    ]
    panels = [panel for panel in known if np.isfinite(log[-1].get(panel[0], np.nan))]
    figure = Figure(figsize=(13 / 3 * len(panels), 3.6), layout="constrained")
    axes = figure.subplots(1, len(panels))
    for axis, (key, title, unit) in zip(axes, panels, strict=True):
        values = [row[key] for row in log]
        axis.plot(epochs, values, color=_BLUE, marker="." if len(log) < 30 else "")
        axis.set(title=f"{title}\nlast {values[-1]:.4g}", xlabel="epoch", ylabel=unit)
        # The high start of a long run would flatten its end.
        top = max(values) if len(log) < 30 else float(np.percentile(values, 95))
        axis.set_ylim(0, 1.05 * top)
        style_axes(axis)
    return figure


def ced_curve(errors: Array, limit: float = 15.0) -> Figure:
    """Plots the cumulative distribution of faces' NME (n,)."""
    figure = ced_curves({"": errors}, limit)
    title = f"mean {errors.mean():.2f} %, {100 * np.mean(errors > 10):.1f} % of faces above 10 %"
    figure.axes[0].set(title=title)
    return figure


def ced_curves(errors: Mapping[str, Array], limit: float = 15.0) -> Figure:
    """Plots the cumulative distributions of several networks, by name."""
    figure = Figure(figsize=(5, 3.8 + 0.22 * len(errors)), layout="constrained")
    axis = figure.subplots()
    for values, style in zip(errors.values(), line_styles(), strict=False):
        x, y = ced(values, limit)
        axis.step(x, 100 * y, where="post", **style)
    axis.axvline(10, color=_INK, linewidth=1, linestyle=":")
    axis.set(xlabel="NME, % of interocular distance", ylabel="% of faces below")
    axis.set(xlim=(0, limit), ylim=(0, 100))
    add_legend(figure, axis.lines, list(errors))
    style_axes(axis)
    return figure


def mean_crop_face(faces: Faces, sampler: CropSampler) -> Floats:
    """The mean face (n, 2) in its crop, as shares of the crop's side."""
    matrices = evaluation_matrices(faces, sampler)
    mean: Floats = (transform(faces.points, matrices).mean(axis=0) + 0.5) / sampler.size
    return mean


def convention_arrows(
    offsets: Mapping[str, Floats], convention: str, face: Floats, enlarged: float = 4.0
) -> Figure:
    """Plots how data sets place the points of the mean face (n, 2) elsewhere than `convention`, as
    arrows that are several times as long as the offsets (n, 2)."""
    others = {name: moved for name, moved in offsets.items() if name != convention}
    figure = Figure(figsize=(4.6 * max(1, len(others)), 4.8), layout="constrained")
    axes = figure.subplots(1, max(1, len(others)), squeeze=False).ravel()
    for axis, (name, moved) in zip(axes, others.items(), strict=False):
        axis.plot(*face.T, ".", color=_INK, markersize=3)
        axis.update_datalim(face + enlarged * moved)  # quiver leaves room for their tails alone
        axis.quiver(
            *face.T,
            *(enlarged * moved).T,
            color=_BLUE,
            angles="xy",
            scale_units="xy",
            scale=1,
            width=0.005,
        )
        axis.set_title(f"{name} against {convention}", fontsize=10, parse_math=False)
        axis.set_xlabel(
            f"arrows {enlarged:g} times as long as the offsets; {_size_text(moved, face)}"
        )
        axis.set_aspect("equal")
        axis.invert_yaxis()
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    return figure


def _size_text(moved: Floats, face: Floats) -> str:
    """The mean length of offsets on a face."""
    lengths = np.linalg.norm(moved, axis=1)
    width = float(np.ptp(face, axis=0).max())
    return f"mean {100 * float(lengths.mean()) / width:.1f} % of the face"


def add_legend(figure: Figure, handles: Sequence[Artist], names: Sequence[str]) -> None:
    """Adds names of several networks above a plot, without interpreting mathematical notation."""
    if len(names) == 1:
        return
    legend = figure.legend(handles[: len(names)], names, loc="outside upper left", frameon=False)
    for text in legend.get_texts():
        text.set_parse_math(False)


def line_styles() -> Iterator[dict[str, Any]]:
    """Yields a line style per network; dashes distinguish repeated colours."""
    for dash in cycle(("-", "--", ":")):
        yield from ({"color": colour, "linestyle": dash} for colour in COLOURS)


def first_filters(
    network: LandmarkNet, sampler: CropSampler, faces: Faces, count: int = 16
) -> Figure | None:
    """Plots the first convolution's filters, and the response of each to a face below it; None for
    a network without convolutions."""
    first = next((module for module in network.modules() if isinstance(module, nn.Conv2d)), None)
    if first is None:
        return None
    weights = first.weight.detach().float().cpu().mean(dim=1).numpy()[:count]
    matrix = sampler.matrix(faces.images[0], faces.points[0])
    maps = _response(network, first, sampler.cut(faces.images[0], matrix))[:count]
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


def _response(network: LandmarkNet, layer: nn.Module, pixels: Pixels) -> Floats:
    """What a layer of the network outputs (c, h, w) for a crop (S, S, C)."""
    outputs: list[Tensor] = []
    hook = layer.register_forward_hook(lambda _layer, _inputs, output: outputs.append(output))
    with hook:
        torch_predict(network, next(network.parameters()).device)(pixels[None])
    maps: Floats = outputs[0][0].float().cpu().numpy()
    return maps


def face_sheet(
    faces: Faces, points: Floats, rows: NDArray[np.intp], errors: Array, sampler: CropSampler
) -> Pixels:
    """Draws pairs of crops, three per line: labelled points left, predicted right, with the NME."""
    labelled = faces.labelled_points
    pairs = [
        np.hstack(
            [
                _tile(faces, row, labelled[row], sampler, "true"),
                _tile(faces, row, points[row], sampler, f"NME {errors[row]:.1f} %"),
            ]
        )
        for row in rows
    ]
    blank = np.full_like(pairs[0], 255)
    pairs += [blank] * (-len(pairs) % 3)
    lines = [np.hstack(pairs[start : start + 3]) for start in range(0, len(pairs), 3)]
    return np.asarray(np.vstack(lines), dtype=np.uint8)


def _tile(faces: Faces, row: int, points: Floats, sampler: CropSampler, text: str) -> Pixels:
    large = replace(sampler, size=TILE)
    enlarged = large.matrix(faces.images[row], faces.points[row])
    pixels = large.cut(faces.images[row], enlarged)
    drawn = pixels.copy() if large.in_colour else bgr_image(pixels[..., 0])
    draw_points(drawn, transform(points, enlarged))
    draw_outlined_text(drawn, text, (6, TILE - 8), 0.5, WHITE_TEXT)
    return drawn


def style_axes(axis: Axes) -> None:
    """Applies the style of all plots: two spines and a faint grid."""
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(alpha=0.25)
    axis.set_axisbelow(True)
    axis.tick_params(colors=_INK)


def save_figure(figure: Figure, path: Path) -> None:
    """Writes a PNG atomically."""
    with atomic_write(path) as partial, output_errors(path):
        figure.savefig(partial, dpi=110, format="png")
