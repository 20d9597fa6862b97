"""Int8 schemes by platform, and quantised models."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from repo_paths import SHIPPED_MODELS
from small_graphs import convolution_network, dense_network, random_crops, run_network

from fkd_infer.choices import PLATFORMS
from fkd_infer.system.hardware import DOT_PRODUCTS, cpu_features
from fkd_train.optimize.quantize import (
    SCHEMES,
    Int8Scheme,
    Quantizer,
    dense_layers,
    nodes_beside,
    pack_dense,
    select_scheme,
)


@pytest.mark.parametrize("platform", ["any", "avx2"])
def test_schemes_for_cpus_without_dot_products_do_not_saturate(platform: str) -> None:
    for scheme in SCHEMES[platform]:  # type: ignore[index]
        assert scheme.integers == "U8U8" or scheme.reduce_range


def test_every_platform_has_schemes() -> None:
    assert set(SCHEMES) == set(PLATFORMS)
    assert all(SCHEMES.values())


def test_selects_the_fastest_similar_scheme_and_later_improvements() -> None:
    slow, quick, bad = SCHEMES["vnni"][0], SCHEMES["vnni"][1], SCHEMES["vnni"][2]

    def change(scheme: Int8Scheme) -> float:
        lost = {slow.integers: 0.10, quick.integers: 0.14}[scheme.integers]
        lost += 0.5 if scheme.reduce_range or scheme == SCHEMES["vnni"][3] else 0
        if scheme.calibrator == "percentile":
            lost -= 0.05
        if scheme.last_in_float:
            lost -= 0.01
        return lost

    def fastest(schemes: object) -> Int8Scheme:
        assert schemes == [slow, quick]
        return quick

    def safe_change(scheme: Int8Scheme) -> float:
        return 9.0 if scheme.integers == "U8U8" else change(scheme)

    best = select_scheme(safe_change, "vnni", fastest)
    assert bad != quick
    assert best == Int8Scheme(quick.integers, calibrator="percentile")


def test_a_scheme_describes_itself() -> None:
    scheme = Int8Scheme("U8S8", False, True, "percentile", 2)
    assert str(scheme) == "U8S8, per tensor, reduced range, percentile, last 2 in fp32"


@pytest.mark.parametrize("integers", ["U8U8", "U8S8", "S8S8"])
def test_static_quantisation_is_close_and_keeps_the_card(integers: str, tmp_path: Path) -> None:
    model = convolution_network()
    before = model.SerializeToString()
    # Without dot products of bytes, CPUs saturate with signed weights of 8 bits.
    saturates = integers != "U8U8" and not set(cpu_features()) & DOT_PRODUCTS
    scheme = Int8Scheme(integers, reduce_range=saturates)  # type: ignore[arg-type]
    small = Quantizer(model, list(random_crops(30)[:, None]), tmp_path / "q")(scheme)
    assert model.SerializeToString() == before
    kinds = {numpy_helper.to_array(t).dtype for t in small.graph.initializer}
    assert (np.dtype(np.int8) in kinds) or integers == "U8U8"
    expected = run_network(model)
    assert np.abs(run_network(small) - expected).mean() < 0.05 * np.abs(expected).mean()
    assert [p.key for p in small.metadata_props] == ["fkd"]


def test_the_last_layers_can_stay_in_fp32(tmp_path: Path) -> None:
    quantizer = Quantizer(convolution_network(), list(random_crops(10)[:, None]), tmp_path / "q")
    full, partial = quantizer(Int8Scheme("U8S8")), quantizer(Int8Scheme("U8S8", last_in_float=1))
    dense = {t.name: t.data_type for t in partial.graph.initializer}
    assert dense["dense"] == TensorProto.FLOAT
    assert "dense" not in {t.name for t in full.graph.initializer}


def test_finds_the_nodes_that_an_output_does_not_depend_on() -> None:
    nodes = [
        helper.make_node("Relu", ["image"], ["shared"], "trunk"),
        helper.make_node("Neg", ["shared"], ["points"], "points head"),
        helper.make_node("Abs", ["shared"], ["logit"], "score head"),
        helper.make_node("Sigmoid", ["logit"], ["score"], "squash"),
    ]
    shape = TensorProto.FLOAT, [1]
    image, *outputs = (
        helper.make_tensor_value_info(n, *shape) for n in ("image", "points", "score")
    )
    model = helper.make_model(helper.make_graph(nodes, "two heads", [image], outputs))
    assert sorted(nodes_beside(model, "points")) == ["score head", "squash"]


@pytest.mark.parametrize(("bits", "share", "error"), [(8, 0.3, 0.01), (4, 0.17, 0.25)])
def test_packs_only_large_dense_layers(bits: int, share: float, error: float) -> None:
    model = dense_network()
    assert list(dense_layers(model)) == ["first"]
    small = pack_dense(model, bits)  # type: ignore[arg-type]
    assert Counter(n.op_type for n in small.graph.node)["MatMulNBits"] == 1
    assert small.ByteSize() < share * model.ByteSize()
    assert [p.key for p in small.metadata_props] == ["fkd"]
    image = np.random.default_rng(2).integers(0, 256, (3, 32, 32, 1), np.uint8)
    expected, results = (
        onnxruntime.InferenceSession(m.SerializeToString()).run(None, {"image": image})[0]
        for m in (model, small)
    )
    assert np.abs(results - expected).mean() < error * np.abs(expected).mean()


@pytest.mark.parametrize("name", ["fkdnet-int8", "fkdnet-large-int8"])
def test_a_matrix_for_each_point_stays_in_fp32(name: str) -> None:
    """Its scales would be those of an inner axis, which runs in ONNX Runtime 1.32 alone."""
    graph = onnx.load(SHIPPED_MODELS / f"{name}.onnx").graph
    ranks = {tensor.name: len(tensor.dims) for tensor in graph.initializer}
    (product,) = (node for node in graph.node if node.op_type == "MatMul")
    assert ranks[product.input[1]] == 3
    scales = {node.input[1] for node in graph.node if node.op_type == "DequantizeLinear"}
    assert scales
    assert all(ranks[scale] <= 1 for scale in scales)
