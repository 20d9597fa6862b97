"""The part about the detector: image sizes that a GPU has not seen yet, and time a search."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.gpu.contenders import Opener, Runner, Variant, half_files, variants
from benchmarks.gpu.memory import memory
from benchmarks.gpu.pictures import portraits, resized
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
from benchmarks.harness.alternation import alternate
from benchmarks.harness.results import Figure
from benchmarks.harness.statistics import block_medians, median_interval
from fkd_infer.detection.fkd import FkdDetector
from fkd_infer.geometry.arrays import Pixels
from fkd_infer.runtime.providers.cpu import CPU
from fkd_infer.types import Detections

SIZES = tuple((640 + 53 * number, 480 + 37 * number) for number in range(20))
"""Widths and heights that a program for photos may meet."""
_BEST = 0.5
"""Score from which boxes are compared."""


def measure_detector(plan: CheckPlan) -> Iterator[Result]:
    """Yields the time at first and again of many image sizes, then the time a search in each
    precision, and how far its boxes are from the CPU's."""
    detectors = [file for file in plan.detector_files if not is_int8(file)]
    file = detectors[0]
    padded = partial(FkdDetector, file, provider=plan.choice)
    openers: dict[str, Opener] = {
        "padded, as FkdDetector does": lambda: padded().detect,
        "as they come": lambda: partial(_search_as_it_comes, padded()),
    }
    for contender, opener in openers.items():
        yield from _new_sizes(plan, file, contender, opener)
    searches: dict[str, FkdDetector] = {"the CPU, fp32": FkdDetector(file, provider=CPU.name)}
    with half_files() as half:
        for variant in (found for each in detectors for found in variants(plan, each, half)):
            if not isinstance(variant, Variant):
                yield variant
                continue
            name = f"{plan.execution_provider.title}, {variant.precision}"
            try:
                detector = FkdDetector(variant.file, provider=variant.choice)
                detector.detect(portraits(plan.searched_heights[0], 1))
                searches[name] = detector
            except Exception as error:  # noqa: BLE001 (recorded, and the next variant's turn)
                yield failed(file, name, error)
        yield from _time_searches(plan, searches)
    yield from memory(plan, "detector", MACHINE)


def _search_as_it_comes(detector: FkdDetector, image: Pixels) -> object:
    """Searches an image at its own size, which the GPU may not have seen yet."""
    answer: object = detector.started.session.run(None, {"image": image})
    return answer


def _new_sizes(plan: CheckPlan, model: Path, contender: str, opener: Opener) -> Iterator[Result]:
    """Searches images of 20 sizes twice."""
    sizes = SIZES[:3] if plan.quick else SIZES
    photo = portraits(720, 1)
    images = [resized(photo, width, height) for width, height in sizes]
    if plan.is_over:
        yield left_out(model, contender, NO_TIME)
        return
    try:
        search = opener()
        first = [_seconds(search, image) for image in images]
        again = [_seconds(search, image) for image in images]
    except Exception as error:  # noqa: BLE001 (recorded, and the next contender's turn)
        yield failed(model, contender, error)
        return
    figures = {
        "first": Figure(1000 * float(np.median(first)), "ms"),
        "slowest": Figure(1000 * max(first), "ms"),
        "again": Figure(1000 * float(np.median(again)), "ms", better="lower"),
    }
    yield measured("image sizes", model, contender, figures, {"sizes": str(len(sizes))})


def _seconds(search: Runner, image: Pixels) -> float:
    begun = time.perf_counter()
    search(image)
    return time.perf_counter() - begun


def _time_searches(plan: CheckPlan, detectors: dict[str, FkdDetector]) -> Iterator[Result]:
    """Times all detectors in turns, and compares their boxes with those of the first."""
    figures: dict[str, dict[str, Figure]] = {name: {} for name in detectors}
    reference = next(iter(detectors.values()))
    for height in plan.searched_heights:
        image, name = portraits(height, 2), f"{height * 16 // 9} × {height}"
        calls = {each: partial(detector.detect, image) for each, detector in detectors.items()}
        times = alternate(calls, plan.blocks, plan.block_seconds, plan.until)
        expected = reference.detect(image)
        for each, blocks in times.items():
            p50 = median_interval(block_medians(blocks))
            figures[each][name] = Figure.from_interval(p50, "ms", 1000, "lower")
            away = box_difference(calls[each](), expected)
            if away is None:
                model = detectors[each].path
                yield failed(
                    model, each, f"it finds another number of faces on {name} than the CPU"
                )
            else:
                figures[each][f"boxes, {name}"] = Figure(away, "px")
    for name, own in figures.items():
        facts = {"runs on": detectors[name].started.on}
        yield measured("detector", detectors[name].path, name, own, facts)


def box_difference(found: Detections, expected: Detections) -> float | None:
    """Returns how far the sides of likely boxes are from the expected ones, in pixels of the image;
    None if there is another number of them."""
    boxes, wanted = (each.boxes[each.scores >= _BEST] for each in (found, expected))
    if len(boxes) != len(wanted):
        return None
    if not len(boxes):
        return 0.0
    sides = np.abs(boxes[:, None] - wanted[None]).max(axis=2)  # (found, expected)
    return float(max(sides.min(axis=0).max(), sides.min(axis=1).max()))
