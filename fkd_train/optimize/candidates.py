"""Candidates for replacing an fp32 file: the same network with fewer bits or fewer weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import onnx

from fkd_infer.choices import Platform, Provider
from fkd_infer.runtime.providers.cpu import CPU
from fkd_infer.runtime.settings import SessionSettings
from fkd_infer.tuning.interleaved import time_interleaved
from fkd_infer.tuning.session_worker import session_contender
from fkd_train.choices import OptimizeGoal
from fkd_train.graphs.half_precision import half_precision
from fkd_train.graphs.passes import store_half
from fkd_train.optimize.context import OptimizationContext
from fkd_train.optimize.low_rank import factorise, layer_outputs
from fkd_train.optimize.platforms import runs_here
from fkd_train.optimize.quantize import (
    Int8Scheme,
    Quantizer,
    dense_layers,
    nodes_beside,
    pack_dense,
    select_scheme,
)

_RANKS = (8, 16, 32, 64, 128, 256)
_INT8_CROPS, _LAYER_CROPS = 200, 1000


@dataclass(frozen=True)
class Candidate:
    """A variant of the fp32 file: its name, its precision for the card, and its graph.

    `platform` is the CPUs that an int8 variant is for. `here` is False if it is for another machine
    than this one; `provider` runs it in timings.
    """

    name: str
    precision: str
    model: onnx.ModelProto
    here: bool = True
    provider: Provider = CPU.name
    platform: Platform = "any"


def candidates(context: OptimizationContext, goal: OptimizeGoal) -> Iterator[Candidate]:
    """Yields the fp32 file itself and all candidates of a goal."""
    yield Candidate("fp32", "fp32", context.fp32)
    for make in _MAKERS[goal]:
        yield from make(context)


def _fp16_weights(context: OptimizationContext) -> Iterator[Candidate]:
    yield Candidate("fp16-weights", "fp32, weights stored in fp16", store_half(context.fp32))


def _fp16(context: OptimizationContext) -> Iterator[Candidate]:
    """Yields an fp16 graph, for a provider of this machine that gains from it if there is one."""
    provider = context.half_precision_provider()
    model = half_precision(context.fp32)
    yield Candidate("fp16", "fp16", model, provider is not None, provider or CPU.name)


def _fp16_if_usable(context: OptimizationContext) -> Iterator[Candidate]:
    if context.half_precision_provider() is not None:
        yield from _fp16(context)


def _int8(context: OptimizationContext) -> Iterator[Candidate]:
    yield _quantized(context, context.fp32, "int8", "int8")


def _packed_dense(context: OptimizationContext) -> Iterator[Candidate]:
    """Yields large dense layers with weights of 8 and 4 bits."""
    if not dense_layers(context.fp32):
        return
    bits: Literal[4, 8]
    for bits in (8, 4):
        model = pack_dense(context.fp32, bits)
        yield Candidate(f"dense-int{bits}", f"fp32, dense layers in int{bits}", model)


def _low_rank(context: OptimizationContext) -> Iterator[Candidate]:
    """Yields the largest dense layer in low rank, in fp32 and int8."""
    layers = dense_layers(context.fp32)
    if not layers:
        return
    largest = max(layers, key=lambda name: int(np.prod(layers[name].dims)))
    factorised = _lowest_rank(context, largest)
    if factorised is not None:
        model, rank = factorised
        yield Candidate("low-rank", f"fp32, largest layer of rank {rank}", model)
        yield _quantized(context, model, "low-rank-int8", f"int8, largest layer of rank {rank}")


_MAKERS: dict[OptimizeGoal, tuple[Callable[[OptimizationContext], Iterator[Candidate]], ...]] = {
    "fp32": (),
    "fp16": (_fp16_weights, _fp16),
    "int8": (_int8,),
    "auto": (_fp16_weights, _fp16_if_usable, _int8, _packed_dense, _low_rank),
}


def _lowest_rank(context: OptimizationContext, layer: str) -> tuple[onnx.ModelProto, int] | None:
    """Finds the lowest rank that loses at most half of the budget, or None.

    Half, because the selection faces are not the evaluation faces.
    """
    outputs = layer_outputs(context.fp32, layer, context.calibration_crops(_LAYER_CROPS))
    fp32_nme = context.nme(context.fp32)
    for rank in _RANKS:
        if 4 * rank > min(outputs.shape):
            break
        model = factorise(context.fp32, layer, outputs, rank)
        if context.nme(model) - fp32_nme <= context.budget / 2:
            return model, rank
    return None


def _quantized(
    context: OptimizationContext, model: onnx.ModelProto, name: str, precision: str
) -> Candidate:
    """Quantises the model to int8 by the best scheme for the platform.

    The heads of score and spread stay in fp32: they are small, and calibrated on faces alone, a
    score in int8 would be one half at least.
    """
    crops = context.calibration_crops(_INT8_CROPS)
    batches_of_one = list(crops[:, None])
    beside = nodes_beside(model, "points")
    quantizer = Quantizer(model, batches_of_one, context.folder / name, in_float=beside)
    fp32_nme = context.nme(context.fp32)
    here = runs_here(context.platform)

    def nme_change(scheme: Int8Scheme) -> float:
        return context.nme(quantizer(scheme)) - fp32_nme

    def fastest(schemes: Sequence[Int8Scheme]) -> Int8Scheme:
        if not here:
            return min(schemes, key=nme_change)
        paths = {
            str(scheme): context.save(quantizer(scheme), f"{name}-{scheme.integers}")
            for scheme in schemes
        }
        settings = SessionSettings.single_calls()
        contenders = [session_contender(key, path, settings) for key, path in paths.items()]
        times = time_interleaved(contenders, blocks=6, seconds=0.2)
        return min(schemes, key=lambda each: float(np.median(np.concatenate(times[str(each)]))))

    scheme = select_scheme(nme_change, context.platform, fastest)
    description = f"{precision} ({scheme}; for {context.platform})"
    return Candidate(name, description, quantizer(scheme), here, platform=context.platform)
