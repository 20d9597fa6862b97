"""Passes that rewrite an exported graph without changing its results, checked after each."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
import onnx_ir as ir
import onnxslim
from numpy.typing import NDArray
from onnx import numpy_helper
from onnx_ir.passes.common import DeduplicateHashedInitializersPass

from fkd_infer.errors import one_line
from fkd_train.errors import VerificationError

_log = logging.getLogger(__name__)

Weights = NDArray[np.floating]
Rewrite = Callable[[onnx.ModelProto], onnx.ModelProto]
Check = Callable[[onnx.ModelProto], str | None]
"""Returns what is wrong with a graph's results, or None."""


@dataclass(frozen=True)
class Pass:
    """A rewrite and its description."""

    name: str
    rewrite: Rewrite


def apply_passes(
    model: onnx.ModelProto, passes: Sequence[Pass], check: Check, required: bool = True
) -> onnx.ModelProto:
    """Applies all passes in order.

    Before the first pass and after each, the graph must be valid; after each, its inputs, outputs
    and metadata must be unchanged and `check` must return None. Raises VerificationError, which
    names the pass; passes that are not `required` are left out instead, with a warning.
    """
    _validate(model, "the exporter")
    for step in passes:
        try:
            model = _applied(model, step, check)
        except Exception as error:
            if required:
                raise
            # Tools for graphs meet everything in those of others, and fail in their own ways.
            _log.warning("left out the pass %r: %s", step.name, one_line(error))
    return model


def _applied(model: onnx.ModelProto, step: Pass, check: Check) -> onnx.ModelProto:
    after = step.rewrite(model)
    _validate(after, step.name)
    if _interface(after) != _interface(model):
        problem = "the graph's inputs, outputs or metadata differ"
        raise VerificationError.of_pass(step.name, problem)
    if problem_after := check(after):
        raise VerificationError.of_pass(step.name, problem_after)
    return after


def _validate(model: onnx.ModelProto, name: str) -> None:
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise VerificationError.of_pass(name, " ".join(str(error).split())) from error


def _interface(model: onnx.ModelProto) -> tuple[list[tuple[str, str]], dict[str, str]]:
    """Returns names and types of inputs and outputs, and the metadata."""
    values = [*model.graph.input, *model.graph.output]
    types = [(value.name, str(value.type.tensor_type)) for value in values]
    return types, {entry.key: entry.value for entry in model.metadata_props}


def fold_input_scale(model: onnx.ModelProto) -> onnx.ModelProto:
    """Folds the division of the image by a constant into the first convolution's weights.

    Zero padding commutes with it, so this is exact except for the rounding of the weights.
    """

    def scaled(node: ir.Node, weights: Weights) -> Weights | None:
        scale = _scalar_factor(node)
        return None if scale is None else (weights.astype(np.float64) * scale).astype(np.float32)

    return _fold_into_convolutions(model, scaled)


def _fold_into_convolutions(
    model: onnx.ModelProto, fold: Callable[[ir.Node, Weights], Weights | None]
) -> onnx.ModelProto:
    """Removes nodes before convolutions whose weights can do the same.

    `fold` returns the weights with which the convolution does what the node did, None for a node of
    another kind.
    """
    graph = ir.from_proto(model)
    for node in list(graph.graph):
        users = [use.node for use in node.outputs[0].uses()]
        if [user.op_type for user in users] != ["Conv"]:
            continue
        (convolution,) = users
        weight = convolution.inputs[1]
        if weight is None or weight.const_value is None or len(weight.uses()) != 1:
            continue
        folded = fold(node, weight.const_value.numpy())
        if folded is None:
            continue
        weight.const_value = ir.tensor(folded, name=weight.name)
        convolution.replace_input_with(0, node.inputs[0])
        graph.graph.remove(node, safe=True)
    return _without_unused_constants(graph)


def _scalar_factor(node: ir.Node) -> float | None:
    """Returns the scalar constant by which a node multiplies its first input, if it does."""
    if node.op_type not in ("Div", "Mul") or node.domain:
        return None
    constant = node.inputs[1]
    if constant is None or constant.const_value is None or constant.const_value.size != 1:
        return None
    value = float(constant.const_value.numpy().item())
    return 1 / value if node.op_type == "Div" else value


def fold_channel_order(model: onnx.ModelProto) -> onnx.ModelProto:
    """Folds another order of the image's channels into the first convolution's weights."""

    def reordered(node: ir.Node, weights: Weights) -> Weights | None:
        order = _channel_order(node)
        if order is None or weights.shape[1] != len(order):  # a grouped convolution
            return None
        return np.ascontiguousarray(weights[:, np.argsort(order)])

    return _fold_into_convolutions(model, reordered)


def _channel_order(node: ir.Node) -> list[int] | None:
    """Returns the channels (C,) that a node takes in another order, if it does nothing else."""
    numbers = [_integers(value) for value in node.inputs[1:]]
    shape = node.inputs[0].shape if node.inputs and node.inputs[0] is not None else None
    order: list[int] | None = None
    if node.op_type == "Gather" and node.attributes["axis"].as_int() == 1:
        (order,) = numbers
    # torch.flip: along axis 1 from the last channel on, backwards, as far as there are any.
    if node.op_type == "Slice" and numbers[:1] + numbers[2:] == [[-1], [1], [-1]]:
        channels = None if shape is None else shape[1]
        order = list(range(channels))[::-1] if isinstance(channels, int) else None
        order = order if numbers[1] is not None and numbers[1][0] < -len(order or ()) else None
    return order if order and sorted(order) == list(range(len(order))) else None


