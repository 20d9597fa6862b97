"""The part that compares points with those of the CPU."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.gpu.contenders import Variant, half_files, variants
from benchmarks.gpu.memory import memory
from benchmarks.gpu.pictures import drawn_crops
from benchmarks.gpu.plan import (
    MACHINE,
    NO_TIME,
    CheckPlan,
    Result,
    failed,
    is_int8,
    left_out,
    measured,
)
from benchmarks.harness.results import Figure
from fkd_infer.errors import FkdError, ProviderError
from fkd_infer.geometry.arrays import Floats, Pixels
from fkd_infer.runtime.providers.cpu import CPU
from fkd_infer.runtime.session import LandmarkSession
from fkd_infer.types import Prediction
from fkd_train.evaluation.metrics import nme

BATCHES = (1, 2, 3, 7, 37)
FACES = 37
LARGEST_MEAN_PX = {"fp32": 0.01, "tf32": 0.1, "fp16": 0.1, "int8": 0.1}
"""Mean distances from the CPU's points above which a precision counts as wrong, in crop pixels."""


def prove_parity(plan: CheckPlan) -> Iterator[Result]:
    """Yields how far the points of each shipped file are from the CPU's, in each precision.

    In fp16, the CPU computes the original in fp32.
    """
    with half_files() as half:
        for file in plan.landmark_files:
            reference = LandmarkSession(file, CPU.name)
            crops, drawn = drawn_crops(reference.card, FACES)
            try:
                expected = reference.run(crops)
            except FkdError as error:
                yield failed(file, "the CPU", error)
                continue
            for variant in variants(plan, file, half):
                if not isinstance(variant, Variant):
                    yield variant
                elif plan.is_over:
                    yield left_out(file, variant.precision, NO_TIME)
                else:
                    yield from _compare(file, variant, crops, drawn, expected)
    yield from memory(plan, "parity", MACHINE)


def _compare(
    file: Path, variant: Variant, crops: Pixels, drawn: Floats, expected: Prediction
) -> Iterator[Result]:
    """Runs 37 drawn faces in batches of each size."""
    precision = variant.precision
    figures: dict[str, Figure] = {}
    mean = 0.0
    try:
        session = LandmarkSession(variant.file, variant.choice)
        for size in BATCHES:
            answer = _run(session, crops, size)
            px = np.linalg.norm(answer.points - expected.points, axis=-1)
            figures[f"batch {size}"] = Figure(float(px.max()), "px")
            mean = max(mean, float(px.mean()))
    except ProviderError as error:
        # The start of a file in int8 may be refused: GPUs lack kernels, or round elsewhere.
        refuse = left_out if is_int8(file) else failed
        yield refuse(file, precision, str(error))
        return
    except Exception as error:  # noqa: BLE001 (recorded, and the next variant's turn)
        yield failed(file, precision, error)
        return
    figures["mean"] = Figure(mean, "px")
    if answer.scores is not None and expected.scores is not None:
        largest = float(np.abs(answer.scores - expected.scores).max())
        figures["score"] = Figure(largest, "")
    scheme = session.card.landmarks
    for name, points in (("NME", answer.points), ("NME on the CPU", expected.points)):
        figures[name] = Figure(float(nme(points, drawn, scheme).mean()), "%")
    yield measured("parity", file, precision, figures, {"runs on": session.started.on})
    if not mean <= LARGEST_MEAN_PX[precision]:  # also NaN
        limit = f"{LARGEST_MEAN_PX[precision]} px are allowed"
        yield failed(file, precision, f"its points are {mean:.2g} px from the CPU's; {limit}")


def _run(session: LandmarkSession, crops: Pixels, size: int) -> Prediction:
    starts = range(0, len(crops), size)
    return Prediction.concatenate([session.run(crops[i : i + size]) for i in starts])
