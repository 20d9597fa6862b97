"""Passes keep a graph's results, or raise an error that names them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from small_graphs import convolution_network, run_network

from fkd_train.errors import VerificationError
from fkd_train.graphs.passes import (
    EXACT_PASSES,
    Pass,
    apply_passes,
    fold_input_scale,
    reshape_gray,
    simplify,
    store_half,
)


def operators(model: onnx.ModelProto) -> Counter[str]:
    return Counter(node.op_type for node in model.graph.node)


def accept(_: onnx.ModelProto) -> None:
    return None


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("rewrite", [fold_input_scale, reshape_gray, simplify])
def test_each_exact_pass_keeps_the_results(rewrite: object, channels: int) -> None:
    model = convolution_network(channels)
    after = apply_passes(model, [Pass("one", rewrite)], accept)  # type: ignore[arg-type]
    np.testing.assert_allclose(
        run_network(after, channels), run_network(model, channels), rtol=1e-5, atol=1e-3
    )
    assert [(p.key, p.value) for p in after.metadata_props] == [("fkd", "a card")]


def test_scaling_is_folded_into_the_first_and_last_layers() -> None:
    after = operators(apply_passes(convolution_network(), EXACT_PASSES, accept))
    assert after["Div"] == after["Mul"] == after["Add"] == after["Transpose"] == 0


def test_colour_crops_are_still_transposed() -> None:
    assert operators(reshape_gray(convolution_network(3)))["Transpose"] == 1


def test_a_scale_with_other_users_stays() -> None:
    model = convolution_network()
    model.graph.output.append(
        helper.make_tensor_value_info("scaled", TensorProto.FLOAT, ["batch", 1, 8, 8])
    )
    model.graph.node.append(helper.make_node("Relu", ["scaled"], ["light"]))
    assert operators(fold_input_scale(model))["Div"] == 1


def test_half_precision_storage_is_half_the_size_and_computes_in_fp32() -> None:
    model = convolution_network()
    small = store_half(model)
    assert small.ByteSize() < 0.65 * model.ByteSize()
    np.testing.assert_allclose(run_network(small), run_network(model), atol=0.05)
    rounded = convolution_network()
    for tensor in rounded.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            half = numpy_helper.to_array(tensor).astype(np.float16).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(half, tensor.name))
    np.testing.assert_array_equal(run_network(store_half(rounded)), run_network(rounded))


def test_names_a_pass_that_breaks_the_graph() -> None:
    def breaking(model: onnx.ModelProto) -> onnx.ModelProto:
        broken = onnx.ModelProto()
        broken.CopyFrom(model)
        del broken.graph.node[3]
        return broken

    with pytest.raises(VerificationError, match="after the pass 'lose a node'"):
        apply_passes(convolution_network(), [Pass("lose a node", breaking)], accept)


def test_names_a_pass_that_changes_the_interface() -> None:
    def losing(model: onnx.ModelProto) -> onnx.ModelProto:
        changed = onnx.ModelProto()
        changed.CopyFrom(model)
        del changed.metadata_props[:]
        return changed

    with pytest.raises(VerificationError, match=r"'lose the card'.*metadata"):
        apply_passes(convolution_network(), [Pass("lose the card", losing)], accept)


def test_names_a_pass_that_changes_the_results() -> None:
    with pytest.raises(VerificationError, match="'simplify', the points moved"):
        apply_passes(
            convolution_network(), [Pass("simplify", simplify)], lambda _: "the points moved"
        )


def test_passes_leave_their_input_unchanged(tmp_path: Path) -> None:
    model = convolution_network()
    before = model.SerializeToString(deterministic=True)
    for step in (*EXACT_PASSES, Pass("half", store_half)):
        step.rewrite(model)
    assert model.SerializeToString(deterministic=True) == before
