"""The part about end-to-end files: an image in, faces out, in one graph."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

import fkd_infer
from benchmarks.gpu.memory import memory
from benchmarks.gpu.pictures import portraits
from benchmarks.gpu.plan import MACHINE, NO_TIME, CheckPlan, Result, failed, left_out, measured
from benchmarks.harness.alternation import alternate
from benchmarks.harness.results import Figure
from benchmarks.harness.statistics import block_medians, median_interval, rate_interval
from fkd_infer.geometry.arrays import Floats, Pixels
from fkd_infer.runtime.install import import_onnxruntime
from fkd_infer.runtime.partition import RECORD, counted, nodes_on_cpu
from fkd_infer.runtime.providers.cpu import CPU
from fkd_infer.runtime.settings import SessionSettings

if TYPE_CHECKING:
    from fkd_train.export.end_to_end import Parts

BATCH = 4
"""Images that are passed at once."""
_MAX_FACES = 16


class EndToEnd(NamedTuple):
    """An open end-to-end file: images → points (n, k, 2) of each, and its nodes on the CPU."""

    run: Callable[[Sequence[Pixels]], list[Floats]]
    on_cpu: str


def open_end_to_end(file: Path, plan: CheckPlan, provider: str) -> EndToEnd:
    """Opens an end-to-end file in a plain session, which runs one image after the other; what the
    provider does not have runs on the CPU."""
    ort = import_onnxruntime()
    choice, execution_provider = plan.choice, plan.execution_provider
    names: list[Any] = [CPU.onnx_name]
    if provider != CPU.name:
        execution_provider.missing_libraries(ort)  # loads those that are there
        device = choice.device or execution_provider.default_device
        own = execution_provider.own_settings(choice.settings)
        names.insert(
            0, (execution_provider.onnx_name, execution_provider.options(own, device, None))
        )
    options = SessionSettings().options(ort)
    options.add_session_config_entry(RECORD, "1")
    session = ort.InferenceSession(file, options, providers=names, enable_fallback=0)
    on_cpu = nodes_on_cpu(session, file) if provider != CPU.name else None

    def run(images: Sequence[Pixels]) -> list[Floats]:
        answers = (session.run(["scores", "points"], {"image": image}) for image in images)
        return [points[scores > 0] for scores, points in answers]

    return EndToEnd(run, counted(on_cpu) if on_cpu else "none")


def time_end_to_end(plan: CheckPlan) -> Iterator[Result]:
    """Yields milliseconds an image of end-to-end files for any and for one size, in turns with the
    pipeline, alone and with several images at once."""
    if plan.execution_provider.plugin is not None:
        yield left_out(plan.networks[0], "end-to-end", "plain sessions have no plug-ins here")
        return
    from fkd_train.export.end_to_end import Parts

    parts = Parts.of(plan.networks[0])
    pipeline = fkd_infer.load(plan.networks[0], provider=plan.choice, tuned=False)
    with TemporaryDirectory() as folder:
        for scene, (height, side) in plan.scenes.items():
            if plan.is_over:
                yield left_out(plan.networks[0], scene, NO_TIME)
                continue
            image = portraits(height, side)
            files = write_files(parts, height, Path(folder))
            runs: dict[str, Callable[[Sequence[Pixels]], list[Floats]]] = {
                "pipeline": lambda images: [_points(pipeline(image)) for image in images],
                "pipeline, many()": lambda images: [_points(f) for f in pipeline.many(images)],
            }
            on_cpu: dict[str, str] = {}
            for (size, file), provider in (
                (item, name)
                for item in files.items()
                for name in dict.fromkeys((plan.choice.name, CPU.name))
            ):
                name = f"{size}, {provider}"
                try:
                    opened = open_end_to_end(file, plan, provider)
                    opened.run([image])
                except Exception as error:  # noqa: BLE001 (recorded, and the others go on)
                    yield failed(plan.networks[0], f"{name}, {scene}", error)
                    continue
                runs[name], on_cpu[name] = opened.run, opened.on_cpu
            yield from _time_runs(plan, scene, image, runs, on_cpu)
    yield from memory(plan, "end-to-end", MACHINE)


def write_files(parts: Parts, height: int, folder: Path) -> dict[str, Path]:
    """Writes the end-to-end files, as fkd-export does but without proving them on this machine:
    one for images of any size and one for this height in 16:9."""
    import onnx

    from fkd_train.graphs.fixed_end_to_end import FixedSize

    sizes = {"any size": None, "one size": FixedSize(height, height * 16 // 9, _MAX_FACES)}
    files = {name: folder / f"{name}-{height}.onnx" for name in sizes}
    for name, size in sizes.items():
        onnx.save(parts.graph(parts.face_filter(), size), files[name])
    return files


def _time_runs(
    plan: CheckPlan,
    scene: str,
    image: Pixels,
    runs: dict[str, Callable[[Sequence[Pixels]], list[Floats]]],
    on_cpu: dict[str, str],
) -> Iterator[Result]:
    """Times all contenders in turns, with one image and with several."""
    figures: dict[str, dict[str, Figure]] = {name: {} for name in runs}
    for count in (1, BATCH):
        calls = {name: partial(run, [image] * count) for name, run in runs.items()}
        times = alternate(calls, plan.blocks, plan.block_seconds, plan.until)
        for name, blocks in times.items():
            medians, title = block_medians(blocks), f"{count} at once"
            if count == 1:
                p50 = Figure.from_interval(median_interval(medians), "ms", 1000, "lower")
                figures[name]["p50"] = p50
            rate = rate_interval(medians, count)
            figures[name][title] = Figure.from_interval(rate, "images a second", 1, "higher")
    for name, run in runs.items():
        figures[name]["faces"] = Figure(len(run([image])[0]), "")
        cpu_nodes = on_cpu.get(name, "none")
        model = plan.networks[0]
        yield measured("end-to-end", model, name, figures[name], scene=scene, on_the_CPU=cpu_nodes)


def _points(faces: Sequence[fkd_infer.Face]) -> Floats:
    if not faces:
        return np.empty((0, 0, 2), np.float32)
    return np.stack([face.points for face in faces])
