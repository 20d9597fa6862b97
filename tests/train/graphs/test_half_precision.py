"""What is converted to fp16, and what would suffer and is not."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, parser
from onnx.shape_inference import infer_shapes
from small_graphs import convolution_network, run_network

from fkd_infer.models.allowed_operators import ONNX, OPSETS
from fkd_train.graphs.half_precision import HALF_OPERATORS, half_precision

PIXELS = np.arange(256, dtype=np.uint8).reshape(16, 1, 4, 4)
CONV = "y = Conv(x, one)"
"""Copies the pixels, so that every difference comes from what follows."""


def network(body: str, outputs: str = "float[n, 16] points") -> onnx.ModelProto:
    """A graph of bytes `image`, as float `x` and, by a layer, `y` (n, 1, 4, 4)."""
    model: onnx.ModelProto = parser.parse_model(f"""
        <ir_version: 10, opset_import: ["" : 18]>
        small (uint8[n, 1, 4, 4] image) => ({outputs})
        <float[1, 1, 1, 1] one = {{1}}, float[16, 16] layer = {{{", ".join(IDENTITY)}}},
         int64[2] flat = {{-1, 16}}>
        {{ x = Cast <to = 1> (image) {body} }}
    """)
    return model


IDENTITY = [str(float(value)) for value in np.eye(16).ravel()]


def run(model: onnx.ModelProto) -> list[NDArray[np.float32]]:
    session = onnxruntime.InferenceSession(model.SerializeToString())
    results: list[NDArray[np.float32]] = session.run(None, {"image": PIXELS})
    return results


def converted(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model in half precision, which is valid and has the same inputs and outputs."""
    half = half_precision(model)
    onnx.checker.check_model(half, full_check=True)
    interface = [(value.name, value.type) for value in (*model.graph.input, *model.graph.output)]
    assert [(v.name, v.type) for v in (*half.graph.input, *half.graph.output)] == interface
    return half


def assert_same_results(model: onnx.ModelProto) -> None:
    for expected, result in zip(run(model), run(converted(model)), strict=True):
        np.testing.assert_array_equal(result, expected)


def types(model: onnx.ModelProto) -> dict[str, int]:
    """The element types of all values but constants."""
    graph = infer_shapes(model, strict_mode=True).graph
    values = (*graph.value_info, *graph.output)
    return {value.name: value.type.tensor_type.elem_type for value in values}


def casts(model: onnx.ModelProto) -> Counter[tuple[str, str]]:
    """Counts the casts by the value that is cast and the new type's name."""
    return Counter(
        (node.input[0], TensorProto.DataType.Name(node.attribute[0].i))
        for node in model.graph.node
        if node.op_type == "Cast"
    )


def test_weights_and_what_leads_to_them_are_half_and_pixels_are_not() -> None:
    model = convolution_network()
    half = converted(model)
    assert half.ByteSize() < 0.65 * model.ByteSize()
    np.testing.assert_allclose(run_network(half), run_network(model), atol=0.05)
    kinds = types(half)
    for name in ("scaled", "map", "features", "dense_out"):
        assert kinds[name] == TensorProto.FLOAT16, name
    for name in ("normalised", "wide", "points"):
        assert kinds[name] == TensorProto.FLOAT, name


def test_the_card_stays_and_the_given_model_is_unchanged() -> None:
    model = convolution_network()
    before = model.SerializeToString(deterministic=True)
    assert half_precision(model).metadata_props == model.metadata_props
    assert model.SerializeToString(deterministic=True) == before


def test_a_second_conversion_changes_nothing() -> None:
    once = half_precision(convolution_network())
    assert half_precision(once).SerializeToString() == once.SerializeToString()


def test_positions_stay_exact() -> None:
    """Pixel p reads number 16 p + 1 of a table, and fp16 has no odd numbers above 2048."""
    model = network(f"""
        {CONV}
        sixteen = Constant <value_float = 16.0> ()
        unit = Constant <value_float = 1.0> ()
        position = Mul(y, sixteen)
        next = Add(position, unit)
        number = Cast <to = 7> (next)
        zero = Constant <value_int = 0> ()
        end = Constant <value_int = 4200> ()
        step = Constant <value_int = 1> ()
        numbers = Range(zero, end, step)
        two = Constant <value_int = 2> ()
        parity = Mod(numbers, two)
        table = Cast <to = 1> (parity)
        read = Gather(table, number)
        rows = Reshape(read, flat)
        points = MatMul(rows, layer)
    """)
    (points,) = run(model)
    assert points.all()
    assert_same_results(model)


def test_onnx_has_the_operators_in_fp16() -> None:
    """In every operator set; operators that came later are not in the first ones."""
    opsets = range(OPSETS[ONNX][0], OPSETS[ONNX][1] + 1)
    schemas = [
        onnx.defs.get_schema(operator, opset, "")
        for operator in HALF_OPERATORS
        for opset in opsets
        if onnx.defs.has(operator, opset, "")
    ]
    assert {schema.name for schema in schemas} == HALF_OPERATORS
    lacking = {each.name for each in schemas if "tensor(float16)" not in each.outputs[0].types}
    assert not lacking


