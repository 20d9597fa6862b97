"""The part about end-to-end files: an image in, faces out, in one graph."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

import fkd_infer
from benchmarks.gpu.memory import memory
from benchmarks.gpu.pictures import portraits
from benchmarks.gpu.pipeline import largest_difference, points_of
from benchmarks.gpu.plan import MACHINE, NO_TIME, CheckPlan, Result, failed, left_out, measured
from benchmarks.harness.alternation import alternate
from benchmarks.harness.results import Figure
from benchmarks.harness.statistics import block_medians, median_interval, rate_interval
from fkd_infer.geometry.arrays import Floats, Pixels
from fkd_infer.runtime.install import import_onnxruntime
from fkd_infer.runtime.partition import RECORD, counted, nodes_on_cpu
from fkd_infer.runtime.providers.base import ExecutionProvider
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


def open_end_to_end(file: Path, plan: CheckPlan) -> EndToEnd:
    """Opens an end-to-end file in a plain session, which runs one image after the other; what the
    provider does not have runs on the CPU. Raises RuntimeError if the provider does not start."""
    ort, choice, provider = import_onnxruntime(), plan.choice, plan.execution_provider
    missing = provider.missing_libraries(ort)  # loads those that are there
    device = choice.device or provider.default_device
    own = provider.options(provider.own_settings(choice.settings), device, None)
    options = SessionSettings().options(ort)
    options.add_session_config_entry(RECORD, "1")
    names = [(each, own if each == provider.onnx_name else {}) for each in _onnx_names(provider)]
    session = ort.InferenceSession(file, options, providers=names, enable_fallback=0)
    if session.get_providers()[0] != provider.onnx_name:
        raise RuntimeError(f"{provider.title} did not start: {'; '.join(missing)}")
    on_cpu = None if provider is CPU else nodes_on_cpu(session, file)

    def run(images: Sequence[Pixels]) -> list[Floats]:
        answers = (session.run(["scores", "points"], {"image": image}) for image in images)
        return [points[scores > 0] for scores, points in answers]

    return EndToEnd(run, counted(on_cpu) if on_cpu else "none")


def _onnx_names(provider: ExecutionProvider[Any]) -> list[str]:
    return list(dict.fromkeys((provider.onnx_name, CPU.onnx_name)))


def time_end_to_end(plan: CheckPlan) -> Iterator[Result]:
    """Yields milliseconds an image of end-to-end files for any and for one size, in turns with the
    pipeline, alone and with several images at once."""
    network = plan.networks[0]
    if plan.execution_provider.plugin is not None:
        yield left_out(network, "end-to-end", "plain sessions have no plug-ins here")
        return
    from fkd_train.export.end_to_end import Parts

    parts = Parts.of(network)
    pipeline = fkd_infer.load(
        network, provider=plan.choice, detector_model=parts.detector, tuned=False
    )
    with TemporaryDirectory() as folder:
        for scene, (height, side) in plan.scenes.items():
            if plan.is_over:
                yield left_out(network, scene, NO_TIME)
                continue
            image = portraits(height, side)
            opened = {
                "pipeline": EndToEnd(lambda images: [points_of(pipeline(i)) for i in images], ""),
                "many()": EndToEnd(lambda images: [*map(points_of, pipeline.many(images))], ""),
            }
            for size, file in write_files(parts, height, Path(folder)).items():
                try:
                    own = open_end_to_end(file, plan)
                    own.run([image])
                except Exception as error:  # noqa: BLE001 (recorded, and the others go on)
                    yield failed(network, f"{size}, {scene}", error)
                    continue
                opened[size] = own
            yield from _time_opened(plan, scene, image, opened)
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


def _time_opened(
    plan: CheckPlan, scene: str, image: Pixels, opened: dict[str, EndToEnd]
) -> Iterator[Result]:
    """Times all contenders in turns, with one image and with several, and compares their points
    with those of the first."""
    figures: dict[str, dict[str, Figure]] = {name: {} for name in opened}
    for count in (1, BATCH):
        calls = {name: partial(each.run, [image] * count) for name, each in opened.items()}
        times = alternate(calls, plan.blocks, plan.block_seconds, plan.until)
        for name, blocks in times.items():
            medians = block_medians(blocks)
            if count == 1:
                p50 = Figure.from_interval(median_interval(medians), "ms", 1000, "lower")
                figures[name]["p50"] = p50
            rate = rate_interval(medians, count)
            title = f"{count} at once"
            figures[name][title] = Figure.from_interval(rate, "images a second", 1, "higher")
    expected = next(iter(opened.values())).run([image])[0]
    for name, each in opened.items():
        points = each.run([image])[0]
        figures[name]["faces"] = Figure(len(points), "")
        if (away := largest_difference(points, expected)) is not None:
            figures[name]["from the pipeline"] = Figure(away, "px")
        facts = {"scene": scene, "on the CPU": each.on_cpu}
        yield measured("end-to-end", plan.networks[0], name, figures[name], facts)
