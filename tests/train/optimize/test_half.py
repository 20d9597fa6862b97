"""Networks in half precision."""

from __future__ import annotations

import onnx
from onnx import TensorProto, helper

from fkd_train.optimize.half import drop_repeated_casts


def test_a_value_is_cast_once_for_all_nodes_that_read_it() -> None:
    def cast(name: str) -> onnx.NodeProto:
        return helper.make_node("Cast", ["half"], ["single"], to=TensorProto.FLOAT, name=name)

    nodes = [
        cast("once"),
        helper.make_node("Sin", ["single"], ["a"]),
        cast("again"),
        helper.make_node("Cos", ["single"], ["b"]),
    ]
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "ab"]
    half = helper.make_tensor_value_info("half", TensorProto.FLOAT16, [1])
    model = helper.make_model(helper.make_graph(nodes, "casts", [half], outputs))
    drop_repeated_casts(model)
    assert [node.op_type for node in model.graph.node] == ["Cast", "Sin", "Cos"]
    onnx.checker.check_model(model, full_check=True)
