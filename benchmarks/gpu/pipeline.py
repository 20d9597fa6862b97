"""The part that times whole pipelines: an image in, faces out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

import fkd_infer
from benchmarks.gpu.memory import memory
from benchmarks.gpu.pictures import portraits
from benchmarks.gpu.plan import MACHINE, CheckPlan, Result, failed, measured
from benchmarks.harness.alternation import alternate
from benchmarks.harness.results import Figure
from benchmarks.harness.statistics import block_medians, median_interval, rate_interval
from fkd_infer.geometry.arrays import Floats, Pixels
from fkd_infer.pipeline import Pipeline
from fkd_infer.runtime.providers.cpu import CPU
from fkd_infer.runtime.providers.cuda import CUDA
from fkd_infer.runtime.providers.cuda_settings import CudaSettings
from fkd_infer.types import Face


def time_pipelines(plan: CheckPlan) -> Iterator[Result]:
    """Yields milliseconds an image with one and with 16 faces, and images a second of `many()`."""
    pipelines: dict[str, Pipeline] = {}
    for name, opener in pipeline_openers(plan).items():
        try:
            pipelines[name] = opener()
        except Exception as error:  # noqa: BLE001 (recorded, and the others go on)
            yield failed(plan.networks[0], name, error)
    for scene, (height, side) in plan.scenes.items():
        yield from _time_scene(plan, scene, portraits(height, side), pipelines)
    yield from _time_many(plan, pipelines)
    yield from memory(plan, "pipeline", MACHINE)


def pipeline_openers(plan: CheckPlan) -> dict[str, Callable[[], Pipeline]]:
    """The default pipeline on the provider and on the CPU, and on CUDA with recorded kernels of the
    landmark network."""
    choice, network = plan.choice, plan.networks[0]
    load = partial(fkd_infer.load, network, tuned=False)
    openers: dict[str, Callable[[], Pipeline]] = {str(choice): partial(load, provider=choice)}
    if choice.name == CUDA.name:
        settings = CudaSettings(buckets=(1, 2, 4, 8, 16, 32), graphs=True, warm_up=True)
        recorded = replace(choice, settings=settings)
        name = f"{choice}, graphs"
        openers[name] = partial(load, provider=recorded, detector_provider=choice)
    if choice.name != CPU.name:
        openers["cpu"] = partial(load, provider=CPU.name)
    return openers


def _time_scene(
    plan: CheckPlan, scene: str, image: Pixels, pipelines: dict[str, Pipeline]
) -> Iterator[Result]:
    """Times all pipelines in turns on one image, and what their detectors take of it."""
    calls: dict[str, Callable[[], object]] = {}
    found: dict[str, list[Face]] = {}
    for name, pipeline in pipelines.items():
        try:
            found[name] = pipeline(image)
        except Exception as error:  # noqa: BLE001 (recorded, and the others go on)
            yield failed(plan.networks[0], f"{name}, {scene}", error)
            continue
        calls[name] = partial(pipeline, image)
        calls[f"{name}: search"] = partial(pipeline.detector, image)
    times = alternate(calls, plan.blocks, plan.block_seconds, plan.until)
    *_, expected = found.values() or [[]]
    for name, faces in found.items():
        whole, search = (block_medians(times[each]) for each in (name, f"{name}: search"))
        figures = {
            "p50": Figure.from_interval(median_interval(whole), "ms", 1000, "lower"),
            "of it, the search": Figure.from_interval(median_interval(search), "ms", 1000),
            "images": Figure.from_interval(rate_interval(whole, 1), "a second", 1, "higher"),
            "faces": Figure(len(faces), ""),
        }
        if (away := largest_difference(points_of(faces), points_of(expected))) is not None:
            figures["from the last one"] = Figure(away, "px")
        yield measured("pipeline", plan.networks[0], name, figures, {"scene": scene})


def _time_many(plan: CheckPlan, pipelines: dict[str, Pipeline]) -> Iterator[Result]:
    """Times `many()` in turns; recorded kernels are left out, since no other thread may use CUDA
    while one records."""
    scene, (height, side) = list(plan.scenes.items())[-1]
    images = [portraits(height, side)] * (8 if plan.quick else 100)
    threaded = {name: each for name, each in pipelines.items() if "graphs" not in name}
    rates: dict[str, list[float]] = {name: [] for name in threaded}
    faces = dict.fromkeys(threaded, 0)
    for _ in range(2 if plan.quick else 4):
        for name, pipeline in threaded.items():
            begun = time.perf_counter()
            faces[name] = sum(len(each) for each in pipeline.many(images))
            rates[name].append(time.perf_counter() - begun)
    for name, seconds in rates.items():
        interval = rate_interval(seconds[1:], len(images))  # the first round warms up
        figures = {
            "images": Figure.from_interval(interval, "a second", 1, "higher"),
            "faces": Figure(faces[name] / len(images), ""),
        }
        yield measured("pipeline", plan.networks[0], name, figures, {"scene": f"many(), {scene}"})


def points_of(faces: Sequence[Face]) -> Floats:
    """Returns the points (n, k, 2) of faces."""
    return np.stack([face.points for face in faces]) if faces else np.empty((0, 0, 2), np.float32)


def largest_difference(found: Floats, expected: Floats) -> float | None:
    """Returns the largest distance of a point (n, k, 2) from that of the nearest expected face, in
    pixels of the image; None for another number of faces."""
    if len(found) != len(expected):
        return None
    if not len(found):
        return 0.0
    distances = np.linalg.norm(found[:, None] - expected[None], axis=-1).max(axis=-1)
    return float(distances.min(axis=1).max())
