"""Small rewrites of an exported graph that leave its answers as they are, each checked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
import onnx_ir as ir
import onnxslim
from onnx import numpy_helper
from onnx_ir.passes.common import DeduplicateHashedInitializersPass

from fkd_train.errors import VerificationError

Rewrite = Callable[[onnx.ModelProto], onnx.ModelProto]
Check = Callable[[onnx.ModelProto], str | None]
"""Says what is wrong with a graph's answers, or None."""


@dataclass(frozen=True)
class Pass:
    """A rewrite and what it does, for people."""

    name: str
    rewrite: Rewrite


def apply(model: onnx.ModelProto, passes: Sequence[Pass], check: Check) -> onnx.ModelProto:
    """The model after all passes, looked at before the first and after each.

    A valid graph must stay one, with the same inputs, outputs and metadata, and its answers must
    pass `check`. Raises VerificationError, which names the pass.
    """
    _validate(model, "the exporter")
    for step in passes:
        after = step.rewrite(model)
        _validate(after, step.name)
        if _border(after) != _border(model):
            raise VerificationError.of_pass(
                step.name, "it changed the graph's inputs, outputs or metadata"
            )
        problem = check(after)
        if problem:
            raise VerificationError.of_pass(step.name, problem)
        model = after
    return model


def _validate(model: onnx.ModelProto, name: str) -> None:
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise VerificationError.of_pass(name, " ".join(str(error).split())) from error


def _border(model: onnx.ModelProto) -> tuple[list[tuple[str, str]], dict[str, str]]:
    values = [*model.graph.input, *model.graph.output]
    named = [(v.name, str(v.type.tensor_type)) for v in values]
    return named, {p.key: p.value for p in model.metadata_props}


def fold_input_scale(model: onnx.ModelProto) -> onnx.ModelProto:
    """Division of the image by a constant becomes part of the first convolution's weights.

    Padding with zeros commutes with it, so this is exact but for the rounding of the weights.
    """
    graph = ir.from_proto(model)
    for node in list(graph.graph):
        scale = _scalar_factor(node)
        users = [use.node for use in node.outputs[0].uses()]
        if scale is None or [user.op_type for user in users] != ["Conv"]:
            continue
        (convolution,) = users
        weight = convolution.inputs[1]
        if weight is None or weight.const_value is None or len(weight.uses()) != 1:
            continue
        weight.const_value = ir.tensor(
            (weight.const_value.numpy().astype(np.float64) * scale).astype(np.float32),
            name=weight.name,
        )
        convolution.replace_input_with(0, node.inputs[0])
        graph.graph.remove(node, safe=True)
    return _cleaned(graph)


def _scalar_factor(node: ir.Node) -> float | None:
    """What a node multiplies its first input by, where that is one constant."""
    if node.op_type not in ("Div", "Mul") or node.domain:
        return None
    constant = node.inputs[1]
    if constant is None or constant.const_value is None or constant.const_value.size != 1:
        return None
    value = float(constant.const_value.numpy().item())
    return 1 / value if node.op_type == "Div" else value


def reshape_gray(model: onnx.ModelProto) -> onnx.ModelProto:
    """Moving the only channel to the front moves no byte, so a Reshape does it without a copy."""
    graph = ir.from_proto(model)
    for node in list(graph.graph):
        given = node.inputs[0] if node.inputs else None
        if node.op_type != "Transpose" or given is None or given.shape is None:
            continue
        if list(node.attributes["perm"].as_ints()) != [0, 3, 1, 2] or given.shape[3] != 1:
            continue
        height, width = given.shape[1], given.shape[2]
        name = f"{node.outputs[0].name}_shape"
        shape = ir.tensor(np.array([-1, 1, height, width], np.int64), name=name)
        constant = ir.Value(name=name, const_value=shape, type=ir.TensorType(ir.DataType.INT64))
        graph.graph.register_initializer(constant)
        reshape = ir.node("Reshape", [given, constant])
        planes, wanted = reshape.outputs[0], node.outputs[0]
        planes.name, planes.shape, planes.type = wanted.name, wanted.shape, wanted.type
        graph.graph.insert_before(node, reshape)
        wanted.replace_all_uses_with(planes)
        graph.graph.remove(node, safe=True)
    return _cleaned(graph)


def simplify(model: onnx.ModelProto) -> onnx.ModelProto:
    """onnxslim: constants folded, what repeats or does nothing removed, Gemm followed by a scale
    and an offset made one."""
    return with_metadata(_with_whole_biases(onnxslim.slim(model)), model)


def _with_whole_biases(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model itself, every Gemm with one bias for each output: onnxslim leaves biases of zeros
    out and makes equal ones a single number, for which quantisation has no way."""
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type != "Gemm" or node.input[1] not in tensors:
            continue
        given = tensors.get(node.input[2]) if len(node.input) == 3 else None
        outputs = tensors[node.input[1]].dims[0 if _is_transposed(node) else 1]
        if len(node.input) == 3 and (given is None or list(given.dims) == [outputs]):
            continue
        bias = np.zeros(outputs, np.float32) if given is None else numpy_helper.to_array(given)
        name = f"{node.input[1]}_bias"
        whole = np.broadcast_to(bias, outputs).astype(np.float32)
        model.graph.initializer.append(numpy_helper.from_array(whole, name))
        node.input[:] = [*node.input[:2], name]
        if given is not None and not any(given.name in n.input for n in model.graph.node):
            model.graph.initializer.remove(given)
    return model


def _is_transposed(gemm: onnx.NodeProto) -> bool:
    return any(a.name == "transB" and a.i for a in gemm.attribute)


def store_half(model: onnx.ModelProto) -> onnx.ModelProto:
    """Weights in half precision, widened where they are used: ONNX Runtime does it once, at load.

    Exact for weights that were rounded to half precision before.
    """
    small = onnx.ModelProto()
    small.CopyFrom(model)
    casts = []
    for tensor in small.graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT or not _is_large(tensor):
            continue
        values, name = numpy_helper.to_array(tensor), tensor.name
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}_half"))
        casts.append(
            onnx.helper.make_node("Cast", [f"{name}_half"], [name], to=onnx.TensorProto.FLOAT)
        )
    nodes = [*casts, *small.graph.node]
    del small.graph.node[:]
    small.graph.node.extend(nodes)
    return small


def with_metadata(model: onnx.ModelProto, source: onnx.ModelProto) -> onnx.ModelProto:
    """The model itself, with the metadata of another."""
    onnx.helper.set_model_props(model, {p.key: p.value for p in source.metadata_props})
    return model


def _is_large(tensor: onnx.TensorProto) -> bool:
    """Worth storing otherwise; small ones, such as scales, stay exact."""
    return int(np.prod(tensor.dims)) >= 256


def _cleaned(graph: ir.Model) -> onnx.ModelProto:
    """Without constants that nothing uses any more."""
    used = {value.name for node in graph.graph for value in node.inputs if value is not None}
    for name in [n for n in graph.graph.initializers if n not in used]:
        del graph.graph.initializers[name]
    return ir.to_proto(graph)


def share_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Equal weights, of a layer that is used twice, are kept once."""
    return ir.to_proto(DeduplicateHashedInitializersPass()(ir.from_proto(model)).model)


EXACT = (
    Pass("fold the input's scale", fold_input_scale),
    Pass("reshape gray crops", reshape_gray),
    Pass("simplify", simplify),
    Pass("share equal weights", share_weights),
)
"""What every exported file goes through."""
