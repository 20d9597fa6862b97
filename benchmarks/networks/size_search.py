"""Searches for fkdnet's size: trains one network per point, and compares accuracy on new people
with latency."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from benchmarks.networks.flops import count_work
from benchmarks.networks.latency import time_models
from fkd_infer.system.files.atomic import atomic_write, output_errors
from fkd_train.checkpoints import load_landmark_network
from fkd_train.data.dataset import load_evaluation
from fkd_train.data.faces import Faces
from fkd_train.evaluation.accuracy import evaluate
from fkd_train.evaluation.predict import open_model
from fkd_train.export.landmarks import export_landmarks
from fkd_train.reports.plots import save_figure, style_axes

HERE = Path(__file__).parent
BASE = HERE / "size_search_base.toml"


@dataclass(frozen=True)
class SearchPoint:
    """A network of the search: its name, a description, and its changes to the base recipe."""

    name: str
    note: str
    changes: tuple[str, ...]

    @property
    def folder(self) -> str:
        """Name of its run folder."""
        return re.sub(r"[^a-z0-9.]+", "-", self.name)


@dataclass(frozen=True)
class PointResult:
    """Errors in %, and milliseconds per call at batch 1 on one and two threads."""

    name: str
    note: str
    nme: float
    failure_rate_10: float
    weights: int
    multiply_adds: int
    file_bytes: int
    ms_1_thread: float
    ms_2_threads: float


def read_points(file: Path = HERE / "size_search.toml") -> list[SearchPoint]:
    """Reads the points of a search file."""
    table = tomllib.loads(file.read_text())
    return [SearchPoint(p["name"], p["note"], tuple(p["set"])) for p in table["point"]]


def search_sizes(data: Path, out: Path, workers: int, blocks: int) -> list[str]:
    """Trains missing networks, measures all, writes search.jsonl, search.md and search.png.

    Returns the lines of the Markdown table.
    """
    points = read_points()
    for point in points:
        _train(point, data, out / point.folder, workers)
    files = [_exported(out / point.folder) for point in points]
    times = [_medians(files, threads, blocks) for threads in (1, 2)]
    faces = load_evaluation(data, "identity")
    results = [
        _measured(point, faces, out / point.folder, file, times[0][file], times[1][file])
        for point, file in zip(points, files, strict=True)
    ]
    _write(out / "search.jsonl", "".join(json.dumps(asdict(f)) + "\n" for f in results))
    lines = table(results)
    _write(out / "search.md", "\n".join(lines) + "\n")
    save_figure(plot(results), out / "search.png")
    return lines


def _train(point: SearchPoint, data: Path, run: Path, workers: int) -> None:
    """Trains a point in its run folder, or resumes it; does nothing if it is complete."""
    if (run / "plots").is_dir():
        return
    command = [sys.executable, "-m", "fkd_train.cli.train", "--recipe", str(BASE)]
    command += ["--data", str(data), "--out", str(run), "--workers", str(workers)]
    for change in point.changes:
        command += ["--set", change]
    if (run / "recipe.json").exists():
        command.append("--resume")
    subprocess.run(command, check=True)  # the command is fkd-train  # nosec B603


def _exported(run: Path) -> Path:
    file = run / "model.onnx"
    if not file.exists():
        export_landmarks(run / "last.pt", file)
    return file


def _medians(files: list[Path], threads: int, blocks: int) -> dict[Path, float]:
    times = time_models(files, batch=1, threads=threads, blocks=blocks)
    return {file: 1000 * float(np.median(values)) for file, values in times.items()}


def _measured(
    point: SearchPoint, faces: Faces, run: Path, file: Path, one: float, two: float
) -> PointResult:
    predict, sampler = open_model(file)
    accuracy = evaluate(predict, faces, sampler).accuracy
    network, _, _ = load_landmark_network(run / "last.pt")
    return PointResult(
        point.name,
        point.note,
        accuracy.nme,
        accuracy.failure_rate_10,
        sum(parameter.numel() for parameter in network.parameters()),
        count_work(file).all.total,
        file.stat().st_size,
        one,
        two,
    )


def table(results: list[PointResult]) -> list[str]:
    """The lines of a Markdown table."""
    head = (
        "| network | NME | failure rate | weights | multiply-adds | file | 1 thread | 2 threads |"
    )
    rows = [
        f"| {f.note} | {f.nme:.2f} | {f.failure_rate_10:.2f} | {f.weights / 1e6:.2f} M "
        f"| {f.multiply_adds / 1e6:.0f} M | {f.file_bytes / 1e6:.1f} MB "
        f"| {f.ms_1_thread:.2f} ms | {f.ms_2_threads:.2f} ms |"
        for f in results
    ]
    return [head, "|---" * 8 + "|", *rows]


def plot(results: list[PointResult]) -> Figure:
    """NME against latency on one thread; lower left is better."""
    figure = Figure(figsize=(9, 4.8), layout="constrained")
    axis = figure.subplots()
    # Numbers instead of names, which would overlap.
    for number, f in enumerate(results, start=1):
        axis.scatter(
            f.ms_1_thread, f.nme, s=36 * len(str(number)), marker=f"${number}$", label=f.name
        )
    figure.legend(loc="outside right upper", frameon=False, fontsize=9)
    axis.set(
        title="fkdnet's search: accuracy on new people against latency, 40 epochs each",
        xlabel="ONNX Runtime, batch 1, one thread, ms",
        ylabel="NME on held-out people, %",
    )
    axis.margins(x=0.15, y=0.1)
    style_axes(axis)
    return figure


def _write(path: Path, text: str) -> None:
    with atomic_write(path) as partial, output_errors(path):
        partial.write_text(text)
