"""Optimises a detector: measures every candidate, and keeps those that pay."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx

from fkd_infer.choices import Platform
from fkd_infer.detection.fkd import FkdDetector
from fkd_infer.geometry.arrays import Pixels
from fkd_infer.models.cards.detector import DetectorCard
from fkd_infer.system.hardware import available_threads
from fkd_infer.tuning.detector_worker import detector_contender
from fkd_infer.tuning.interleaved import time_interleaved
from fkd_train.data.dataset import DataFolders, load_split
from fkd_train.data.mosaic_dataset import mosaic_generator
from fkd_train.evaluation.detector_evaluation import detect_each
from fkd_train.export.cards import with_card
from fkd_train.export.detector import (
    DetectorSource,
    card_accuracy,
    detector_model,
    load_detector_source,
)
from fkd_train.graphs.passes import store_half
from fkd_train.optimize.platforms import runs_here
from fkd_train.optimize.quantize import SCHEMES, Int8Scheme, Quantizer
from fkd_train.optimize.verdict import (
    BLOCK_SECONDS,
    REFERENCE,
    TIMED_BLOCKS,
    Speed,
    copy_files,
    file_name,
    judge,
    speed_of,
)

TIMED_SIZE = (640, 360)
"""Width and height of the image in timings."""
_CALIBRATION_MOSAICS, _SELECTION_MOSAICS = 40, 60
_QUANTIZED_OPERATORS = ("Conv", "Relu")
_COLOURS = 3
_NEAR = 2.0
_FOR_ANY_MACHINE = ("fp32", "fp16-weights")


@dataclass(frozen=True)
class DetectorCandidateResult:
    """A candidate's measurements and verdict.

    Average precision on the evaluation mosaics and recall on the images, in percent; speed on an
    image of 640 × 360, None if not timed.
    """

    name: str
    file: str
    precision: str
    bytes: int
    average_precision: float
    recall: float
    speed: Speed | None
    kept: bool
    verdict: str

    def line(self) -> str:
        """Formats a summary for people."""
        timed = "" if self.speed is None else f", {self.speed.p50_ms:.2f} ms"
        return (
            f"{self.file}: {self.bytes / 1e6:.2f} MB, average precision on mosaics "
            f"{self.average_precision:.2f} %, recall on images {self.recall:.2f} %{timed}; "
            f"{self.verdict} ({self.precision})"
        )


@dataclass(frozen=True)
class _Measured:
    """A candidate's card, with its accuracy, and its temporary file."""

    name: str
    card: DetectorCard
    path: Path


def optimize_detector(
    checkpoint: Path,
    out: Path,
    data: DataFolders,
    max_decrease: float = 0.5,
    platform: Platform = "any",
    progress: Callable[[str], None] = lambda _: None,
) -> list[DetectorCandidateResult]:
    """Writes the fp32 file of a detector's checkpoint and the candidates that pay into `out`.

    Candidates that lose more than `max_decrease` points of average precision, or of recall, on the
    evaluation faces are not kept. Raises what `export_detector` raises.
    """
    source = load_detector_source(checkpoint, data)
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        graph, card = detector_model(source, out / file_name(source.card.name, "fp32"))
        measured: list[_Measured] = []
        for name, precision, model in _candidates(source, graph, data, folder, platform):
            progress(f"made {name}: {precision}")
            candidate_card = replace(card, precision=precision)
            measured.append(_measure(source, name, candidate_card, model, folder))
        here = runs_here(platform)
        speeds = _speeds([each for each in measured if here or each.name in _FOR_ANY_MACHINE])
        results = [
            _result(each, measured[0], speeds.get(each.name), max_decrease) for each in measured
        ]
        pairs = zip(measured, results, strict=True)
        copy_files(out, [(result.file, each.path) for each, result in pairs if result.kept])
    return results


def _candidates(
    source: DetectorSource,
    fp32: onnx.ModelProto,
    data: DataFolders,
    folder: Path,
    platform: Platform,
) -> Iterator[tuple[str, str, onnx.ModelProto]]:
    """Yields names, precisions and graphs, fp32 first."""
    yield "fp32", "fp32", fp32
    yield "fp16-weights", "fp32, weights stored in fp16", store_half(fp32)
    mosaics = _training_mosaics(source, data)
    scheme, model = _int8(source, fp32, mosaics, folder, platform)
    yield "int8", f"int8 ({scheme}, full convolutions; for {platform})", model


def _training_mosaics(source: DetectorSource, data: DataFolders) -> list[Pixels]:
    recipe = source.recipe
    faces, _ = load_split(data, recipe.split, colour=True, configs=recipe.data)
    mosaics = mosaic_generator(recipe, faces, "training")
    count = _CALIBRATION_MOSAICS + _SELECTION_MOSAICS
    return [mosaics(np.random.default_rng([1, number]))[0] for number in range(count)]


