"""Optimises a detector: measures every candidate, and keeps those that pay."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
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
from fkd_train.models.detector import CELL_CHANNELS
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
_CALIBRATION_IMAGES, _SELECTION_IMAGES = 160, 60
_QUANTIZED_OPERATORS = ("Conv", "Relu", "AveragePool", "Resize")
"""Operators of the feature maps; values after the heads are pixels, which int8 cannot resolve."""
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
    images = _training_mosaics(source, data)
    scheme, model = _int8(source, fp32, images, folder, platform)
    yield "int8", f"int8 ({scheme}, heads in fp32; for {platform})", model


def _training_mosaics(source: DetectorSource, data: DataFolders) -> list[Pixels]:
    faces, _ = load_split(data, source.recipe.split, colour=True)
    mosaics = mosaic_generator(source.recipe, faces, "training")
    return [mosaics(np.random.default_rng([1, number]))[0] for number in range(_CALIBRATION_IMAGES)]


def _int8(
    source: DetectorSource,
    fp32: onnx.ModelProto,
    images: list[Pixels],
    folder: Path,
    platform: Platform,
) -> tuple[Int8Scheme, onnx.ModelProto]:
    """Selects the platform's scheme whose scores on training mosaics are nearest to fp32's.

    Heads stay in fp32: their values are both pixels and logits.
    """
    quantizer = Quantizer(fp32, images, folder / "int8", _QUANTIZED_OPERATORS, _heads(fp32))
    selection = images[-_SELECTION_IMAGES:]
    expected = _score_sums(with_card(fp32, source.card), selection, folder)
    differences: dict[Int8Scheme, float] = {}
    for scheme in SCHEMES[platform]:
        sums = _score_sums(with_card(quantizer(scheme), source.card), selection, folder)
        differences[scheme] = float(
            np.mean([abs(one - other) for one, other in zip(expected, sums, strict=True)])
        )
    best = min(differences, key=lambda scheme: differences[scheme])
    return best, quantizer(best)


def _heads(model: onnx.ModelProto) -> list[str]:
    """Returns the names of the convolutions that output the cells' values."""
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    return [node.name for node in convolutions if tensors[node.input[1]].dims[0] == CELL_CHANNELS]


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
