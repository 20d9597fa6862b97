"""Decides whether a candidate replaces the fp32 file, and writes the files that are kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fkd_infer.system.files.atomic import atomic_write, output_errors
from fkd_infer.tuning.interleaved import paired_ratio

FASTER = 1.03
"""Smallest speed ratio that alone is reason to keep a candidate."""
SMALLER, AS_FAST = 0.75, 0.97
"""Largest size ratio that is reason to keep a candidate with at least this speed ratio."""

TIMED_BLOCKS, BLOCK_SECONDS = 12, 0.25


@dataclass(frozen=True)
class Speed:
    """Median milliseconds of a call, and the speed relative to fp32 with its 95 % interval."""

    p50_ms: float
    ratio: float
    interval: tuple[float, float]


def speed_of(blocks: Sequence[Sequence[float]], reference: Sequence[Sequence[float]]) -> Speed:
    """Computes the speed from interleaved times, in seconds, of a candidate and of fp32."""
    p50_ms = 1000 * float(np.median(np.concatenate(blocks)))
    return Speed(p50_ms, *paired_ratio(reference, blocks))


@dataclass(frozen=True)
class Verdict:
    """Whether a candidate is kept, and the reason."""

    kept: bool
    text: str


REFERENCE = Verdict(True, "kept: the reference")


def judge(problem: str | None, speed: Speed | None, size_ratio: float) -> Verdict:
    """Judges a candidate by its accuracy problem, if any, its speed, if timed, and its size."""
    if problem:
        return Verdict(False, f"not kept: {problem}")
    size = f"{size_ratio:.0%} of the size"
    if speed is None:
        return Verdict(True, f"kept: {size}; made for another machine, not timed")
    if speed.ratio >= FASTER and speed.interval[0] > 1:
        return Verdict(True, f"kept: {speed.ratio:.2f} times as fast, {size}")
    if size_ratio <= SMALLER and speed.ratio >= AS_FAST:
        return Verdict(True, f"kept: {size}, as fast")
    if speed.ratio < AS_FAST:
        slower = 100 * (1 / speed.ratio - 1)
        return Verdict(False, f"not kept: {slower:.0f} % slower here; fp32 stays")
    return Verdict(False, "not kept: neither faster nor much smaller; fp32 stays")


def file_name(model: str, candidate: str) -> str:
    """Returns the name of a candidate's file."""
    return f"{model}.onnx" if candidate == "fp32" else f"{model}-{candidate}.onnx"


def copy_files(out: Path, files: Iterable[tuple[str, Path]]) -> None:
    """Copies files, each to its new name, into the folder `out`."""
    for name, source in files:
        path = out / name
        with atomic_write(path) as partial, output_errors(path):
            partial.write_bytes(source.read_bytes())
