"""What an fp32 file could be replaced by: the same network in fewer bits, or in fewer weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
import onnx_ir as ir
from onnx_ir.passes.common import TopologicalSortPass
from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16

from fkd_infer.choices import Platform, Provider
from fkd_infer.geometry.arrays import Pixels
from fkd_infer.runtime.providers.cpu import CPU
from fkd_infer.runtime.providers.registry import PROVIDERS
from fkd_infer.runtime.session import LandmarkSession
from fkd_infer.runtime.settings import SessionSettings
from fkd_infer.system.hardware import DOT_PRODUCTS, cpu_features
from fkd_infer.tuning.interleaved import time_interleaved
from fkd_infer.tuning.session_worker import session_contender
from fkd_train.choices import OptimizeGoal
from fkd_train.data.crop_sampler import CropSampler
from fkd_train.data.faces import Faces
from fkd_train.evaluation.accuracy import evaluate, evaluation_crops
from fkd_train.graphs.passes import store_half, with_metadata
from fkd_train.optimize.low_rank import factorise, outputs_of
from fkd_train.optimize.quantize import (
    WEIGHTED,
    Int8Scheme,
    Quantizer,
    choose,
    dense_layers,
    pack_dense,
)

_RANKS = (8, 16, 32, 64, 128, 256)
_INT8_CROPS, _LAYER_CROPS, _CHOOSING = 200, 1000, 400


@dataclass(frozen=True)
class Candidate:
    """A variant of the fp32 file: its name, how its numbers are kept, and its graph.

    `platform` names the CPUs that an int8 variant is made for. `here` is False for a variant that
    is made for another machine than this one, and `provider` is the one that it is timed on.
    """

    name: str
    precision: str
    model: onnx.ModelProto
    here: bool = True
    provider: Provider = CPU.name
    platform: Platform = "any"


@dataclass(frozen=True)
class OptimizationContext:
    """What candidates are made from: the fp32 graph, and training faces.

    Half of the faces calibrate and the other half choose between ways of making a candidate, with
    at most `budget` points of NME lost; the evaluation faces have no say here. Files come and go in
    `folder`.
    """

    fp32: onnx.ModelProto
    sampler: CropSampler
    training: Faces
    budget: float
    platform: Platform
    folder: Path

    def calibration(self, count: int) -> Pixels:
        """Crops (n, S, S, C) of at most so many faces."""
        return evaluation_crops(_spread(self.training, 0, count), self.sampler)[0]

    def nme(self, model: onnx.ModelProto) -> float:
        """Of the faces that choose, in percent."""
        faces = _spread(self.training, 1, _CHOOSING)
        session = LandmarkSession(self.saved(model, "tried"), "cpu")
        return evaluate(session.run, faces, self.sampler).accuracy.nme

    def saved(self, model: onnx.ModelProto, name: str) -> Path:
        """The model as a file of the folder."""
        path = self.folder / f"{name}.onnx"
        onnx.save(model, path)
        return path


def _spread(faces: Faces, first: int, count: int) -> Faces:
    """At most so many of every other face, evenly spread."""
    rows = range(first, len(faces), 2)
    return faces.rows(rows[:: max(1, -(-len(rows) // count))])


def candidates(
    context: OptimizationContext, goal: OptimizeGoal, usable: Sequence[Provider]
) -> Iterator[Candidate]:
    """Yields all that a goal asks for; under "auto" only those for `usable` providers."""
    if goal in ("auto", "fp16"):
        yield Candidate("fp16-weights", "fp32, weights stored in fp16", store_half(context.fp32))
    for_half = [provider.name for provider in PROVIDERS if provider.half_precision]
    here = [name for name in for_half if name in usable]
    if goal == "fp16" or (goal == "auto" and here):
        half = half_precision(context.fp32)
        yield Candidate("fp16", "fp16", half, here=bool(here), provider=(here or for_half)[0])
    if goal in ("auto", "int8"):
        yield _int8(context, context.fp32, "int8", "int8")
    if goal == "auto":
        yield from _of_dense_layers(context)


def _of_dense_layers(context: OptimizationContext) -> Iterator[Candidate]:
    """Variants of networks whose weights lie in large dense layers."""
    layers = dense_layers(context.fp32)
    if not layers:
        return
    bits: Literal[4, 8]
    for bits in (8, 4):
        model = pack_dense(context.fp32, bits)
        yield Candidate(f"dense-int{bits}", f"fp32, dense layers in int{bits}", model)
    largest = max(layers, key=lambda name: int(np.prod(layers[name].dims)))
    found = _low_rank(context, largest)
    if found is not None:
        model, rank = found
        yield Candidate("low-rank", f"fp32, largest layer of rank {rank}", model)
        yield _int8(context, model, "low-rank-int8", f"int8, largest layer of rank {rank}")


def _low_rank(context: OptimizationContext, layer: str) -> tuple[onnx.ModelProto, int] | None:
    """The lowest rank that loses no more than half of the budget; None where none does.

    Half, since the faces that choose are not those that judge.
    """
    outputs = outputs_of(context.fp32, layer, context.calibration(_LAYER_CROPS))
    before = context.nme(context.fp32)
    for rank in _RANKS:
        if 4 * rank > min(outputs.shape):
            break
        model = factorise(context.fp32, layer, outputs, rank)
        if context.nme(model) - before <= context.budget / 2:
            return model, rank
    return None


def _int8(context: OptimizationContext, model: onnx.ModelProto, name: str, words: str) -> Candidate:
    """The best scheme for the platform."""
    crops = context.calibration(_INT8_CROPS)
    # In batches of one.
    quantizer = Quantizer(model, list(crops[:, None]), context.folder / name)
    before = context.nme(context.fp32)
    here = runs_here(context.platform)

    def change(scheme: Int8Scheme) -> float:
        return context.nme(quantizer(scheme)) - before

    def fastest(schemes: Sequence[Int8Scheme]) -> Int8Scheme:
        if not here:
            return min(schemes, key=change)
        files = {str(s): context.saved(quantizer(s), f"{name}-{s.integers}") for s in schemes}
        settings = SessionSettings.single_calls()
        contenders = [session_contender(n, file, settings) for n, file in files.items()]
        times = time_interleaved(contenders, blocks=6, seconds=0.2)
        return min(schemes, key=lambda s: float(np.median(np.concatenate(times[str(s)]))))

    scheme = choose(change, context.platform, fastest)
    precision = f"{words} ({scheme}; for {context.platform})"
    return Candidate(name, precision, quantizer(scheme), here, platform=context.platform)


def runs_here(platform: Platform) -> bool:
    """Whether this machine can say how fast a file for a platform is."""
    features = set(cpu_features())
    match platform:
        case "any":
            return True
        case "avx2":
            return "avx2" in features and not features & DOT_PRODUCTS
        case "vnni":
            return bool(features & {"avx_vnni", "avx512_vnni", "amx_int8"})
        case "arm":
            return bool(features & {"asimddp", "i8mm"})


def half_precision(model: onnx.ModelProto) -> onnx.ModelProto:
    """fp16 throughout for GPUs, but for what comes after the last weights: there, numbers are
    pixels of the crop, of which fp16 would keep only every eighth of one."""
    half: onnx.ModelProto = convert_float_to_float16(
        model,
        keep_io_types=True,
        op_block_list=DEFAULT_OP_BLOCK_LIST,
        node_block_list=_after_the_last_weights(model),
    )
    # It puts the last casts at the end, behind those who read them.
    ordered = TopologicalSortPass()(ir.from_proto(half)).model
    return with_metadata(ir.to_proto(ordered), model)


def _after_the_last_weights(model: onnx.ModelProto) -> list[str]:
    """Names of the nodes whose answers reach no node with weights."""
    weighted: set[str] = set()
    """Values that a node with weights is made of."""
    tail: list[str] = []
    for node in reversed(model.graph.node):
        if node.op_type in WEIGHTED or weighted & set(node.output):
            weighted |= set(node.input)
        else:
            tail.append(node.name)
    return tail
