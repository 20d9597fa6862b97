"""Measurements with known figures, for tests of what reads results."""

from __future__ import annotations

from pathlib import Path

from benchmarks.harness.results import Figure, Measurement, Recorder

CPU = {"device": "cpu", "batch": "1", "threads": "1"}


def latency(contender: str, p50: float, sha256: str = "x", model: str = "net.onnx") -> Measurement:
    figures = {
        "p50": Figure(p50, "ms", 0.99 * p50, 1.01 * p50, "lower"),
        "p99": Figure(2 * p50, "ms"),
    }
    return Measurement("latency", model, contender, CPU, figures, sha256, (p50, p50))


def accuracy(name: str, nme: float, sha256: str) -> Measurement:
    figures = {"NME": Figure(nme, "%", nme - 0.1, nme + 0.1)}
    conditions = {"split": "official", "boxes": "points"}
    return Measurement("accuracy", name, "as fkd-eval", conditions, figures, sha256)


def speed(value: float) -> Measurement:
    figures = {"speed": Figure(value, "frames/s", 0.99 * value, 1.01 * value, "higher")}
    return Measurement("pipeline", "720p-1", "fkd-infer", {"figures": "speed"}, figures)


def write_results(path: Path, *measurements: Measurement) -> Path:
    recorder = Recorder(path, lambda _: None)
    for measurement in measurements:
        recorder.add(measurement)
    return path