def _integers(value: ir.Value | None) -> list[int] | None:
    """The numbers of a constant, None for what is none."""
    constant = None if value is None else ir.convenience.get_const_tensor(value)
    return None if constant is None else [int(number) for number in constant.numpy().ravel()]


def reshape_gray(model: onnx.ModelProto) -> onnx.ModelProto:
    """Replaces the transpose of one-channel images by a reshape, which copies nothing."""
    graph = ir.from_proto(model)
    for node in list(graph.graph):
        image = node.inputs[0] if node.inputs else None
        if node.op_type != "Transpose" or image is None or image.shape is None:
            continue
        if list(node.attributes["perm"].as_ints()) != [0, 3, 1, 2] or image.shape[3] != 1:
            continue
        height, width = image.shape[1], image.shape[2]
        name = f"{node.outputs[0].name}_shape"
        shape = ir.tensor(np.array([-1, 1, height, width], np.int64), name=name)
        constant = ir.Value(name=name, const_value=shape, type=ir.TensorType(ir.DataType.INT64))
        graph.graph.register_initializer(constant)
        reshape = ir.node("Reshape", [image, constant])
        planes, transposed = reshape.outputs[0], node.outputs[0]
        planes.name, planes.shape, planes.type = transposed.name, transposed.shape, transposed.type
        graph.graph.insert_before(node, reshape)
        transposed.replace_all_uses_with(planes)
        graph.graph.remove(node, safe=True)
    return _without_unused_constants(graph)


def simplify(model: onnx.ModelProto) -> onnx.ModelProto:
    """Runs onnxslim, which folds constants, removes redundant nodes and merges a Gemm with the
    scale and offset after it."""
    return with_metadata(_with_full_biases(onnxslim.slim(model)), model)


def _with_full_biases(model: onnx.ModelProto) -> onnx.ModelProto:
    """Gives every Gemm of the model, changed in place, one bias per output.

    onnxslim drops biases of zero and merges equal ones to a scalar, which quantisation does not
    support.
    """
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type != "Gemm" or node.input[1] not in tensors:
            continue
        old_bias = tensors.get(node.input[2]) if len(node.input) == 3 else None
        outputs = tensors[node.input[1]].dims[0 if _is_transposed(node) else 1]
        if len(node.input) == 3 and (old_bias is None or list(old_bias.dims) == [outputs]):
            continue
        values = np.float32(0) if old_bias is None else numpy_helper.to_array(old_bias)
        name = f"{node.input[1]}_bias"
        bias = np.broadcast_to(values, outputs).astype(np.float32)
        model.graph.initializer.append(numpy_helper.from_array(bias, name))
        node.input[:] = [*node.input[:2], name]
        if old_bias is not None and not any(old_bias.name in n.input for n in model.graph.node):
            model.graph.initializer.remove(old_bias)
    return model


def _is_transposed(gemm: onnx.NodeProto) -> bool:
    return any(attribute.name == "transB" and attribute.i for attribute in gemm.attribute)


def store_half(model: onnx.ModelProto) -> onnx.ModelProto:
    """Stores weights in half precision; ONNX Runtime widens them once, at load.

    Exact for weights that are already rounded to half precision.
    """
    half = onnx.ModelProto()
    half.CopyFrom(model)
    casts = []
    for tensor in half.graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT or not _is_large(tensor):
            continue
        values, name = numpy_helper.to_array(tensor), tensor.name
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}_half"))
        casts.append(
            onnx.helper.make_node("Cast", [f"{name}_half"], [name], to=onnx.TensorProto.FLOAT)
        )
    nodes = [*casts, *half.graph.node]
    del half.graph.node[:]
    half.graph.node.extend(nodes)
    return half


def with_metadata(model: onnx.ModelProto, source: onnx.ModelProto) -> onnx.ModelProto:
    """Replaces the metadata of the model, in place, by that of another."""
    onnx.helper.set_model_props(model, {entry.key: entry.value for entry in source.metadata_props})
    return model


def _is_large(tensor: onnx.TensorProto) -> bool:
    """Returns whether half precision saves space; small tensors, such as scales, stay exact."""
    return int(np.prod(tensor.dims)) >= 256


def _without_unused_constants(graph: ir.Model) -> onnx.ModelProto:
    """Removes unused constants."""
    used = {value.name for node in graph.graph for value in node.inputs if value is not None}
    for name in [n for n in graph.graph.initializers if n not in used]:
        del graph.graph.initializers[name]
    return ir.to_proto(graph)


def share_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Stores equal weights, of a layer that is used twice, once."""
    return ir.to_proto(DeduplicateHashedInitializersPass()(ir.from_proto(model)).model)


EXACT_PASSES = (
    Pass("fold the input's scale", fold_input_scale),
    Pass("fold the order of colours", fold_channel_order),
    Pass("reshape gray crops", reshape_gray),
    Pass("simplify", simplify),
    Pass("share equal weights", share_weights),
)
"""Applied to every exported file."""