def _int8(
    source: DetectorSource,
    fp32: onnx.ModelProto,
    mosaics: list[Pixels],
    folder: Path,
    platform: Platform,
) -> tuple[Int8Scheme, onnx.ModelProto]:
    """Selects a scheme by how much the scores on training mosaics differ from fp32's.

    The integers are the fastest of the platform's whose scores differ at most twice as much as the
    nearest ones'; then the nearer of two calibrators is taken.

    Only the full convolutions are quantised, which take most of the time. The others would lose
    more by the conversion than they gain; the first one sees three channels, for which int8 has no
    quick kernel.
    """
    calibration, selection = mosaics[:_CALIBRATION_MOSAICS], mosaics[_CALIBRATION_MOSAICS:]
    in_float = _in_float(fp32)
    quantizer = Quantizer(fp32, calibration, folder / "int8", _QUANTIZED_OPERATORS, in_float)
    expected = _score_sums(with_card(fp32, source.card), selection, folder)

    def difference(scheme: Int8Scheme) -> float:
        sums = _score_sums(with_card(quantizer(scheme), source.card), selection, folder)
        return float(np.mean(np.abs(np.subtract(expected, sums))))

    differences = {scheme: difference(scheme) for scheme in SCHEMES[platform]}
    best = min(differences, key=lambda scheme: differences[scheme])
    if runs_here(platform):
        near = [each for each in differences if differences[each] <= _NEAR * differences[best]]
        best = _fastest({each: with_card(quantizer(each), source.card) for each in near}, folder)
    other = replace(best, calibrator="percentile")
    best = other if difference(other) < differences[best] else best
    return best, quantizer(best)


def _fastest(models: Mapping[Int8Scheme, onnx.ModelProto], folder: Path) -> Int8Scheme:
    contenders = []
    for scheme, model in models.items():
        path = folder / f"{scheme.integers}.onnx"
        onnx.save(model, path)
        name, threads = str(scheme), available_threads()
        contenders.append(detector_contender(name, "fkd", path, TIMED_SIZE, threads))
    times = time_interleaved(contenders, blocks=6, seconds=0.2)
    return min(models, key=lambda each: float(np.median(np.concatenate(times[str(each)]))))


def _in_float(model: onnx.ModelProto) -> list[str]:
    """The names of convolutions that see single points or up to three channels, and of the
    rectifiers of these."""
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    quantized: set[str] = set()
    in_float = []
    for node in model.graph.node:
        if node.op_type == "Conv":
            _, channels, *kernel = tensors[node.input[1]].dims
            if channels > _COLOURS and min(kernel) > 1:
                quantized.update(node.output)
                continue
        elif node.op_type != "Relu" or node.input[0] in quantized:
            continue
        in_float.append(node.name)
    return in_float


def _score_sums(model: onnx.ModelProto, images: list[Pixels], folder: Path) -> list[float]:
    """Returns the sum of scores on each image, which estimates its number of faces."""
    path = folder / "tried.onnx"
    onnx.save(model, path)
    detect = FkdDetector(path, provider="cpu").detect
    return [float(detect(image).scores.sum()) for image in images]


def _measure(
    source: DetectorSource, name: str, card: DetectorCard, model: onnx.ModelProto, folder: Path
) -> _Measured:
    path = folder / f"{name}.onnx"
    onnx.save(with_card(model, card), path)
    detect = detect_each(FkdDetector(path, provider="cpu").detect)
    matches = {kind: images(detect) for kind, images in source.evaluation_sets.items()}
    card = replace(card, accuracy=card_accuracy(source.recipe, matches, card.threshold))
    onnx.save(with_card(model, card), path)
    return _Measured(name, card, path)


def _speeds(measured: Sequence[_Measured]) -> dict[str, Speed]:
    """Measures speeds by name; the first is the reference."""
    threads = available_threads()
    contenders = [
        detector_contender(each.name, "fkd", each.path, TIMED_SIZE, threads) for each in measured
    ]
    times = time_interleaved(contenders, TIMED_BLOCKS, BLOCK_SECONDS)
    return {name: speed_of(blocks, times[measured[0].name]) for name, blocks in times.items()}


def _result(
    measured: _Measured, fp32: _Measured, speed: Speed | None, max_decrease: float
) -> DetectorCandidateResult:
    mosaics, images = measured.card.accuracy.values()
    fp32_mosaics, fp32_images = fp32.card.accuracy.values()
    lost = max(
        fp32_mosaics.average_precision - mosaics.average_precision,
        fp32_images.recall - images.recall,
    )
    over = f"{lost:.2f} points lost, the budget is {max_decrease:g}"
    problem = None if lost <= max_decrease else over
    size = measured.path.stat().st_size
    size_ratio = size / fp32.path.stat().st_size
    verdict = REFERENCE if measured is fp32 else judge(problem, speed, size_ratio)
    return DetectorCandidateResult(
        name=measured.name,
        file=file_name(measured.card.name, measured.name),
        precision=measured.card.precision,
        bytes=size,
        average_precision=mosaics.average_precision,
        recall=images.recall,
        speed=speed,
        kept=verdict.kept,
        verdict=verdict.text,
    )