def test_what_is_left_over_by_rounding_is_rounded_last() -> None:
    """255 / 7 has 0.43 beyond its whole part, of which fp16 would keep two digits."""
    model = network(f"""
        {CONV}
        seven = Constant <value_float = 7.0> ()
        quotient = Div(y, seven)
        whole = Floor(quotient)
        rest = Sub(quotient, whole)
        rows = Reshape(rest, flat)
        points = MatMul(rows, layer)
    """)
    (expected,), (points,) = run(model), run(converted(model))
    np.testing.assert_allclose(points, expected, rtol=2**-11)


def test_numbers_that_half_precision_cannot_hold_stay() -> None:
    """A factor of 100,000 would become infinite, and the smallest ones zero."""
    model = network(f"""
        {CONV}
        large = Constant <value_float = 100000.0> ()
        small = Constant <value_float = 1e-9> ()
        product = Mul(y, large)
        floor = Add(product, small)
        ones = Div(floor, floor)
        rows = Reshape(ones, flat)
        points = MatMul(rows, layer)
    """)
    (points,) = run(model)
    np.testing.assert_array_equal(points, np.ones((16, 16)))
    assert_same_results(model)


def test_weights_beyond_the_range_leave_their_layer_in_fp32() -> None:
    model = convolution_network()
    (weight,) = (each for each in model.graph.initializer if each.name == "dense_bias")
    weight.CopyFrom(onnx.numpy_helper.from_array(np.full(6, 1e6, np.float32), weight.name))
    half = converted(model)
    assert types(half)["dense_out"] == TensorProto.FLOAT
    assert types(half)["map"] == TensorProto.FLOAT16
    np.testing.assert_allclose(run_network(half), run_network(model), rtol=1e-4)


def test_each_value_is_cast_once() -> None:
    """Of `y`, two nodes read fp16 and two fp32; of `power`, in fp32, two read fp16."""
    model = network(
        f"""
        {CONV}
        two = Constant <value_float = 2.0> ()
        power = Pow(y, two)
        one_sum = Add(power, y)
        other_sum = Mul(power, y)
        sums = Add(one_sum, other_sum)
        rows = Reshape(sums, flat)
        points = MatMul(rows, layer)
        map = Exp(y)
        """,
        "float[n, 16] points, float[n, 1, 4, 4] map",
    )
    assert casts(converted(model)) == {
        ("image", "FLOAT16"): 1,
        ("y", "FLOAT"): 1,
        ("power", "FLOAT16"): 1,
        ("points_fp16", "FLOAT"): 1,
    }


def test_an_output_within_the_network_keeps_its_name_and_type() -> None:
    model = network(
        f"{CONV} rows = Reshape(y, flat) points = MatMul(rows, layer)",
        "float[n, 16] points, float[n, 1, 4, 4] y",
    )
    assert_same_results(model)


def test_subgraphs_stay_and_read_fp32() -> None:
    model = network(f"""
        {CONV}
        bright = ReduceMax <keepdims = 0> (image)
        dark = Constant <value = uint8 {{9}}> ()
        yes = Equal(bright, dark)
        chosen = If (yes) <
            then_branch = same () => (float[n, 1, 4, 4] kept) {{ kept = Identity(y) }},
            else_branch = twice () => (float[n, 1, 4, 4] doubled) {{ doubled = Add(y, y) }}
        >
        rows = Reshape(chosen, flat)
        points = MatMul(rows, layer)
    """)
    half = converted(model)
    assert types(half)["y"] == TensorProto.FLOAT16
    (points,) = run(half)
    np.testing.assert_array_equal(points, 2.0 * PIXELS.reshape(16, 16))


def test_grids_and_scales_stay_in_fp32() -> None:
    """Both are computed from what a layer returned."""
    model = network(f"""
        {CONV}
        hundredth = Constant <value_float = 0.01> ()
        small = Mul(y, hundredth)
        places = Constant <value_ints = [-1, 4, 2, 2]> ()
        grid = Reshape(small, places)
        double = Constant <value_floats = [1.0, 1.0, 2.0, 2.0]> ()
        large = Resize <mode = "linear"> (y, , double)
        sampled = GridSample(large, grid)
        again = Conv(sampled, one)
        rows = Flatten(again)
        twice = Concat <axis = 1> (rows, rows)
        points = MatMul(twice, layer)
    """)
    half = converted(model)
    kinds = types(half)
    halved = {name for name, kind in kinds.items() if kind == TensorProto.FLOAT16}
    assert {"large", "again", "rows"} <= halved
    assert not {"small", "grid", "sampled"} & halved
    np.testing.assert_allclose(run(half)[0], run(model)[0], atol=0.1)
