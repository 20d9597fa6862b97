"""Reports a comparison as one self-contained page, and its numbers as JSON."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jinja2 import Environment, StrictUndefined
from matplotlib import rc_context
from matplotlib.figure import Figure
from numpy.typing import NDArray

import fkd_infer
from fkd_infer.choices import MIN_PRESENCE
from fkd_infer.geometry.arrays import Floats, Pixels
from fkd_infer.system.files.atomic import atomic_write, output_errors
from fkd_train.data.dataset import folders_of
from fkd_train.data.faces import Faces
from fkd_train.evaluation.comparison import Comparison, Result
from fkd_train.evaluation.face_geometry import box_sides, mean_face, rolls, yaws
from fkd_train.evaluation.metrics import Array
from fkd_train.reports.comparison_plots import (
    Bin,
    binned,
    error_by_bin,
    grouped_bars,
    point_errors_on_face,
    reliability,
)
from fkd_train.reports.plots import ced_curves, face_sheet

SHEET_FACES = 6

_PROPERTIES: dict[str, tuple[str, Sequence[float]]] = {
    "size": (
        "longer side of the points' box, px",
        (24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024),
    ),
    "roll": ("roll, degrees", range(-175, 180, 5)),
    "yaw": ("estimated yaw, degrees", range(-80, 81, 10)),
}
"""Face properties that errors are plotted against: the axis label, and possible bin edges."""


def write_report(folder: Path, comparison: Comparison) -> Path:
    """Writes report.html and report.json into the folder; returns the page's path."""
    faces, results = comparison.faces, comparison.results
    face = mean_face(faces.points, faces.scheme)
    properties = _properties(faces)
    errors = {result.name: result.evaluation.face_errors for result in results}
    bins = {key: binned(values, errors, _PROPERTIES[key][1]) for key, values in properties.items()}
    numbers = {
        "head": _head(comparison),
        "names": faces.names,
        "shapes": {key: _rounded(values) for key, values in properties.items()},
        "bins": {key: [asdict(b) for b in some] for key, some in bins.items()},
        "mean_face": _rounded(face),
        "models": [_model(result) for result in results],
    }
    page = _environment().from_string(
        files("fkd_train.reports").joinpath("report.html").read_text()
    )
    figures = _figures(results, errors, bins, face)
    html = page.render(
        **numbers,
        plots={name: _svg(figure) for name, figure in figures.items()},
        sheets={result.name: _sheets(result) for result in results},
    )
    _write(folder / "report.json", json.dumps(numbers, indent=1, allow_nan=False) + "\n")
    _write(folder / "report.html", html)
    return folder / "report.html"


def _head(comparison: Comparison) -> dict[str, object]:
    protocol = comparison.protocol
    return {
        "data": ", ".join(str(folder.absolute()) for folder in folders_of(protocol.data)),
        "split": protocol.split,
        "crop": protocol.crop,
        "boxes": protocol.boxes,
        "scheme": comparison.faces.scheme.name,
        "faces": comparison.total,
        "measured": len(comparison.faces),
        "date": datetime.now().astimezone().isoformat(sep=" ", timespec="minutes"),
        "fkd": fkd_infer.__version__,
        "min_presence": MIN_PRESENCE,
    }


def _model(result: Result) -> dict[str, object]:
    names = result.evaluation.faces.names
    return {
        "name": result.name,
        "path": str(result.path),
        "file_bytes": result.file_bytes,
        "input_size": result.sampler.size,
        **result.metrics(),
        "face_errors": _rounded(result.evaluation.face_errors),
        "point_errors": _rounded(result.evaluation.mean_point_errors),
        "sheets": {
            title: [names[row] for row in rows]
            for title, rows in sheet_rows(result.evaluation.face_errors).items()
        },
    }


def _properties(faces: Faces) -> dict[str, Floats]:
    """Computes the values (n,) of each face property from the true points."""
    values = {"size": box_sides(faces.points), "roll": rolls(faces.points, faces.scheme)}
    yaw = yaws(faces.points, faces.scheme)
    return values if yaw is None else {**values, "yaw": yaw}


def sheet_rows(face_errors: Array) -> dict[str, NDArray[np.intp]]:
    """Selects the rows of the faces on each sheet by errors (n,)."""
    order = np.argsort(face_errors)
    middle = max(0, (len(order) - SHEET_FACES) // 2)
    return {
        "best": order[:SHEET_FACES],
        "median": order[middle : middle + SHEET_FACES],
        "worst": order[::-1][:SHEET_FACES],
    }


def _figures(
    results: Sequence[Result],
    errors: dict[str, Array],
    bins: dict[str, list[Bin]],
    face: Floats,
) -> dict[str, Figure]:
    figures = {
        "ced": ced_curves(errors),
        "regions": grouped_bars({r.name: r.evaluation.accuracy.regions for r in results}),
        "points": point_errors_on_face(
            face, {r.name: r.evaluation.mean_point_errors for r in results}
        ),
    }
    for key, some in bins.items():
        figures[key] = error_by_bin(some, _PROPERTIES[key][0])
    if results[0].robustness:
        rows = {r.name: {row.perturbation: row.nme for row in r.robustness} for r in results}
        figures["robustness"] = grouped_bars(rows)
    if scored := {r.name: r.score.bins for r in results if r.score}:
        figures["reliability"] = reliability(scored)
    return figures


def _sheets(result: Result) -> dict[str, str]:
    evaluation, errors = result.evaluation, result.evaluation.face_errors
    return {
        title: _jpeg(face_sheet(evaluation.faces, evaluation.points, rows, errors, result.sampler))
        for title, rows in sheet_rows(errors).items()
    }


def _environment() -> Environment:
    return Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )


def _svg(figure: Figure) -> str:
    content = BytesIO()
    # A fixed salt, so that the same figure gives the same file.
    with rc_context({"svg.hashsalt": "fkd"}):
        figure.savefig(content, format="svg", metadata={"Date": None})
    return _data_url("image/svg+xml", content.getvalue())


def _jpeg(pixels: Pixels) -> str:
    _, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 85])
    return _data_url("image/jpeg", data.tobytes())


def _data_url(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _rounded(values: Array) -> Any:
    """Converts to nested lists of numbers with four decimals, None for NaN."""
    rounded = values.astype(np.float64).round(4)
    return np.where(np.isnan(rounded), None, rounded).tolist()  # type: ignore[call-overload]


def _write(path: Path, text: str) -> None:
    with atomic_write(path) as partial, output_errors(path):
        partial.write_text(text, encoding="utf-8")
