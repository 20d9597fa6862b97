"""From a detector's checkpoint to files of fewer bits, each kept only where it is still right and
measurably faster or smaller."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx

from fkd_infer.choices import Platform
from fkd_infer.detection.fkd import FkdDetector
from fkd_infer.geometry.arrays import Pixels
from fkd_infer.models.cards.detector import DetectorCard
from fkd_infer.system.files.atomic import atomic_write, output_errors
from fkd_infer.system.hardware import available_threads
from fkd_infer.tuning.detector_worker import detector_contender
from fkd_infer.tuning.interleaved import paired_ratio, time_interleaved
from fkd_train.data.dataset import load_split
from fkd_train.data.mosaic_dataset import mosaic_generator
from fkd_train.evaluation.detector_evaluation import one_by_one
from fkd_train.export.detector import DetectorSource, detector_model, load_detector_source, measured
from fkd_train.export.landmarks import with_card
from fkd_train.graphs.passes import store_half
from fkd_train.models.detector import CELL_CHANNELS
from fkd_train.optimize.candidates import runs_here
from fkd_train.optimize.quantize import SCHEMES, Int8Scheme, Quantizer
from fkd_train.optimize.search import BLOCKS, SECONDS, Speed, worth

TIMED = (640, 360)
"""Width and height of the image that files are timed on."""
_CALIBRATION, _CHOOSING = 160, 60
_OPERATORS = ("Conv", "Relu", "AveragePool", "Resize")
"""Those of the maps alone: what comes behind the heads is in pixels, of which a byte holds few."""


@dataclass(frozen=True)
class DetectorCandidateResult:
    """A file after measurement: average precision on the evaluation mosaics and recall on the
    images, in percent; times on an image of 640 × 360, None where it was not timed."""

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
        """For people."""
        timed = "" if self.speed is None else f", {self.speed.p50_ms:.2f} ms"
        return (
            f"{self.file}: {self.bytes / 1e6:.2f} MB, average precision on mosaics "
            f"{self.average_precision:.2f} %, recall on images {self.recall:.2f} %{timed}; "
            f"{self.verdict} ({self.precision})"
        )


@dataclass(frozen=True)
class _Made:
    """A candidate as a file of a temporary folder."""

    name: str
    card: DetectorCard
    path: Path


def optimize_detector(
    checkpoint: Path,
    out: Path,
    data: Path,
    max_decrease: float = 0.5,
    platform: Platform = "any",
    tell: Callable[[str], None] = lambda _: None,
) -> list[DetectorCandidateResult]:
    """Writes the fp32 file of a detector's checkpoint, and what of its candidates is worth keeping,
    into the folder `out`; a candidate that loses more than `max_decrease` points of average
    precision, or of recall, on the evaluation faces is not. Raises what `export_detector` does."""
    source = load_detector_source(checkpoint, data)
    with TemporaryDirectory() as given:
        folder = Path(given)
        fp32, card = detector_model(source, out / f"{source.card.name}.onnx")
        made: list[_Made] = []
        for name, precision, model in _candidates(source, fp32, data, folder, platform):
            tell(f"made {name}: {precision}")
            made.append(_made(source, name, replace(card, precision=precision), model, folder))
        speeds = _speeds(made if runs_here(platform) else made[:2])
        judged = [_judge(one, made[0], speeds.get(one.name), max_decrease) for one in made]
        for one, verdict in zip(made, judged, strict=True):
            if verdict.kept:
                path = out / verdict.file
                with atomic_write(path) as partial, output_errors(path):
                    partial.write_bytes(one.path.read_bytes())
    return judged


def _candidates(
    source: DetectorSource,
    fp32: onnx.ModelProto,
    data: Path,
    folder: Path,
    platform: Platform,
) -> Iterator[tuple[str, str, onnx.ModelProto]]:
    yield "fp32", "fp32", fp32
    yield "fp16-weights", "fp32, weights stored in fp16", store_half(fp32)
    faces, _ = load_split(data, source.recipe.split, colour=True)
    maker = mosaic_generator(source.recipe, faces, "training")
    images = [maker(np.random.default_rng([1, number]))[0] for number in range(_CALIBRATION)]
    scheme, model = _int8(source, fp32, images, folder, platform)
    yield "int8", f"int8 ({scheme}, heads in fp32; for {platform})", model


def _int8(
    source: DetectorSource,
    fp32: onnx.ModelProto,
    images: list[Pixels],
    folder: Path,
    platform: Platform,
) -> tuple[Int8Scheme, onnx.ModelProto]:
    """Of the schemes for a platform, the one whose answers are nearest to fp32's on training
    mosaics. Heads stay in fp32: their numbers are pixels and chances at once."""
    quantizer = Quantizer(fp32, images, folder / "int8", _OPERATORS, _heads(fp32))
    wanted = _scores(with_card(fp32, source.card), images[-_CHOOSING:], folder)
    off: dict[Int8Scheme, float] = {}
    for scheme in SCHEMES[platform]:
        found = _scores(with_card(quantizer(scheme), source.card), images[-_CHOOSING:], folder)
        off[scheme] = float(np.mean([abs(a - b) for a, b in zip(wanted, found, strict=True)]))
    best = min(off, key=lambda scheme: off[scheme])
    return best, quantizer(best)


def _heads(model: onnx.ModelProto) -> list[str]:
    """Names of the layers that say what cells see."""
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    return [node.name for node in convolutions if tensors[node.input[1]].dims[0] == CELL_CHANNELS]


def _scores(model: onnx.ModelProto, images: list[Pixels], folder: Path) -> list[float]:
    """The sum of scores on each image: how many faces it seems to have."""
    path = folder / "tried.onnx"
    onnx.save(model, path)
    find = FkdDetector(path, provider="cpu").detect
    return [float(find(image).scores.sum()) for image in images]


def _made(
    source: DetectorSource, name: str, card: DetectorCard, model: onnx.ModelProto, folder: Path
) -> _Made:
    """The candidate with its own accuracy in the card."""
    path = folder / f"{name}.onnx"
    onnx.save(with_card(model, card), path)
    find = FkdDetector(path, provider="cpu").detect
    accuracy = {
        f"{source.recipe.split} split, {kind}": measured(exam(one_by_one(find)), card.threshold)
        for kind, exam in source.evaluation_sets.items()
    }
    card = replace(card, accuracy=accuracy)
    onnx.save(with_card(model, card), path)
    return _Made(name, card, path)


def _speeds(made: list[_Made]) -> dict[str, Speed]:
    threads = available_threads()
    contenders = [detector_contender(m.name, "fkd", m.path, TIMED, threads) for m in made]
    times = time_interleaved(contenders, BLOCKS, SECONDS)
    return {
        name: Speed(
            1000 * float(np.median(np.concatenate(blocks))),
            *paired_ratio(times[made[0].name], blocks),
        )
        for name, blocks in times.items()
    }


def _judge(
    one: _Made, fp32: _Made, speed: Speed | None, max_decrease: float
) -> DetectorCandidateResult:
    (mosaics, images), (of_mosaics, of_images) = (m.card.accuracy.values() for m in (one, fp32))
    lost = max(
        of_mosaics.average_precision - mosaics.average_precision, of_images.recall - images.recall
    )
    share = one.path.stat().st_size / fp32.path.stat().st_size
    if one is fp32:
        kept, verdict = True, "kept: the reference"
    elif not lost <= max_decrease:
        kept, verdict = False, f"not kept: {lost:.2f} points lost, the budget is {max_decrease:g}"
    elif speed is None:
        kept, verdict = True, f"kept: {share:.0%} of the size; made for another machine, not timed"
    else:
        kept, verdict = worth(speed, share)
    name = one.card.name
    return DetectorCandidateResult(
        name=one.name,
        file=f"{name}.onnx" if one is fp32 else f"{name}-{one.name}.onnx",
        precision=one.card.precision,
        bytes=one.path.stat().st_size,
        average_precision=mosaics.average_precision,
        recall=images.recall,
        speed=speed,
        kept=kept,
        verdict=verdict,
    )
